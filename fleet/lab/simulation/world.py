"""Everything around the engines of one history: model clusters, the networks to them, the journal, the clock, the
controllers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from heapq import heappop, heappush
from random import Random

from fleet.core.engine.engine import Engine
from fleet.core.engine.gate_questions import GateAnswer, GateQuestion
from fleet.core.records.errors import StoreError
from fleet.core.records.journal import JournalEntry, JournalRecord
from fleet.core.rollout.action import AnyAction, Evict, Outcome, Reboot, Result
from fleet.core.rollout.codec import from_record, to_record
from fleet.core.rollout.commands import RolloutStarted
from fleet.core.rollout.decisions import StepFinished
from fleet.core.rollout.event import ClusterEvent, ClusterObject, Upserted
from fleet.core.rollout.goal import Start
from fleet.lab.simulation.builders import START
from fleet.lab.simulation.checker.checker import Checker
from fleet.lab.simulation.controller import ControllerProcess
from fleet.lab.simulation.coverage import Coverage
from fleet.lab.simulation.journal import SimulatedJournal
from fleet.lab.simulation.network import TIMEOUT, Network
from fleet.lab.simulation.outside.gate_server import GateServer
from fleet.lab.simulation.outside.hook_server import HookServer
from fleet.lab.simulation.places import NotedPlaces
from fleet.lab.simulation.scenario.scenario import EXPECTED_SECONDS, Scenario
from fleet.model.model import Model

Driver = Callable[[Model, AnyAction, float], Outcome]
PERSON = "ada@desk"
PAUSE = 5.0
"""Seconds before a controller tries its database again."""


def really(model: Model, action: AnyAction, at: float) -> Outcome:
    return model.perform(action, at)


@dataclass(frozen=True)
class Parts:
    """The parts of a history. Tests of the checker put a broken part in the place of a sound one."""

    engine: type[Engine] = Engine
    controller: type[ControllerProcess] = ControllerProcess
    driver: Driver = really


WHOLE = Parts()


class World:
    def __init__(self, seed: int, scenario: Scenario, parts: Parts) -> None:
        self.seed = seed
        self.scenario = scenario
        self.policy = scenario.policy
        """The policy file as it is now. A rollout keeps the policy of its start."""
        self.at = 0.0
        self.skew = 0.0
        """Seconds by which the clock of the controllers is ahead of the true time."""
        self.lines: list[str] = []
        self.coverage = Coverage()
        self.sites = {snapshot.cluster: snapshot.site for snapshot in scenario.snapshots}
        self.checker = Checker(self.sites)
        self.journal = SimulatedJournal(self._journaled)
        self.places = NotedPlaces(self.journal)
        self.gate_server = GateServer(seed)
        self.hook_server = HookServer(seed, self)
        self.networks = {snapshot.cluster: Network(seed, snapshot.cluster) for snapshot in scenario.snapshots}
        self.models = {
            snapshot.cluster: Model.from_snapshot(
                snapshot, scenario.behaviour, Random(f"{seed} {snapshot.cluster}")
            )
            for snapshot in scenario.snapshots
        }
        self.behaviours = dict.fromkeys(self.models, scenario.behaviour)
        for snapshot in scenario.snapshots:
            for event in _upserts(snapshot.cluster, self.models[snapshot.cluster]):
                self.checker.observe(-1000.0, event)
        self.kill_before: int | None = None
        """How many actions of the next decision are sent before its controller is killed; -1: its log is not written
        either."""
        self.doomed_to_stop = False
        self.ambush: tuple[str, Callable[[Model, str], None]] | None = None
        """A step, and the fault of the node whose run enters that step next."""
        self.after_reboot: Callable[[], None] | None = None
        """A fault that strikes when a reboot has been sent."""
        self.sent = 0
        """The number of actions on their way to a cluster."""
        self._parts = parts
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._made = 0
        self._numbers = 0
        self.controllers: list[ControllerProcess] = []
        self.take_over()

    @property
    def now(self) -> datetime:
        """Returns the time by the clock of the controllers."""
        return START + timedelta(seconds=self.at + self.skew)

    def seconds(self, moment: datetime) -> float:
        """Returns the true time of a moment of the controllers' clock, or a microsecond more; never before now."""
        if moment <= self.now:
            return self.at
        return max(self.at, (moment - START).total_seconds() - self.skew) + 1e-6

    @property
    def leader(self) -> ControllerProcess | None:
        return next(
            (controller for controller in self.controllers if controller.alive and controller.leads()), None
        )

    def behave(self, model: Model, **changes: object) -> None:
        """Changes how the cluster behaves from now on."""
        self.behaviours[model.cluster] = replace(self.behaviours[model.cluster], **changes)  # type: ignore[arg-type]
        model.behave(self.behaviours[model.cluster])

    def log(self, line: str) -> None:
        self.lines.append(f"{self.at:10.3f}  {line}")

    def later(self, at: float, callback: Callable[[], None]) -> None:
        self._made += 1
        heappush(self._agenda, (max(at, self.at), self._made, callback))

    def step(self, end: float) -> bool:
        """Advances to the next moment at which anything happens. Returns False if there is none before the end."""
        moments = [due for model in self.models.values() if (due := model.next_at()) is not None]
        moments += [due for controller in self.controllers if (due := controller.next_at()) is not None]
        if self._agenda:
            moments.append(self._agenda[0][0])
        following = max(self.at, min(moments, default=end + 1))
        if following > end:
            self.at = end
            return False
        self.at = following
        self._pump()
        while self._agenda and self._agenda[0][0] <= self.at:
            heappop(self._agenda)[2]()
            self._pump()
        for controller in list(self.controllers):
            due = controller.next_at()
            if due is not None and due <= self.at:
                controller.turn()
        self.controllers = [controller for controller in self.controllers if controller.alive]
        return True

    def start(self, ident: str) -> None:
        start = Start("p-1", self.scenario.release, self.policy, self.scenario.goals, EXPECTED_SECONDS)
        record = to_record(RolloutStarted(rollout=ident, start=start))
        self.journal.append([record], self.now, PERSON)

    def command(
        self, rollout: str, kind: str, node: str = "", detail: dict[str, object] | None = None
    ) -> None:
        """Writes a user's command to the journal."""
        record = JournalRecord(form="command", kind=kind, rollout=rollout, node=node, detail=detail or {})
        self.journal.append([record], self.now, PERSON)

    def send(self, controller: ControllerProcess, action: AnyAction) -> None:
        """Sends an action of a controller over the network."""
        fate = self.networks[action.node.cluster].fate(action, self.at)
        led = controller.epoch == self.journal.epoch and not self.places.is_lost(action.node.cluster)
        self.sent += 1

        def arrive() -> None:
            outcome = Outcome(action, fate.instead or Result.UNKNOWN, fate.detail, fate.retry_after)
            answers = fate.answers
            if fate.effect:
                answer = self._perform(action, led)
                lost = self.networks[action.node.cluster].has("away", self.at)
                answers = TIMEOUT if lost else answers
                outcome = outcome if fate.instead is not None or lost else answer
            self.later(self.at + answers, lambda: deliver(outcome))

        def deliver(outcome: Outcome) -> None:
            self.sent -= 1
            self.log(f"{controller.name} hears of {action.kind} {action.node.name}: {outcome.result}")
            if controller.alive:
                controller.inbox.append(outcome)

        self.later(self.at + fate.takes, arrive)
        if isinstance(action, Reboot) and self.after_reboot is not None:
            self.later(self.at, self.after_reboot)
            self.after_reboot = None

    def measure(self, controller: ControllerProcess, question: GateQuestion) -> None:
        """Measures a gate for a controller."""
        name = question.gate.name

        def arrive() -> None:
            verdict = self.gate_server.verdict(name, self.at)
            point = question.point
            self.checker.measured(question.rollout, (point.of, point.name, name), self.now, verdict.value)
            self.log(f"{controller.name} measures gate {name}: {verdict}")
            if controller.alive:
                controller.answers.append(GateAnswer(question.rollout, point, name, verdict, str(verdict)))

        self.later(self.at + self.gate_server.takes(name, self.at), arrive)

    def kill(self, controller: ControllerProcess, when: str) -> None:
        """Kills the controller. Another one starts a little later."""
        self.log(f"{controller.name} is killed {when}")
        controller.alive = False
        self.kill_before = None
        self.later(self.at + Random(f"{self.seed} {self._numbers}").choice([0.5, 5.0, 60.0]), self._replace)

    def refused(self, controller: ControllerProcess, why: str) -> None:
        """Has the controller drop its engine, with what it has decided, and try its database again a little later."""
        self.log(f"{controller.name} begins anew: {why}")
        controller.alive = False
        self.later(self.at + PAUSE, self._replace)

    def cut(self, controller: ControllerProcess, rest: list[AnyAction]) -> None:
        """Kills or stops the controller between two actions of a decision."""
        if not self.doomed_to_stop:
            self.kill(controller, f"before {rest[0].kind} of {rest[0].node.name}")
            return
        self.kill_before, self.doomed_to_stop = None, False
        self.log(f"{controller.name} is stopped before {rest[0].kind} of {rest[0].node.name}")
        controller.stopped, controller.unsent = True, rest
        self.take_over()

        def resume() -> None:
            self.log(f"{controller.name} goes on as if nothing had happened")
            controller.stopped = False

        self.later(self.at + 40.0, resume)

    def take_over(self) -> None:
        """Starts a controller that leads from now on, beside any other; later if the database refuses now."""
        self._numbers += 1
        try:
            controller = self._parts.controller(self, self._numbers, self._parts.engine)
        except StoreError as error:
            self.log(f"no controller starts: {error}")
            self.later(self.at + PAUSE, self._replace)
            return
        self.log(f"{controller.name} leads")
        self.controllers.append(controller)
        rng = Random(f"{self.seed} lists {self._numbers}")
        for name in self.models:
            self.later(self.at + rng.choice([0.1, 0.1, 5.0]), lambda name=name: self.list(controller, name))  # type: ignore[misc]

    def list(self, controller: ControllerProcess, cluster: str) -> None:
        """Makes the controller list the cluster, if the cluster answers."""
        wire = controller.wires[cluster]
        if self.networks[cluster].has("away", self.at):
            wire.lose("connection refused", self.at)
        elif self.places.is_lost(cluster):
            wire.lose("its lease notes an entry that the journal lacks", self.at)
        elif controller.alive and not wire.heard:
            wire.relist(self.models[cluster].snapshot(START), self.at)

    def lose(self, cluster: str, until: float) -> None:
        """Makes the cluster unreachable until that time."""
        self.networks[cluster].begin("away", until)
        self.checker.truth.reach(self.at, cluster, lost=True)
        for controller in self.controllers:
            controller.wires[cluster].lose("connection refused", self.at)
        self.later(until, lambda: self.reconnect(cluster))

    def reconnect(self, cluster: str) -> None:
        if self.networks[cluster].has("away", self.at):
            return
        self.checker.truth.reach(self.at, cluster, lost=False)
        for controller in self.controllers:
            self.list(controller, cluster)

    def _replace(self) -> None:
        if self.leader is None:
            self.take_over()

    def _perform(self, action: AnyAction, led: bool) -> Outcome:
        model = self.models[action.node.cluster]
        was = model.snapshot(START)
        self.checker.before(self.at, action, led, was)
        answer = self._parts.driver(model, action, self.at)
        self.log(
            f"{action.kind} {action.node.name}{_about(action)}: {answer.result} {answer.detail}".rstrip()
        )
        self.checker.after(self.at, action, answer.result, was, model.snapshot(START))
        return answer

    def _pump(self) -> None:
        for model in self.models.values():
            for moment, event in model.advance(self.at):
                self.checker.observe(moment, event)
                for controller in self.controllers:
                    controller.wires[model.cluster].receive(event, moment)

    def _journaled(self, entry: JournalEntry) -> None:
        self.checker.journaled(self.at, entry)
        self.coverage.journaled(entry)
        record, parsed = entry.record, from_record(entry.record)
        if record.form in ("command", "decision"):
            label = str(parsed.to) if isinstance(parsed, StepFinished) else record.kind
            why = getattr(parsed, "why", "") or ""
            self.log(f"{entry.actor}: {record.node or record.rollout} {label} {why}".rstrip())
            self._spring_ambush(record.node, label)

    def _spring_ambush(self, node: str, step: str) -> None:
        if self.ambush is not None and step == self.ambush[0]:
            befall, self.ambush = self.ambush[1], None
            cluster, _, name = node.partition("/")
            self.later(self.at, lambda: befall(self.models[cluster], name))


def _upserts(cluster: str, model: Model) -> list[ClusterEvent]:
    snapshot = model.snapshot(START)
    objects: tuple[ClusterObject, ...] = (*snapshot.nodes, *snapshot.attachments, *snapshot.workloads)
    return [Upserted(cluster, obj) for obj in objects]


def _about(action: AnyAction) -> str:
    return f" {action.pod.name}" if isinstance(action, Evict) else ""
