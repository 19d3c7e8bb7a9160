"""Checks of disruption budgets, alone and beside the quorum groups of the same pods."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from fleet.core.cluster.snapshot import Snapshot
from fleet.core.linting.carried_group import CarriedGroup, pods_are, spare_voters
from fleet.core.linting.finding import LintFinding
from fleet.core.objects.budget import Budget, share
from fleet.core.objects.pod import Pod
from fleet.core.text.counts import counted
from fleet.core.third_parties.operators import opens_again, operator_of
from fleet.core.third_parties.roles import Roles


def check_budgets(snapshot: Snapshot, groups: Sequence[CarriedGroup]) -> Iterator[LintFinding]:
    """Yields the findings about the PodDisruptionBudgets of a cluster."""
    drained = [pod for pod in snapshot.pods if not pod.stays and not pod.finished]
    index, roles = _PodIndex(drained), Roles()
    for pod in snapshot.pods:
        roles.upsert(pod)
    several: dict[tuple[str, ...], list[Pod]] = {}
    matched: dict[str, list[str]] = {}
    for budget in snapshot.budgets:
        pods_of_budget = index.under(budget)
        # Budgets that select by a role are reported with the node that carries the role (core/planning/obstacles.py).
        # Budgets that an operator opens on request are reported there too: the rollout tries their nodes.
        opened = all(operator_of(pod) is not None or opens_again(pod) for pod in pods_of_budget)
        if not opened and not any(roles.selecting(budget, pod) for pod in pods_of_budget):
            yield from _never(snapshot.cluster, budget, len(pods_of_budget))
        for group in groups:
            yield from _check_quorum(snapshot.cluster, budget, group, pods_of_budget)
        for pod in pods_of_budget:
            matched.setdefault(pod.uid, []).append(str(budget.ref))
    for pod in drained:
        if len(matched.get(pod.uid, ())) > 1:
            several.setdefault(tuple(matched[pod.uid]), []).append(pod)
    for names, pods in several.items():
        message = (
            f"{pods_are(len(pods))} also under {', '.join(names[1:])}: the API server evicts none of them"
        )
        yield LintFinding(
            snapshot.cluster, "budgets-several", names[0], message, "keep one budget for each pod"
        )


class _PodIndex:
    """Pods by namespace and by each of their labels, because thousands of budgets may be in one namespace."""

    def __init__(self, pods: Iterable[Pod]) -> None:
        self._by: dict[tuple[str, ...], list[Pod]] = {}
        for pod in pods:
            self._by.setdefault((pod.namespace,), []).append(pod)
            for key, value in pod.labels.items():
                self._by.setdefault((pod.namespace, key, value), []).append(pod)

    def under(self, budget: Budget) -> list[Pod]:
        labels = budget.selector.match_labels if budget.selector is not None else {}
        places: list[tuple[str, ...]] = [(budget.namespace, key, value) for key, value in labels.items()]
        places = places or [(budget.namespace,)]
        few = min((self._by.get(place, []) for place in places), key=len)
        return [pod for pod in few if budget.matches(pod)]


def _never(cluster: str, budget: Budget, pods: int) -> Iterator[LintFinding]:
    if not pods or _allowed(budget, pods) > 0:
        return
    message = f"{budget.rule} over {counted(pods, 'pod')} never allows an eviction"
    remedy = (
        "set maxUnavailable: 1" if pods > 1 else "set maxUnavailable: 1 (the pod goes), or run a second one"
    )
    yield LintFinding(cluster, "budget-never", str(budget.ref), message, remedy)


def _check_quorum(
    cluster: str, budget: Budget, group: CarriedGroup, pods_of_budget: Sequence[Pod]
) -> Iterator[LintFinding]:
    of_group = {pod.uid for pod in group.pods}
    if not group.voters or not any(pod.uid in of_group for pod in pods_of_budget):
        return
    allowed, spare = _allowed(budget, len(pods_of_budget)), spare_voters(group)
    if allowed > spare:
        stays = f", margin {group.rule.margin}" if group.rule.margin else ""
        message = (
            f"{budget.rule} lets {min(allowed, len(pods_of_budget))} of {len(pods_of_budget)} pods go at once; "
            f"{group.name} can spare "
            f"{spare} of {counted(group.voters, 'voter')}{stays}. fleet goes by the group, which is stricter; others who "
            "evict go by the budget"
        )
        remedy = f"set maxUnavailable: {spare}" if spare else "use 3 voters; no budget can help fewer"
        yield LintFinding(cluster, "budget-quorum", str(budget.ref), message, remedy)


def _allowed(budget: Budget, pods: int) -> int:
    """Returns how many of this number of pods, all healthy, may be away. Percentages are rounded up, as the budget's
    controller does."""
    if budget.max_unavailable is not None:
        return min(pods, share(budget.max_unavailable, pods))
    if budget.min_available is not None:
        return max(0, pods - share(budget.min_available, pods))
    return 0
