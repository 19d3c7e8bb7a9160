"""The hooks that this engine has started: a driver takes them, runs them, and reports how they ended.

Nothing here is in the journal. A hook that the journal has as running and that is not here was started by a controller
that has stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from msgspec import Struct

from fleet.core.objects.node import NodeRef
from fleet.core.policy.hooks.hook import AnyHook, JobHook
from fleet.core.rollout.hooks.hook_state import HookPlace, HookResult

MOST_AT_ONCE = 20
"""The number of hooks that run at once for one controller."""
CallKey = tuple[str, HookPlace, str, int]
"""The rollout, the place, the hook's name and the attempt."""
Expected = Callable[[HookPlace, AnyHook], float]
"""Returns how many seconds a hook is expected to take."""


class HookCall(Struct, frozen=True):
    """One attempt of a hook, which a driver runs."""

    rollout: str
    place: HookPlace
    hook: AnyHook
    attempt: int
    facts: Mapping[str, str]
    """What the hook is told, by the names of environment variables (FLEET_NODE and more)."""

    @property
    def key(self) -> CallKey:
        return self.rollout, self.place, self.hook.name, self.attempt

    @property
    def node(self) -> NodeRef | None:
        return self.place.node

    @property
    def cluster(self) -> str:
        """Returns the cluster in which the hook has to do with something; empty for none."""
        if self.node is not None:
            return self.node.cluster
        return self.hook.cluster if isinstance(self.hook, JobHook) else ""

    @property
    def token(self) -> str:
        """Returns what identifies the attempt, also after a restart of the controller."""
        place = f"{self.place.moment}/{self.place.subject}" if self.place.subject else self.place.moment
        return f"{self.rollout}/{place}/{self.hook.name}/{self.attempt}"


class HookAnswer(Struct, frozen=True):
    """Says how one attempt of a hook ended."""

    key: CallKey
    result: HookResult
    message: str = ""
    output: str = ""


class HookCalls:
    def __init__(self, expected: Expected | None = None) -> None:
        """`expected`: nothing is run, because a plan is made on a model. Every hook passes after these seconds."""
        self._expected = expected
        self._ends: dict[CallKey, datetime] = {}
        """When each hook is expected to pass, in a plan."""
        self._calls: dict[CallKey, HookCall] = {}
        self._new: list[HookCall] = []
        self._stops: list[CallKey] = []
        self._stopped: set[CallKey] = set()
        self._answers: list[HookAnswer] = []

    def __contains__(self, key: CallKey) -> bool:
        return key in self._calls

    @property
    def running(self) -> bool:
        return bool(self._calls)

    @property
    def full(self) -> bool:
        """Returns whether as many hooks run as may at once. In a plan hooks run at once without a limit."""
        return self._expected is None and len(self._calls) >= MOST_AT_ONCE

    def start(self, call: HookCall, now: datetime) -> None:
        """Adds a call for the driver to take."""
        self._calls[call.key] = call
        if self._expected is None:
            self._new.append(call)
        else:
            self._ends[call.key] = now + timedelta(seconds=self._expected(call.place, call.hook))

    def stop(self, key: CallKey) -> None:
        """Asks the driver to stop a hook. The driver answers as for a hook that ends by itself."""
        if self._expected is not None:
            self._ends.pop(key, None)
            self._answers.append(HookAnswer(key, HookResult.STOPPED))
        elif key not in self._stopped:
            self._stopped.add(key)
            self._stops.append(key)

    def take(self) -> list[HookCall]:
        """Returns the calls that the driver has not taken."""
        taken, self._new = self._new, []
        return taken

    def take_stops(self) -> list[CallKey]:
        """Returns the calls that the driver is to stop, each once."""
        taken, self._stops = self._stops, []
        return taken

    def answered(self, answer: HookAnswer) -> None:
        """Takes in how a call ended."""
        self._answers.append(answer)

    def take_answers(self, now: datetime) -> list[HookAnswer]:
        """Returns the answers since the last look."""
        over = [key for key, end in self._ends.items() if end <= now]
        for key in over:
            del self._ends[key]
            self._answers.append(HookAnswer(key, HookResult.PASSED))
        answers, self._answers = self._answers, []
        for answer in answers:
            self._calls.pop(answer.key, None)
            self._stopped.discard(answer.key)
        return answers

    @property
    def next_end(self) -> datetime | None:
        """Returns when the next hook is expected to pass, in a plan."""
        return min(self._ends.values(), default=None)
