"""One controller process: works on an engine as the executor does, in turns that never block."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from fleet.core.engine.engine import Engine
from fleet.core.engine.gate_questions import GateAnswer, GateQuestion
from fleet.core.records.errors import StaleEpochError, StoreError
from fleet.core.records.journal import JournalEntry, JournalRecord
from fleet.core.rollout.action import AnyAction, Outcome, Reboot, Result
from fleet.core.rollout.codec import from_record, to_record
from fleet.core.rollout.commands import CommandRecord, RolloutStarted
from fleet.core.rollout.record import ActionEnded
from fleet.core.rollout.replay import rollouts_of, unfinished
from fleet.core.rollout.rollout import Rollout
from fleet.core.state.hook_calls import HookAnswer
from fleet.lab.simulation.coverage import Coverage
from fleet.lab.simulation.journal import SimulatedJournal
from fleet.lab.simulation.network import Network
from fleet.lab.simulation.outside.hook_server import HookServer
from fleet.lab.simulation.places import NotedPlaces
from fleet.lab.simulation.wire import WatchStream


class Surroundings(Protocol):
    """The environment of a controller process: what it reads, and where its actions go. The simulated world implements
    this."""

    seed: int
    at: float
    """Seconds since the beginning of the history."""
    journal: SimulatedJournal
    places: NotedPlaces
    networks: dict[str, Network]
    """The network to each cluster, by name."""
    sites: dict[str, str]
    coverage: Coverage
    hook_server: HookServer
    kill_before: int | None
    """Before which action the process is killed; -1: before its decision is written to the journal."""

    @property
    def now(self) -> datetime: ...

    def seconds(self, moment: datetime) -> float: ...

    def log(self, line: str) -> None: ...

    def send(self, controller: ControllerProcess, action: AnyAction) -> None: ...

    def measure(self, controller: ControllerProcess, question: GateQuestion) -> None: ...

    def kill(self, controller: ControllerProcess, when: str) -> None: ...

    def cut(self, controller: ControllerProcess, rest: list[AnyAction]) -> None: ...

    def refused(self, controller: ControllerProcess, why: str) -> None: ...


class ControllerProcess:
    """A controller that leads from its start. `alive` is False once it was killed or has seen that another controller
    leads."""

    def __init__(self, world: Surroundings, number: int, make: type[Engine]) -> None:
        self.world = world
        self.name = f"fleet@{number}"
        self.alive = True
        self.stopped = False
        """The process is stopped (SIGSTOP): it neither receives nor does anything."""
        self.inbox: list[Outcome] = []
        self.answers: list[GateAnswer] = []
        self.hook_answers: list[HookAnswer] = []
        self.unsent: list[AnyAction] = []
        """Actions that were committed and not sent before the process was stopped."""
        self.wake: datetime | None = world.now
        self.epoch = world.journal.take_over()
        self.wires = {
            name: WatchStream(name, weather, f"{world.seed} {number} {name}")
            for name, weather in world.networks.items()
        }
        self._seq = len(world.journal.entries)
        rollouts = [
            candidate for candidate in rollouts_of(world.journal.entries).values() if unfinished(candidate)
        ]
        pending = [action for rollout in rollouts for action in rollout.intents.values()]
        self._append(
            [
                to_record(ActionEnded.of(action, Result.UNKNOWN, "the controller stopped"))
                for action in pending
            ]
        )
        self.engine = make(world.sites, sorted(rollouts, key=lambda rollout: rollout.active))

    def next_at(self) -> float | None:
        """Returns when the next turn is due, in seconds; None while there is nothing to wait for."""
        if not self.alive or self.stopped:
            return None
        if self.inbox or self.answers or self.hook_answers or self.unsent or self._commands():
            return self.world.at
        moments = [at for wire in self.wires.values() if (at := wire.next_at()) is not None]
        if self.wake is not None:
            moments.append(self.world.seconds(self.wake))
        return min(moments, default=None)

    def turn(self) -> None:
        """Takes one turn as the executor does: outcomes to the journal, events, commands, a decision, its log, then
        its actions."""
        world = self.world
        try:
            self._send(self.unsent)
            self.unsent = []
            self._receive()
            decision = self.engine.decide(world.now)
            world.coverage.held(decision.held.values())
            if world.kill_before == -1 and decision.actions:
                world.kill(self, "before its decision is in the journal")
                return
            self._append([to_record(item) for item in decision.log])
            self.wake = decision.wake
            self._send(decision.actions)
            for question in self.engine.gate_questions.take(world.now):
                world.measure(self, question)
            for call in self.engine.hooks.take():
                world.places.note([call.cluster])
                world.hook_server.run(call, self.epoch, self._hook_ended)
            for key in self.engine.hooks.take_stops():
                world.hook_server.stop(key, self.epoch, self._hook_ended)
        except StaleEpochError:
            self.alive = False
            world.log(f"{self.name} stops: it does not lead any more")
        except StoreError as error:
            world.refused(self, str(error))

    def _receive(self) -> None:
        now = self.world.now
        outcomes, self.inbox = self.inbox, []
        self._append(
            [
                to_record(ActionEnded.of(outcome.action, outcome.result, outcome.detail))
                for outcome in outcomes
            ]
        )
        for wire in self.wires.values():
            for event in wire.due(self.world.at):
                self.engine.observe(event, now)
        for outcome in outcomes:
            self.engine.observe(outcome, now)
        answers, self.answers = self.answers, []
        for answer in answers:
            self.engine.gate_questions.answered(answer, now)
        hook_answers, self.hook_answers = self.hook_answers, []
        for hook_answer in hook_answers:
            self.engine.hooks.answered(hook_answer)
        commands = self._commands()
        self._seq = len(self.world.journal.entries) if not self.world.journal.closed else self._seq
        for entry in commands:
            self._apply_command(entry)

    def _hook_ended(self, answer: HookAnswer) -> None:
        if self.alive:
            self.hook_answers.append(answer)

    def _commands(self) -> list[JournalEntry]:
        entries = self.world.journal.entries
        if self.world.journal.closed:
            return []
        return [entries[at] for at in range(self._seq, len(entries)) if entries[at].record.form == "command"]

    def _apply_command(self, entry: JournalEntry) -> None:
        command = from_record(entry.record)
        if isinstance(command, RolloutStarted):
            self.engine.add(Rollout(command.rollout, command.start, entry.at, entry.actor))
        elif isinstance(command, CommandRecord) and command.rollout in self.engine.rollouts:
            self.engine.command(command, entry.at, entry.actor)

    def _send(self, actions: Sequence[AnyAction]) -> None:
        world = self.world
        for number, action in enumerate(actions):
            if world.kill_before == number:
                world.cut(self, list(actions[number:]))
                return
            if self.leads():
                if isinstance(action, Reboot):
                    world.places.note([action.node.cluster])
                world.send(self, action)
            else:
                self.inbox.append(Outcome(action, Result.STALE, "not sent: another controller leads"))

    def leads(self) -> bool:
        """Returns whether the lease is still its own. Asked right before each action is sent."""
        return self.epoch == self.world.journal.epoch

    def _append(self, records: Sequence[JournalRecord]) -> None:
        """Appends to the journal. Raises StaleEpochError."""
        if records:
            self.world.journal.append(records, self.world.now, self.name, self.epoch)
