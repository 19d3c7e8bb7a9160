"""Rollouts as recorded in the journal, read without any code of the engine."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from fleet.core.policy.policy import Policy
from fleet.core.policy.times.freeze import Freeze, FreezeScope
from fleet.core.records.journal import JournalEntry, JournalRecord
from fleet.lab.simulation.checker.gates import GateView
from fleet.lab.simulation.checker.hooks import HookView

BEGUN = ("cordon", "drain", "reboot", "verify", "uncordon", "soak", "return")
WELL = ("done",)
GATE_RECORDS = ("gates", "workloads", "gate-measured", "gate-passed", "gate-failed")
ENDED = ("done", "failed", "cancelled")


class RunView:
    def __init__(self, goal: dict[str, Any]) -> None:
        self.cluster, self.name = goal["node"][0], goal["node"][1]
        self.uid: str = goal["uid"]
        self.pool: str = goal["pool"]
        self.zone: str = goal.get("zone", "")
        self.site: str = goal.get("site", "")
        self.canary: bool = goal.get("canary", False)
        self.step = "pending"
        self.began = False
        """True: the run has taken its slot."""
        self.keeps = False
        """True: the run holds its slot, because it has begun, has not succeeded, and was not released."""
        self.reboots: set[str] = set()
        """The tokens under which the machine accepted a reboot."""
        self.failed_before: frozenset[str] = frozenset()
        """The failed units of the machine when the first reboot reached it."""

    def go(self, step: str) -> None:
        self.began = self.began or step in BEGUN
        if step in BEGUN:
            self.keeps = True
        elif step != "failed":
            self.keeps = False
        self.step = step


class JournalView:
    """One rollout, by its journal entries."""

    def __init__(self, entry: JournalEntry) -> None:
        detail = entry.record.detail
        self.id = entry.record.rollout
        self.policy = msgspec.convert(detail["policy"], Policy)
        self.freezes = self.policy.freezes
        """Those by which the rollout has to go now."""
        self.release: dict[str, Any] = detail["release"]
        self.runs = {f"{goal['node'][0]}/{goal['node'][1]}": RunView(goal) for goal in detail["goals"]}
        self.canaries_wanted: dict[str, int] = {}
        """The number of canaries with which each pool was started."""
        for run in self.runs.values():
            self.canaries_wanted[run.pool] = self.canaries_wanted.get(run.pool, 0) + run.canary
        self.gates = GateView(self.policy)
        self.hooks = HookView(self.policy)
        self.state = "running"
        self.ended = False

    def remember(self, other: JournalView) -> None:
        """Takes over what was seen beside the journal: reboots, and measurements of gates."""
        for name, run in self.runs.items():
            run.reboots, run.failed_before = other.runs[name].reboots, other.runs[name].failed_before
        self.gates.remember(other.gates)

    def apply(self, entry: JournalEntry) -> None:
        """Applies an entry of the journal."""
        record = entry.record
        if record.form == "command":
            if record.kind == "pass":
                self.gates.apply(record.kind, record.detail, entry.at)
            elif record.kind == "hook":
                self.hooks.apply(record.kind, record.detail, record.node)
            elif record.kind == "freezes":
                self.freezes = msgspec.convert(record.detail["freezes"], tuple[Freeze, ...])
            else:
                self._apply_command(record.kind, record.node)
        elif record.form == "decision" and record.kind in GATE_RECORDS:
            self.gates.apply(record.kind, record.detail, entry.at)
        elif record.form == "decision" and record.kind in ("hook-started", "hook-ended"):
            self.hooks.apply(record.kind, record.detail, record.node)
        elif record.form == "decision" and record.kind == "step":
            self.runs[record.node].go(record.detail["to"])
        elif record.form == "decision" and record.kind in ("canary", "no-canary"):
            self.runs[record.node].canary = record.kind == "canary"
        elif record.form == "decision" and record.kind == "re-registered":
            self.runs[record.node].uid = record.detail["uid"]
        elif record.form == "decision" and record.kind == "halt":
            self.state = "halted"
        elif record.form == "decision" and record.kind == "finish":
            self.ended = True

    def _apply_command(self, command: str, node: str) -> None:
        if command == "release" and self.runs[node].step == "failed":
            self.runs[node].keeps = False
        elif command != "release" and self.state != "aborted" and not self.ended:
            if command == "resume":
                self.hooks.forget_failed()
            self.state = {"pause": "paused", "resume": "running", "abort": "aborted"}[command]

    def out_of_hooks(self, record: JournalRecord) -> str:
        """Returns why the record must not come before hooks, or why a hook must not start; empty: it may."""
        run = self.runs.get(record.node)
        pool = run.pool if run is not None else ""
        if record.form == "decision" and record.kind == "hook-started":
            why = self.hooks.wrong_start(record.detail, record.node, pool, self.state)
            return f"hook {record.detail['hook']} of {record.node} starts: {why}" if why else ""
        if record.form == "decision" and record.kind == "finish" and self.state != "aborted":
            missing = self.hooks.open("after_rollout")
        elif record.form == "intent" and record.kind in ("evict", "reboot"):
            missing = self.hooks.open("before_node", record.node, pool)
        elif record.form == "intent" and record.kind == "uncordon" and run and run.step == "uncordon":
            missing = self.hooks.open("after_node", record.node, pool)
        elif (
            record.form == "decision" and record.kind == "step" and run and run.step in ("pending", "staged")
        ):
            begins = record.detail["to"] in ("stage", "cordon")
            missing = self._open_before(run) if begins else []
        else:
            return ""
        return f"{record.kind} of {record.node} before {', '.join(missing)}" if missing else ""

    def _open_before(self, run: RunView) -> list[str]:
        """Returns the hooks of the rollout and of its stages that keep the run from beginning."""
        stages, index = self.policy.stages or (), self.stage(run)
        occupied = {self.stage(other) for other in self.runs.values()}
        missing = self.hooks.open("before_rollout")
        for before in (at for at in range(min(index, len(stages))) if at in occupied):
            missing += self.hooks.open("after_stage", stages[before].name)
        return missing + (self.hooks.open("before_stage", stages[index].name) if index < len(stages) else [])

    def stage(self, run: RunView) -> int:
        """Returns the index of the run's stage; that after the last one if no stage matches."""
        for index, stage in enumerate(self.policy.stages or ()):
            matches = (
                (stage.pools, run.pool),
                (stage.clusters, run.cluster),
                (stage.sites, run.site),
            )
            if all(not names or name in names for names, name in matches):
                return index
        return len(self.policy.stages or ())

    def out_of_stage(self, run: RunView) -> str:
        """Returns why the run's stage or site must not begin yet; empty: it may."""
        stages, index = self.policy.stages or (), self.stage(run)
        before = [other for other in self.runs.values() if self.stage(other) < index]
        if open_ones := [other.name for other in before if other.step not in ENDED]:
            return f"{', '.join(open_ones)} of an earlier stage have not ended"
        if run.canary or index == len(stages) or (most := stages[index].sites_at_once) is None:
            return ""
        in_work = {
            other.site
            for other in self.runs.values()
            if self.stage(other) == index and self._site_is_in_work(index, other.site)
        }
        return f"sites {sorted(in_work)} are in work" if len(in_work | {run.site}) > most else ""

    def _site_is_in_work(self, index: int, site: str) -> bool:
        runs = [run for run in self.runs.values() if self.stage(run) == index and run.site == site]
        return any(run.step not in ENDED for run in runs) and any(
            (run.began or run.step in ("stage", "staged")) and not run.canary for run in runs
        )

    def closed_gates(self, run: RunView) -> list[str]:
        """Returns the gates that keep the run from beginning."""
        index = self.stage(run)
        occupied = {self.stage(other) for other in self.runs.values()}
        before = [
            stage.name for at, stage in enumerate(self.policy.stages or ()) if at < index and at in occupied
        ]
        closed = self.gates.closed("stage", before)
        return closed if run.canary else [*closed, *self.gates.closed("pool", [run.pool])]

    def not_noted(self, run: RunView) -> list[str]:
        """Returns the points whose gates compare how ready workloads are, for which nothing is noted in the run's
        cluster."""
        stages, index = self.policy.stages or (), self.stage(run)
        points = [("stage", stages[index].name)] if index < len(stages) else []
        points += [("pool", run.pool)] if run.canary else []
        return [
            name
            for of, name in points
            if self.gates.compares_workloads(of, name)
            and run.cluster not in self.gates.noted.get((of, name), {})
        ]

    def canaries_proven(self, of: RunView) -> bool:
        """Returns whether the run may begin as one of the rest of its pool."""
        pool, index = of.pool, self.stage(of)
        before = [run for run in self.runs.values() if self.stage(run) <= index]
        canaries = [run for run in before if run.canary]
        if not all(run.step in ENDED and not run.keeps for run in canaries):
            return False
        if self.proven(pool) < self.canaries_wanted[pool]:
            return False
        wanting = {run.pool for run in before if self.canaries_wanted[run.pool] and run.step not in ENDED}
        open_runs = any(run.step not in ENDED for run in self.runs.values() if run.pool in wanting)
        return not open_runs or any(self.proven(other) for other in self.canaries_wanted)

    def proven(self, pool: str) -> int:
        return sum(run.pool == pool and run.canary and run.step in WELL for run in self.runs.values())

    def may_appoint(self, run: RunView) -> bool:
        """Returns whether the run may become a canary: its pool has fewer than it was started with."""
        canaries = [other for other in self.runs.values() if other.canary and other.pool == run.pool]
        count = sum(other.step in WELL or other.step not in ENDED for other in canaries)
        return run.step in ("pending", "staged") and count < self.canaries_wanted[run.pool]

    @property
    def in_work(self) -> bool:
        return any(run.step == "stage" or run.step in BEGUN for run in self.runs.values())

    def frozen(self, run: RunView, at: datetime) -> bool:
        """Returns whether a freeze that holds for the run's node is in force."""
        return any(
            freeze.begin <= at < freeze.until and (not freeze.scope or _inside(run, freeze.scope))
            for freeze in self.freezes
        )

    def open(self, pool: str, at: datetime) -> bool:
        """Returns whether a window of the pool is open. The windows of the simulation are daily, in UTC, and within
        one day."""
        windows = next(candidate.windows for candidate in self.policy.pools if candidate.name == pool)
        return not windows or any(window.start <= at.time() < window.end for window in windows)


def read_again(before: dict[str, JournalView], left: list[JournalEntry]) -> dict[str, JournalView]:
    """Returns the rollouts by what is left of the journal, with what was seen beside it."""
    views: dict[str, JournalView] = {}
    for entry in left:
        record = entry.record
        if record.form == "command" and record.kind == "start":
            views[record.rollout] = JournalView(entry)
        else:
            views[record.rollout].apply(entry)
    for ident, view in views.items():
        view.remember(before[ident])
    return views


def _inside(run: RunView, scope: FreezeScope) -> bool:
    sites, clusters, pools = (
        scope.sites or [run.site],
        scope.clusters or [run.cluster],
        scope.pools or [run.pool],
    )
    return run.site in sites and run.cluster in clusters and run.pool in pools
