"""Judges a history by what truly is in the model and what was asked of it. Shares no code with the engine: its idea of
readiness, budgets, limits and ownership is its own."""

from __future__ import annotations

from math import ceil

from fleet.core.action import AnyAction, Cordon, Evict, Reboot, Result, Uncordon
from fleet.core.budget import Budget
from fleet.core.journal import Entry
from fleet.core.snapshot import Snapshot


LAG = 60.0
"""Seconds until pods that a stranger has disturbed are counted by every budget, at most."""


class Checker:
    """`broken` lists in words what must never happen."""

    def __init__(self, limit: int, per_zone: int) -> None:
        self.limit = limit
        self.per_zone = per_zone
        self.broken: list[str] = []
        self.asleep = ""
        """Why nothing may begin: paused, or aborted."""
        self._cordoned: set[str] = set()
        self._booted_from: set[tuple[str, str]] = set()
        self._foreign: set[str] = set()
        self._settled = 0.0

    def strange(self, at: float, snapshot: Snapshot) -> None:
        """A stranger has acted: what is cordoned without our mark now is theirs, and for a moment the budgets' status
        is behind the truth, for the API server too."""
        self._settled = at + LAG
        self._foreign = {
            node.name for node in snapshot.nodes if node.unschedulable and node.name not in self._cordoned
        }

    def before(self, at: float, action: AnyAction, snapshot: Snapshot, journal: list[Entry]) -> None:
        """Right before an action reaches the cluster; `snapshot` is the truth."""
        name = action.node.name
        if not any(
            entry.record.form == "intent" and entry.record.detail["id"] == action.id for entry in journal
        ):
            self._break(at, f"{action.kind} of {name} without an intent in the journal")
        if self.asleep and isinstance(action, Cordon | Evict | Reboot) and not self._goes_on(action):
            self._break(at, f"{action.kind} of {name} while {self.asleep}")
        if isinstance(action, Reboot):
            self._before_reboot(at, action, snapshot)

    def after(self, at: float, action: AnyAction, result: Result, was: Snapshot, now: Snapshot) -> None:
        """What an action that reached the cluster has done there."""
        name = action.node.name
        if isinstance(action, Cordon) and result is Result.DONE:
            self._cordoned.add(name)
            self._count(at, now)
        if isinstance(action, Uncordon):
            self._cordoned.discard(name)
        if isinstance(action, Evict) and result is Result.DONE:
            self._after_evict(at, action, was)
        for node in now.nodes:
            if node.name in self._foreign and not node.unschedulable:
                self._break(at, f"{node.name} was uncordoned, its cordon was a stranger's")

    def _goes_on(self, action: AnyAction) -> bool:
        """An abort lets begun runs end; a pause does not even let them be drained."""
        return self.asleep == "aborted" and action.node.name in self._cordoned

    def _before_reboot(self, at: float, action: Reboot, snapshot: Snapshot) -> None:
        name = action.node.name
        node = next((each for each in snapshot.nodes if each.name == name), None)
        if node is None or node.boot_id != action.boot_id:
            return
        if not node.unschedulable or name not in self._cordoned:
            self._break(at, f"reboot of {name}, which is not cordoned by us")
        owners = ("DaemonSet", "Node")
        for pod in snapshot.pods:
            stays = pod.mirror or (pod.owner is not None and pod.owner.kind in owners)
            if pod.node == name and not stays and pod.phase not in ("Succeeded", "Failed"):
                self._break(at, f"reboot of {name} under pod {pod.namespace}/{pod.name}")

    def _after_evict(self, at: float, action: Evict, was: Snapshot) -> None:
        """`was`: the truth right before the eviction was granted."""
        pod = next((each for each in was.pods if each.uid == action.pod_uid), None)
        if pod is None or pod.phase == "Pending" or not pod.ready:
            return
        for budget in was.budgets:
            terms = budget.selector.match_labels if budget.selector else None
            if terms is None or budget.namespace != pod.namespace:
                continue
            if not all(pod.labels.get(key) == value for key, value in terms.items()):
                continue
            covered = [
                each
                for each in was.pods
                if each.namespace == budget.namespace and terms.items() <= each.labels.items()
            ]
            healthy = sum(each.ready and not each.deleting for each in covered)
            if at >= self._settled and budget.observed and healthy - 1 < _needed(budget):
                self._break(at, f"evicting {pod.name} leaves {healthy - 1} ready under {budget.name}")

    def _count(self, at: float, now: Snapshot) -> None:
        out = [node for node in now.nodes if node.unschedulable or node.ready is not True]
        if len(out) > self.limit and any(node.name in self._cordoned for node in out):
            self._break(at, f"{len(out)} nodes are out, {self.limit} may be")
        for zone in {node.zone for node in out}:
            here = sum(node.zone == zone for node in out)
            if here > self.per_zone:
                self._break(at, f"{here} nodes are out in zone {zone}, {self.per_zone} may be")

    def booted(self, at: float, name: str, boot_id: str) -> None:
        """A node has come up under this boot id by our request."""
        if (name, boot_id) in self._booted_from:
            self._break(at, f"{name} was rebooted twice from boot {boot_id}")
        self._booted_from.add((name, boot_id))

    def _break(self, at: float, words: str) -> None:
        self.broken.append(f"{at:.1f} s: {words}")


def _needed(budget: Budget) -> int:
    """Healthy pods that the budget asks for, from its spec and the pods that its controller expects."""
    expected = budget.expected_pods
    if budget.min_available is not None:
        return _share(budget.min_available, expected)
    return max(0, expected - _share(budget.max_unavailable or 0, expected))


def _share(amount: int | str, total: int) -> int:
    return ceil(total * int(amount.rstrip("%")) / 100) if isinstance(amount, str) else amount
