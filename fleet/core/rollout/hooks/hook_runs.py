"""Reads what became of each attempt of a hook from the journal's records. The struct is part of a report's published
JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from fleet.core.objects.node import NodeRef
from fleet.core.rollout.decisions import HookEnded, HookStarted
from fleet.core.rollout.hooks.hook_state import HookPlace


class HookRun(Struct, frozen=True):
    """One attempt of a hook."""

    hook: str
    moment: str
    """before_rollout, after_rollout, before_stage, after_stage, before_node or after_node"""
    stage: str
    """Empty for hooks of a rollout or of a node."""
    attempt: int
    start: datetime
    end: datetime | None = None
    """None: it has not ended."""
    result: str = ""
    """passed, failed, unknown, not-started or stopped. Empty: it has not ended."""
    message: str = ""
    output: str = ""
    """The end of its output, without secrets."""

    @property
    def seconds(self) -> float | None:
        return (self.end - self.start).total_seconds() if self.end is not None else None


class HookRuns:
    """The attempts of all hooks of one rollout."""

    def __init__(self) -> None:
        self._runs: dict[HookPlace, list[HookRun]] = {}

    def apply(self, record: HookStarted | HookEnded, at: datetime) -> None:
        """Adds an attempt, or its end."""
        runs = self._runs.setdefault(record.place, [])
        if isinstance(record, HookStarted):
            runs.append(HookRun(record.hook, str(record.moment), record.stage or "", record.attempt, at))
            return
        for index in reversed(range(len(runs))):
            if runs[index].hook == record.hook and runs[index].end is None:
                runs[index] = replace(
                    runs[index],
                    end=at,
                    result=str(record.result),
                    message=record.message,
                    output=record.output,
                )
                return

    def of_node(self, ref: NodeRef) -> tuple[HookRun, ...]:
        """Returns the attempts of the node's hooks, in the order in which they began."""
        return self._in_order(lambda place: place.node == ref)

    def of_rollout(self) -> tuple[HookRun, ...]:
        """Returns the attempts of the hooks of the rollout and its stages, in the order in which they began."""
        return self._in_order(lambda place: place.node is None)

    def _in_order(self, chosen: Callable[[HookPlace], bool]) -> tuple[HookRun, ...]:
        found: Iterator[HookRun] = (
            run for place, runs in self._runs.items() if chosen(place) for run in runs
        )
        return tuple(sorted(found, key=lambda run: run.start))
