"""Says which reasons other processes read for each node: what the engine found, and what only an operator can remove.

The engine asks a run for what holds it only when its turn comes. What an operator must fix is looked for ahead: from the
start of a rollout on, as its plan did, so that it can be fixed meanwhile.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from datetime import datetime, timedelta

from fleet.core.engine.decision import Decision
from fleet.core.engine.engine import Engine
from fleet.core.objects.node import NodeRef
from fleet.core.records.held import Held
from fleet.core.rollout.decisions import StepFinished
from fleet.core.rollout.steps import StepResult

PAUSE = timedelta(seconds=1)
"""Between two looks ahead."""
FRESH = 100
"""Most nodes that one look ahead checks for the first time. Thousands would block the engine."""
AGAIN = 20
"""Most nodes of a look ahead that were held before, and most of those that were not."""

Reasons = tuple[Held, ...]


def by_rollout(engine: Engine, held: Mapping[NodeRef, Reasons]) -> dict[str, dict[str, Reasons]]:
    """Returns the reasons by rollout, and then by `cluster/node`, without those of nodes that are in no rollout."""
    found: dict[str, dict[str, Reasons]] = {}
    for ref, reasons in held.items():
        rollout = engine.rollout_of(ref)
        if rollout is not None:
            found.setdefault(rollout.id, {})[str(ref)] = reasons
    return found


class Foresight:
    """Looks ahead for the nodes of all rollouts, a few of them a second."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._rollouts: set[str] = set()
        """Those whose nodes are known."""
        self._fresh: deque[NodeRef] = deque()
        self._free: deque[NodeRef] = deque()
        self._held: deque[NodeRef] = deque()
        self._reported: dict[NodeRef, Reasons] = {}
        """The reasons that the engine reported last, by node."""
        self._lasting: dict[NodeRef, Reasons] = {}
        """The reasons that the look ahead has found, by node."""
        self._next: datetime | None = None

    def changed_reasons(self, decision: Decision, now: datetime) -> Mapping[NodeRef, Reasons]:
        """Returns the nodes whose reasons have changed, with all their reasons; none: nothing holds the node."""
        news = dict.fromkeys(decision.held)
        for ref, reasons in decision.held.items():
            self._reported[ref] = reasons
        for item in decision.log:
            if isinstance(item, StepFinished):
                ref = item.node
                news[ref] = None
                if not self._waits(ref):
                    self._lasting.pop(ref, None)
                elif item.turn is StepResult.BACK:
                    self._fresh.append(ref)
        if self._next is None or now >= self._next:
            self._next = now + PAUSE
            news |= dict.fromkeys(self._look(now))
        return {ref: self._reasons(ref) for ref in news}

    def _reasons(self, ref: NodeRef) -> Reasons:
        lasting, reported = self._lasting.get(ref, ()), self._reported.get(ref, ())
        return (*lasting, *(held for held in reported if held not in lasting))

    def _look(self, now: datetime) -> list[NodeRef]:
        """Returns the nodes of which it found something else than before, and those that it has seen for the first
        time."""
        for rollout in self._engine.rollouts.values():
            if rollout.active and rollout.id not in self._rollouts:
                self._rollouts.add(rollout.id)
                self._fresh.extend(run.node for run in rollout.runs.values() if not run.ended)
        found = []
        for queue, most in ((self._fresh, FRESH), (self._held, AGAIN), (self._free, AGAIN)):
            for _ in range(min(most, len(queue))):
                ref = queue.popleft()
                view = self._engine.views.get(ref.cluster)
                if view is None or view.synced_at is None:
                    # Not seen yet by this controller.
                    self._fresh.append(ref)
                elif self._has_changed(ref, now) or queue is self._fresh:
                    found.append(ref)
        return found

    def _has_changed(self, ref: NodeRef, now: datetime) -> bool:
        """Returns whether the node's blockers have changed. The node is checked again while its run waits."""
        before = self._lasting.pop(ref, ())
        if not self._waits(ref):
            # Should it come back to wait, it is fresh.
            return bool(before)
        lasting = self._engine.lasting(ref, now)
        if lasting:
            self._lasting[ref] = lasting
        (self._held if lasting else self._free).append(ref)
        return lasting != before

    def _waits(self, ref: NodeRef) -> bool:
        rollout = self._engine.rollout_of(ref)
        return rollout is not None and ref in rollout.runs and rollout.runs[ref].waiting
