"""Asks the gates that keep a rollout's nodes from beginning, and judges the answers.

The engine asks nobody itself: a driver takes the questions, and reports what it has measured; how ready workloads are
the engine knows. What a gate needs beyond
one answer (so long a time of good answers, so many bad ones in a row) is counted since this engine has begun to ask: a
time in which no controller was there proves nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta

from msgspec import Struct

from fleet.core.engine.gate_cache import GateCache
from fleet.core.policy.gate import AnyGate, GateVerdict, OperatorGate, SoakGate, WorkloadsGate
from fleet.core.rollout.decisions import (
    DecisionRecord,
    GateFailed,
    GateMeasured,
    GatePassed,
    GateReached,
    RolloutHalted,
)
from fleet.core.rollout.rollout import Rollout
from fleet.core.rollout.stages.gate_state import GatePoint
from fleet.core.text.durations import format_duration

MeasureWorkloads = Callable[[Rollout, GatePoint], tuple[GateVerdict, str]]
"""Measures whether the workloads of the point are as ready as before; returns a verdict and a message."""
GateKey = tuple[str, GatePoint, str]
"""The rollout, the point and the name of a gate."""


class GateQuestion(Struct, frozen=True):
    """A gate that is to be measured now."""

    rollout: str
    point: GatePoint
    gate: AnyGate

    @property
    def key(self) -> GateKey:
        return self.rollout, self.point, self.gate.name


class GateAnswer(Struct, frozen=True):
    """The result of one measurement of a gate."""

    rollout: str
    point: GatePoint
    gate: str
    verdict: GateVerdict
    message: str = ""

    @property
    def key(self) -> GateKey:
        return self.rollout, self.point, self.gate


class Measurements(Struct):
    """The measurements of one gate that this engine has made."""

    last: GateAnswer
    at: datetime
    """The time of the last measurement."""
    good_since: datetime | None
    """None: the last one was not good."""
    bad: int = 0
    """The number of bad ones in a row."""


class GateQuestions:
    """The questions of all rollouts that stand at a point with gates."""

    def __init__(self, gates: GateCache, workloads: MeasureWorkloads, foretells: bool) -> None:
        """`foretells`: nothing is measured, because a plan is made on a model. Every gate passes as early as it can."""
        self._gates = gates
        self._workloads = workloads
        self._foretells = foretells
        self._since: dict[GateKey, datetime] = {}
        """Since when this engine has asked each gate without a break: a pause ends it, as the end of the engine does."""
        self._measured: dict[GateKey, Measurements] = {}
        self._taken: set[GateKey] = set()
        """The questions that a driver has taken and not answered yet."""

    def take(self, now: datetime) -> list[GateQuestion]:
        """Returns the questions that are due; each is due again only after its answer."""
        due = [question for question in self._due(now) if not isinstance(question.gate, WorkloadsGate)]
        self._taken.update(question.key for question in due)
        return due

    def answered(self, answer: GateAnswer, now: datetime) -> None:
        """Takes in an answer."""
        self._taken.discard(answer.key)
        if answer.key not in self._since:
            return  # It was asked before a pause.
        before = self._measured.get(answer.key)
        good_since, bad = None, 0
        if answer.verdict is GateVerdict.GOOD:
            good_since = before.good_since if before is not None and before.good_since is not None else now
        else:
            bad = (before.bad if before is not None else 0) + (answer.verdict is GateVerdict.BAD)
        self._measured[answer.key] = Measurements(answer, now, good_since, bad)

    def due(self, now: datetime) -> Iterator[tuple[Rollout, DecisionRecord]]:
        """Yields what has become of the gates. The caller records each before it asks for the next one."""
        points = list(self._gates.points())
        self._begin_and_end(points, now)
        self._measure_workloads(now)
        for rollout, point in points:
            gates = point.gates(rollout.policy)
            if any((point, gate.name) not in rollout.gates for gate in gates):
                yield rollout, GateReached(rollout=rollout.id, point=point)
            for gate in gates:
                for record in self._judge(rollout, point, gate, now):
                    yield rollout, record

    def wake(self, now: datetime) -> datetime | None:
        """Returns when a question is due, a soak ends or a gate's time is over; None: nothing of the kind is ahead."""
        moments = [now if (at := self._next(question)) is None else at for question in self._open()]
        for rollout, point in self._gates.points():
            for gate in point.gates(rollout.policy):
                state = rollout.gates.get((point, gate.name))
                if state is None or not state.open:
                    continue
                if self._by_time(gate) or not isinstance(gate, OperatorGate):
                    since = self._since.get((rollout.id, point, gate.name), now)
                    end = _later(state.reached, gate.for_seconds)
                    moments.append(end if self._by_time(gate) else _later(since, gate.timeout_seconds))
        return min((max(moment, now) for moment in moments), default=None)

    def _begin_and_end(self, points: Sequence[tuple[Rollout, GatePoint]], now: datetime) -> None:
        """Begins to count for the gates of these points, and forgets what was measured of all others and of those that
        are asked anew."""
        open_ones = {
            (rollout.id, point, gate.name)
            for rollout, point in points
            for gate in point.gates(rollout.policy)
            if (point, gate.name) in rollout.gates
        }
        for key in self._since.keys() - open_ones:
            del self._since[key]
            self._measured.pop(key, None)
        for key in open_ones:
            self._since.setdefault(key, now)

    def _measure_workloads(self, now: datetime) -> None:
        """Answers the questions that are due about workloads."""
        for question in self._due(now):
            if isinstance(question.gate, WorkloadsGate):
                rollout = self._gates.rollout(question.rollout)
                verdict, message = self._workloads(rollout, question.point)
                name = question.gate.name
                self.answered(GateAnswer(question.rollout, question.point, name, verdict, message), now)

    def _due(self, now: datetime) -> list[GateQuestion]:
        return [question for question in self._open() if (at := self._next(question)) is None or at <= now]

    def _by_time(self, gate: AnyGate) -> bool:
        return self._foretells or isinstance(gate, SoakGate)

    def _open(self) -> Iterator[GateQuestion]:
        """Yields the questions that nobody has taken."""
        for rollout, point in self._gates.points():
            for gate in point.gates(rollout.policy):
                state = rollout.gates.get((point, gate.name))
                measured = not self._by_time(gate) and not isinstance(gate, OperatorGate)
                if state is None or not state.open or not measured:
                    continue
                question = GateQuestion(rollout.id, point, gate)
                if question.key not in self._taken:
                    yield question

    def _next(self, question: GateQuestion) -> datetime | None:
        """Returns when the question is due; None: it was never asked."""
        measured = self._measured.get(question.key)
        return _later(measured.at, question.gate.every_seconds) if measured else None

    def _judge(
        self, rollout: Rollout, point: GatePoint, gate: AnyGate, now: datetime
    ) -> Iterator[DecisionRecord]:
        state = rollout.gates[point, gate.name]
        if not state.open:
            return
        if self._by_time(gate):
            if now >= _later(state.reached, gate.for_seconds):
                yield GatePassed(rollout=rollout.id, point=point, gate=gate.name)
            return
        key = (rollout.id, point, gate.name)
        measured, since = self._measured.get(key), self._since.get(key, now)
        if measured is not None and measured.last.verdict is not state.verdict:
            last = measured.last
            yield GateMeasured(
                rollout=rollout.id, point=point, gate=gate.name, verdict=last.verdict, message=last.message
            )
        if measured is not None and _good_for(measured) >= gate.for_seconds:
            yield GatePassed(rollout=rollout.id, point=point, gate=gate.name, why=measured.last.message)
        elif why := _failure(gate, since, measured, now):
            yield GateFailed(rollout=rollout.id, point=point, gate=gate.name, why=why)
            yield RolloutHalted(rollout=rollout.id, why=f"gate {gate.name} behind {point} failed: {why}")


def _good_for(measured: Measurements) -> float:
    """Returns for how many seconds the measurements have been good; less than zero: the last one was not."""
    return -1.0 if measured.good_since is None else (measured.at - measured.good_since).total_seconds()


def _later(moment: datetime, seconds: int) -> datetime:
    return moment + timedelta(seconds=seconds)


def _failure(gate: AnyGate, since: datetime, measured: Measurements | None, now: datetime) -> str:
    """Returns why the gate has failed, which was asked without a break since then; empty: it has not."""
    if isinstance(gate, OperatorGate):
        return ""
    last = measured.last.message if measured is not None else "no answer"
    if measured is not None and measured.bad >= gate.bad and not isinstance(gate, WorkloadsGate):
        return f"{measured.bad} bad in a row, the last: {last}"
    if now >= _later(since, gate.timeout_seconds):
        return f"not passed within {format_duration(gate.timeout_seconds)}, the last: {last}"
    return ""
