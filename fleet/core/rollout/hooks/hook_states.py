"""The hooks that a rollout has started. Their states are a fold over the journal's records."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from msgspec.structs import replace

from fleet.core.rollout.commands import HookResolved
from fleet.core.rollout.decisions import HookEnded, HookStarted
from fleet.core.rollout.hooks.hook_state import HookKey, HookResult, HookState

HookRecord = HookStarted | HookEnded | HookResolved


class HookStates(dict[HookKey, HookState]):
    """The state of each hook, by its place and name."""

    def __init__(self) -> None:
        super().__init__()
        self._running: dict[HookKey, None] = {}
        self._shared: dict[HookKey, None] = {}
        """The hooks of the rollout and of its stages: a few, beside those of many nodes."""

    def __setitem__(self, key: HookKey, state: HookState) -> None:
        super().__setitem__(key, state)
        if not key[0].moment.of_node:
            self._shared[key] = None
        if state.running:
            self._running[key] = None
        else:
            self._running.pop(key, None)

    def __delitem__(self, key: HookKey) -> None:
        super().__delitem__(key)
        self._running.pop(key, None)
        self._shared.pop(key, None)

    def running(self) -> Iterator[tuple[HookKey, HookState]]:
        """Yields the hooks that have been started and have not ended."""
        for key in list(self._running):
            yield key, self[key]

    @property
    def idle(self) -> bool:
        return not self._running

    def apply(self, record: HookRecord, at: datetime) -> None:
        """Changes the states according to one record of the journal."""
        key = (record.place, record.hook)
        before = self.get(key)
        match record:
            case HookStarted():
                again = before is not None and before.attempt == record.attempt
                repeats = before.repeats + again if before is not None else 0
                self[key] = HookState(started=at, attempt=record.attempt, repeats=repeats)
            case HookEnded():
                state = before or HookState(started=at, attempt=record.attempt)
                self[key] = replace(state, result=record.result, ended=at, message=record.message)
            case HookResolved():
                self._resolve(record, before, at)

    def _resolve(self, resolved: HookResolved, before: HookState | None, at: datetime) -> None:
        """Lets a hook pass, or forgets it so that it is run again. A hook that runs is not run a second time."""
        key = (resolved.place, resolved.hook)
        if not resolved.again:
            state = before or HookState(started=at, result=HookResult.STOPPED, ended=at)
            self[key] = replace(state, overruled=True)
        elif before is not None and not before.running:
            del self[key]

    def forget_failed(self) -> None:
        """Forgets the hooks of the rollout and of its stages that have failed, so that they run anew."""
        for key in [key for key in self._shared if self._has_failed(key)]:
            del self[key]

    @property
    def failed(self) -> bool:
        """Returns whether a hook of the rollout or of a stage has failed since the rollout was last resumed."""
        return any(self._has_failed(key) for key in self._shared)

    def _has_failed(self, key: HookKey) -> bool:
        state = self[key]
        return state.result is HookResult.FAILED and not state.overruled
