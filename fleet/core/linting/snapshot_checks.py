"""The other checks of a cluster, by the guards and the warnings of a plan."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set

from fleet.core.cluster.notices import notices_by_node
from fleet.core.cluster.snapshot import Snapshot
from fleet.core.cluster.version_skew import skews
from fleet.core.cluster.view import ClusterView
from fleet.core.linting.finding import LintFinding
from fleet.core.linting.rebooters import rebooters
from fleet.core.planning.landing import unknown_landings
from fleet.core.planning.obstacles import obstacles
from fleet.core.planning.plan import PlanWarning
from fleet.core.planning.plan_warnings import architectures
from fleet.core.planning.plan_warnings.losses import loss_notes
from fleet.core.planning.plan_warnings.plan_warnings import snapshot_warnings
from fleet.core.policy.policy import Policy
from fleet.core.records.reasons.reason import Reason

NAMED = 3
"""The number of nodes that a finding names before it counts the rest."""
ASSUMED = frozenset({"gate-measured", "gate-operator", "hook-unmeasured"})
"""Warnings about what a plan takes for granted. They are no mistake of the policy, and no change of it would end them: a
gate that asks an operator is meant to. What can be found out about gates, `gate-unanswered` reports."""


def check_skews(snapshot: Snapshot) -> Iterator[LintFinding]:
    """Yields the versions of kubelets, API servers and etcd members that are further apart than is supported."""
    servers = {snapshot.server_version, *(pod.api_server for pod in snapshot.pods)}
    kubelets: dict[str, list[str]] = {}
    for node in snapshot.nodes:
        kubelets.setdefault(node.kubelet, []).append(node.name)
    for skew in skews(servers, kubelets, snapshot.quorums):
        yield LintFinding(snapshot.cluster, skew.check, skew.subject, skew.message, skew.remedy)


def check_rebooters(snapshot: Snapshot) -> Iterator[LintFinding]:
    """Yields other programs that reboot nodes and are at work on some. A program that merely could be at work is no
    contradiction."""
    for rebooter in rebooters(snapshot):
        if rebooter.nodes:
            yield LintFinding(
                snapshot.cluster, "others-reboot", rebooter.name, rebooter.message, rebooter.remedy
            )


def check_others(snapshot: Snapshot) -> Iterator[LintFinding]:
    """Yields other parties' work on nodes that ends by itself. Work that does not end by itself is an obstacle."""
    nodes_of: dict[tuple[str, str, str], list[str]] = {}
    for name, notices in notices_by_node(snapshot).items():
        for notice in notices:
            if notice.holds and not notice.stays:
                nodes_of.setdefault(
                    (notice.party, f"{notice.message} ({notice.mark})", notice.remedy), []
                ).append(name)
    for (party, message, remedy), names in nodes_of.items():
        yield LintFinding(
            snapshot.cluster, "others-node", party, f"{message}: {_listed(tuple(sorted(names)))}", remedy
        )


def check_obstacles(policy: Policy, snapshot: Snapshot, never: Set[str]) -> Iterator[LintFinding]:
    """Yields the reasons that would hold nodes until an operator acts, as found by the guards of a rollout.

    `never`: budgets that are already reported never to allow an eviction.
    """
    for obstacle in obstacles(policy, snapshot):
        reason, spec = obstacle.held.reason, obstacle.held.spec
        reported = reason is Reason.BUDGET_NEVER and obstacle.held.subject in never
        if spec.lint == "finding" and spec.scope != "quorum group" and not reported:
            does = "the rollout tries" if reason is Reason.LENGTH_UNKNOWN else "holds"
            message = f"{obstacle.held.message}; {does} {_listed(obstacle.nodes)}"
            yield LintFinding(
                snapshot.cluster, str(reason), obstacle.held.subject, message, obstacle.held.remedy
            )


def check_landings(policy: Policy, snapshot: Snapshot) -> Iterator[LintFinding]:
    """Yields workloads for whose pods fleet cannot know whether another node can take them."""
    for landing in unknown_landings(policy, snapshot):
        remedy = "see that another node can take it"
        yield LintFinding(snapshot.cluster, "landing-unknown", landing.subject, landing.message, remedy)


def check_losses(policy: Policy, snapshot: Snapshot) -> Iterator[LintFinding]:
    """Yields pods that a drain would lose or could not remove. Local data is left out: the owner of a pod with an
    emptyDir has chosen that its data is deleted with the pod, and the plan names such pods."""
    view = ClusterView.of(snapshot)
    pools = ((node.name, policy.pool_of(snapshot.cluster, node)) for node in snapshot.nodes)
    drained = {name: pool.drain for name, pool in pools if pool is not None}
    for name, rule in drained.items():
        view.set_drain_rules(name, rule.rules)
    for note in loss_notes(view, drained):
        if note.check != "local-data-lost":
            yield LintFinding(snapshot.cluster, note.check, note.subject, note.message, note.remedy)


def check_plan_warnings(policy: Policy, snapshot: Snapshot) -> Iterator[LintFinding]:
    """Yields the warnings of a plan for all pools, without those about what only a plan assumes."""
    for warning in (*snapshot_warnings(policy, snapshot), *_architectures(policy, snapshot)):
        if warning.check in ASSUMED:
            continue
        yield LintFinding(snapshot.cluster, warning.check, warning.subject, warning.message, warning.remedy)


def _architectures(policy: Policy, snapshot: Snapshot) -> Iterator[PlanWarning]:
    for pool in policy.pools:
        if target := policy.target(pool):
            own = [node for node in snapshot.nodes if policy.pool_of(snapshot.cluster, node) is pool]
            yield from architectures.of_pool(pool.name, own, target)


def _listed(nodes: Sequence[str]) -> str:
    more = f" and {len(nodes) - NAMED:,} more" if len(nodes) > NAMED else ""
    return f"{', '.join(nodes[:NAMED])}{more}"
