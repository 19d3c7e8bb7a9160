"""Finds the nodes that a full limit holds and that go by themselves: other parties remove what is out, or bring it back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fleet.core.cluster.view import ClusterView
from fleet.core.objects.node import NodeRef
from fleet.core.policy.policy import Policy, site_of
from fleet.core.records.held import Held
from fleet.core.records.reasons.reason import Reason
from fleet.core.rollout.rollout import Rollout
from fleet.core.state.limits import scopes

LIMITS = (Reason.POOL_LIMIT, Reason.ZONE_LIMIT, Reason.SITE_LIMIT, Reason.CLUSTER_LIMIT)


def opens_by_itself(
    held: Held, rollout: Rollout, views: Mapping[str, ClusterView], sites: Mapping[str, str]
) -> bool:
    """Returns whether a full limit opens without an operator: another party works on every node that is out, and ends or
    removes the node by itself. A failed run keeps its place until an operator has released it.

    `views`: the clusters as they are at the start. `sites`: the site of each cluster.
    """
    if held.reason not in LIMITS:
        return False
    out = [ref for ref in _members(held, rollout.policy, views, sites) if _is_out(ref, rollout, views)]
    return bool(out) and all(
        any(notice.holds and not notice.stays for notice in views[ref.cluster].notices(ref.name))
        for ref in out
    )


def _is_out(ref: NodeRef, rollout: Rollout, views: Mapping[str, ClusterView]) -> bool:
    run, view = rollout.runs.get(ref), views[ref.cluster]
    keeps_place = run is not None and run.ended and run.slot
    return keeps_place or not view.nodes[ref.name].available or bool(view.why_lost)


def _members(
    held: Held, policy: Policy, views: Mapping[str, ClusterView], sites: Mapping[str, str]
) -> Iterator[NodeRef]:
    """Yields the nodes that count for the limit."""
    for view in views.values():
        for node in view.nodes.values():
            pool, ref = policy.pool_of(view.name, node), NodeRef(view.name, node.name)
            if pool is None:
                continue
            site = site_of(node, sites.get(view.name, ""))
            for scope, _ in scopes(ref, pool.name, site, node.zone, pool.limits, policy.limits):
                if (scope.reason, scope.subject) == (held.reason, held.subject):
                    yield ref
