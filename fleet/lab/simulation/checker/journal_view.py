"""The rollouts as a reader of the journal understands them who has never seen the engine."""

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
        """It holds a place: begun and not ended well, and not released by a person."""
        self.reboots: set[str] = set()
        """Tokens under which its machine took a reboot."""
        self.failed_before: frozenset[str] = frozenset()
        """Units of its machine when the first of them reached it."""

    def go(self, step: str) -> None:
        if step in BEGUN:
            self.keeps = True
        elif step != "failed":
            self.keeps = False
        self.step = step


class JournalView:
    """One rollout."""

    def __init__(self, entry: JournalEntry) -> None:
        detail = entry.record.detail
        self.id = entry.record.rollout
        self.policy = msgspec.convert(detail["policy"], Policy)
        self.release: dict[str, Any] = detail["release"]
        self.runs = {f"{goal['node'][0]}/{goal['node'][1]}": RunView(goal) for goal in detail["goals"]}
        self.asked: dict[str, int] = {}
        """How many canaries each pool was started with."""
        for run in self.runs.values():
            self.asked[run.pool] = self.asked.get(run.pool, 0) + run.canary
        self.state = "running"
        self.ended = False

    def hear(self, entry: JournalEntry) -> None:
        record = entry.record
        if record.form == "command":
            self._obey(record.kind, record.node)
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

    def _obey(self, word: str, node: str) -> None:
        if word == "release" and self.runs[node].step == "failed":
            self.runs[node].keeps = False
        elif word != "release" and self.state != "aborted" and not self.ended:
            self.state = {"pause": "paused", "resume": "running", "abort": "aborted"}[word]

    def canaries_proven(self, pool: str) -> bool:
        """The rest of that pool may begin."""
        canaries = [run for run in self.runs.values() if run.canary]
        if not all(run.step in ENDED and not run.keeps for run in canaries):
            return False
        if self.proven(pool) < self.asked[pool]:
            return False
        hoped = any(run.step not in ENDED for run in self.runs.values() if self.asked[run.pool])
        return not hoped or any(self.proven(each) for each in self.asked)

    def proven(self, pool: str) -> int:
        return sum(run.pool == pool and run.canary and run.step in WELL for run in self.runs.values())

    def may_appoint(self, run: RunView) -> bool:
        """One more canary of its pool is not more than were asked for."""
        same = [each for each in self.runs.values() if each.canary and each.pool == run.pool]
        others = sum(each.step in WELL or each.step not in ENDED for each in same)
        return run.step in ("pending", "staged") and others < self.asked[run.pool]

    @property
    def in_work(self) -> bool:
        return any(run.step == "stage" or run.step in BEGUN for run in self.runs.values())

    def frozen(self, at: datetime) -> bool:
        return any(freeze.begin <= at < freeze.until for freeze in self.policy.freezes)

    def open(self, pool: str, at: datetime) -> bool:
        """The simulation's windows are daily ones in UTC, within one day."""
        windows = next(each.windows for each in self.policy.pools if each.name == pool)
        return not windows or any(each.start <= at.time() < each.end for each in windows)
