"""Rollouts as recorded in the journal, read without any code of the engine."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from fleet.core.policy.policy import Policy
from fleet.core.records.journal import JournalEntry

BEGUN = ("cordon", "drain", "reboot", "verify", "uncordon", "soak", "return")
WELL = ("done",)
ENDED = ("done", "failed", "cancelled")


class RunView:
    def __init__(self, goal: dict[str, Any]) -> None:
        self.cluster, self.name = goal["node"][0], goal["node"][1]
        self.uid: str = goal["uid"]
        self.pool: str = goal["pool"]
        self.zone: str = goal.get("zone", "")
        self.canary: bool = goal.get("canary", False)
        self.step = "pending"
        self.keeps = False
        """True: the run holds its slot, because it has begun, has not succeeded, and was not released."""
        self.reboots: set[str] = set()
        """The tokens under which the machine accepted a reboot."""
        self.failed_before: frozenset[str] = frozenset()
        """The failed units of the machine when the first reboot reached it."""

    def go(self, step: str) -> None:
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
        self.release: dict[str, Any] = detail["release"]
        self.runs = {f"{goal['node'][0]}/{goal['node'][1]}": RunView(goal) for goal in detail["goals"]}
        self.canaries_wanted: dict[str, int] = {}
        """The number of canaries with which each pool was started."""
        for run in self.runs.values():
            self.canaries_wanted[run.pool] = self.canaries_wanted.get(run.pool, 0) + run.canary
        self.state = "running"
        self.ended = False

    def apply(self, entry: JournalEntry) -> None:
        """Applies an entry of the journal."""
        record = entry.record
        if record.form == "command":
            self._apply_command(record.kind, record.node)
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
            self.state = {"pause": "paused", "resume": "running", "abort": "aborted"}[command]

    def canaries_proven(self, pool: str) -> bool:
        """Returns whether the rest of the pool may begin."""
        canaries = [run for run in self.runs.values() if run.canary]
        if not all(run.step in ENDED and not run.keeps for run in canaries):
            return False
        if self.proven(pool) < self.canaries_wanted[pool]:
            return False
        open_runs = any(run.step not in ENDED for run in self.runs.values() if self.canaries_wanted[run.pool])
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

    def frozen(self, at: datetime) -> bool:
        return any(freeze.begin <= at < freeze.until for freeze in self.policy.freezes)

    def open(self, pool: str, at: datetime) -> bool:
        """Returns whether a window of the pool is open. The windows of the simulation are daily, in UTC, and within
        one day."""
        windows = next(candidate.windows for candidate in self.policy.pools if candidate.name == pool)
        return not windows or any(window.start <= at.time() < window.end for window in windows)
