"""Checks of everything else in a cluster, by the guards and the warnings of a plan."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set

from fleet.core.cluster.notices import notices_by_node
from fleet.core.cluster.snapshot import Snapshot
from fleet.core.cluster.view import ClusterView
from fleet.core.guards.version_skew import skews
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

CHECKED_OTHERWISE = {reason for reason in Reason if reason.spec.scope == "quorum group"} | {
    Reason.SEVERAL_BUDGETS,
    Reason.SKEW,
    Reason.SKEW_OLD,
    Reason.SKEW_UNKNOWN,
}
"""Reasons that another check explains in more detail, or that are about one release only."""

SHOWN_BY_STATUS = frozenset(
    {
        Reason.HALTED,
        Reason.NODE_GONE,
        Reason.NODE_REPLACED,
        Reason.NODE_NOT_READY,
        Reason.NO_AGENT,
        Reason.OTHER_ROLLOUT,
        Reason.OTHER_CORDON,
        Reason.ROLLED_BACK,
    }
)
"""Reasons about the state of a node or of a rollout, which `fleet status` shows."""

NAMED = 3
"""The number of nodes that a finding names before it counts the rest."""


def check_skews(snapshot: Snapshot) -> Iterator[LintFinding]:
    """Yields the versions of kubelets, API servers and etcd members that are further apart than is supported."""
    servers = {snapshot.server_version, *(pod.api_server for pod in snapshot.pods)}
    kubelets: dict[str, list[str]] = {}
    for node in snapshot.nodes:
        kubelets.setdefault(node.kubelet, []).append(node.name)
    for each in skews(servers, kubelets, snapshot.quorums):
        yield LintFinding(snapshot.cluster, each.check, each.subject, each.words, each.advice)


def check_rebooters(snapshot: Snapshot) -> Iterator[LintFinding]:
    """Yields other programs that reboot nodes and are at work on some. A program that merely could be at work is no
    contradiction."""
    for each in rebooters(snapshot):
        if each.nodes:
            yield LintFinding(snapshot.cluster, "others-reboot", each.name, each.message, each.remedy)


def check_others(snapshot: Snapshot) -> Iterator[LintFinding]:
    """Yields other parties' work on nodes that ends by itself. Work that does not end by itself is an obstacle."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for name, notices in notices_by_node(snapshot).items():
        for each in notices:
            if each.holds and not each.stays:
                found.setdefault((each.party, f"{each.message} ({each.mark})", each.remedy), []).append(name)
    for (party, told, advice), names in found.items():
        yield LintFinding(
            snapshot.cluster, "others-node", party, f"{told}: {_listed(tuple(sorted(names)))}", advice
        )


def check_obstacles(policy: Policy, snapshot: Snapshot, never: Set[str]) -> Iterator[LintFinding]:
    """Yields what would hold nodes until an operator acts, as the guards of a rollout find.

    `never`: budgets that are already reported never to allow an eviction.
    """
    for each in obstacles(policy, snapshot):
        reason = each.held.reason
        said = reason in CHECKED_OTHERWISE or (reason is Reason.BUDGET_NEVER and each.held.subject in never)
        if not said and reason not in SHOWN_BY_STATUS:
            does = "the rollout tries" if reason is Reason.LENGTH_UNKNOWN else "holds"
            words = f"{each.held.message}; {does} {_listed(each.nodes)}"
            yield LintFinding(snapshot.cluster, str(reason), each.held.subject, words, each.held.remedy)


def check_landings(policy: Policy, snapshot: Snapshot) -> Iterator[LintFinding]:
    """Yields workloads for whose pods fleet cannot know whether another node can take them."""
    for each in unknown_landings(policy, snapshot):
        advice = "see that another node can take it"
        yield LintFinding(snapshot.cluster, "landing-unknown", each.subject, each.message, advice)


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
    """Yields what a plan for all pools would warn of."""
    for each in (*snapshot_warnings(policy, snapshot), *_architectures(policy, snapshot)):
        yield LintFinding(snapshot.cluster, each.check, each.subject, each.message, each.remedy)


def _architectures(policy: Policy, snapshot: Snapshot) -> Iterator[PlanWarning]:
    for pool in policy.pools:
        if target := policy.target(pool):
            own = [node for node in snapshot.nodes if policy.pool_of(snapshot.cluster, node) is pool]
            yield from architectures.of_pool(pool.name, own, target)


def _listed(nodes: Sequence[str]) -> str:
    more = f" and {len(nodes) - NAMED:,} more" if len(nodes) > NAMED else ""
    return f"{', '.join(nodes[:NAMED])}{more}"
