"""The engine at work on a model of clusters, in virtual time, with a journal: what the executor does, without waiting.

The controller can be killed at any moment; a new one starts from the journal and a fresh look, as the real one does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from random import Random

import msgspec

from fleet.core.cluster.snapshot import Snapshot
from fleet.core.engine.engine import Engine
from fleet.core.engine.gate_questions import GateAnswer
from fleet.core.objects.node import NodeRef
from fleet.core.policy.gate import GateVerdict
from fleet.core.policy.policy import Policy
from fleet.core.records.held import Held
from fleet.core.records.journal import JournalEntry, JournalRecord
from fleet.core.releases.release import Release
from fleet.core.rollout.action import AnyAction, Outcome, Result
from fleet.core.rollout.codec import from_record, to_record
from fleet.core.rollout.commands import CommandRecord, RolloutStarted
from fleet.core.rollout.event import ClusterEvent, ClusterSynced, Upserted
from fleet.core.rollout.goal import Goal, Start
from fleet.core.rollout.hooks.hook_state import HookResult
from fleet.core.rollout.record import ActionEnded
from fleet.core.rollout.replay import rollouts_of, unfinished
from fleet.core.rollout.rollout import Rollout
from fleet.core.rollout.run import Run
from fleet.core.rollout.steps import Step
from fleet.core.state.hook_calls import HookAnswer, HookCall
from fleet.core.state.own_pod import OwnPod
from fleet.drivers.leadership import handing_over
from fleet.lab.simulation.builders import NEW, START
from fleet.model.behaviour import ClusterBehaviour
from fleet.model.model import Model


class SimulatedRollout:
    own: OwnPod | None = None
    """The pod of the controllers that start from now on."""
    handing: Held | None = None
    """Why the last turn asked for another controller to lead."""

    def __init__(
        self,
        snapshots: Sequence[Snapshot],
        policy: Policy,
        behaviour: ClusterBehaviour | None = None,
        seed: int = 0,
        perform: Callable[[AnyAction, float], Outcome] | None = None,
    ) -> None:
        self.policy = policy
        self.sites = {snapshot.cluster: snapshot.site for snapshot in snapshots}
        self.models = {
            each.cluster: Model.from_snapshot(each, behaviour or ClusterBehaviour(), Random(seed))
            for each in snapshots
        }
        self.entries: list[JournalEntry] = []
        self.events: list[tuple[float, ClusterEvent]] = []
        self.performed: list[tuple[float, AnyAction, Result]] = []
        self.at = 0.0
        self.perform = perform or self.really
        self.gates: dict[str, tuple[GateVerdict, str]] = {}
        """What the measurements of a gate find from now on, by its name."""
        self.hooks: dict[str, list[tuple[float, HookResult]]] = {}
        """How long each next run of a hook takes, in seconds, and how it ends, by the hook's name. A hook that is not
        here, or has no more, passes after a second."""
        self.outputs: dict[str, str] = {}
        """What the runs of a hook write, by its name."""
        self.called: list[tuple[float, HookCall]] = []
        """When each hook was started."""
        self.stopped: list[HookCall] = []
        self._running: list[tuple[float, HookCall, HookResult]] = []
        self.asked: list[tuple[float, str]] = []
        """When each gate was measured."""
        self.engine = self._controller()

    @property
    def now(self) -> datetime:
        return START + timedelta(seconds=self.at)

    @property
    def rollout(self) -> Rollout:
        return self.engine.rollouts["r-1"]

    def run_of(self, name: str, cluster: str = "east") -> Run:
        return self.rollout.runs[NodeRef(cluster, name)]

    def steps(self) -> dict[str, Step]:
        return {run.node.name: run.step for run in self.rollout.runs.values()}

    def start(self, release: Release = NEW, canaries: Sequence[str] = (), goals: Sequence[Goal] = ()) -> None:
        """`goals`: if not all nodes of the policy's pools, each as it is."""
        goals = list(goals)
        for model in self.models.values() if not goals else ():
            for node in model.snapshot(START).nodes:
                pool = self.policy.pool_of(model.cluster, node)
                if pool is not None:
                    ref = NodeRef(model.cluster, node.name)
                    goals.append(Goal(ref, node.uid, pool.name, canary=node.name in canaries, zone=node.zone))
        start = Start("p-1", release, self.policy, tuple(goals))
        detail = msgspec.to_builtins(start)
        self.command(JournalRecord(form="command", kind="start", rollout="r-1", detail=detail))

    def send(self, kind: str, node: str = "") -> None:
        """Sends a user's command about the rollout."""
        self.command(JournalRecord(form="command", kind=kind, rollout="r-1", node=node))

    def command(self, record: JournalRecord) -> None:
        self._append([record], "ada@desk")
        message = from_record(record)
        if isinstance(message, RolloutStarted):
            self.engine.add(Rollout(message.rollout, message.start, self.now, "ada@desk"))
        else:
            assert isinstance(message, CommandRecord)
            self.engine.command(message, self.now, "ada@desk")

    def run(self, seconds: float = 86400, until: Callable[[], bool] = lambda: False) -> None:
        """On, until nothing happens any more, the time is over, or the condition holds."""
        end = self.at + seconds
        while not until():
            following = self.turn()
            if following is None or following > end:
                return
            self.at = following

    def turn(self) -> float | None:
        """One turn of the executor's loop at this moment; answers when the next is due."""
        for model in self.models.values():
            for moment, event in model.advance(self.at):
                self.events.append((moment, event))
                self.engine.observe(event, self.now)
        self._end_hooks()
        decision = self.engine.decide(self.now)
        self.handing = handing_over(decision.held.values())
        self._append([to_record(item) for item in decision.log])
        for action in decision.actions:
            answer = self.perform(action, self.at)
            self.performed.append((self.at, action, answer.result))
            self._append([to_record(ActionEnded.of(action, answer.result, answer.detail))])
            self.engine.observe(answer, self.now)
        questions = self.engine.gate_questions.take(self.now)
        for question in questions:
            self.asked.append((self.at, question.gate.name))
            verdict, message = self.gates[question.gate.name]
            measured = GateAnswer(question.rollout, question.point, question.gate.name, verdict, message)
            self.engine.gate_questions.answered(measured, self.now)
        self._run_hooks()
        if self.engine.idle:
            return None
        moments = [end for end, _, _ in self._running]
        moments += [due for model in self.models.values() if (due := model.next_at()) is not None]
        if decision.actions or questions:
            moments.append(self.at)
        if decision.wake is not None:
            moments.append((decision.wake - START).total_seconds())
        return max(self.at, min(moments)) if moments else None

    def _run_hooks(self) -> None:
        for call in self.engine.hooks.take():
            self.called.append((self.at, call))
            planned = self.hooks.get(call.hook.name, [])
            seconds, result = planned.pop(0) if planned else (1.0, HookResult.PASSED)
            self._running.append((self.at + seconds, call, result))
        for key in self.engine.hooks.take_stops():
            call = next(call for _, call, _ in self._running if call.key == key)
            self.stopped.append(call)
            self._running = [
                (self.at, each, HookResult.STOPPED) if each is call else (end, each, result)
                for end, each, result in self._running
            ]

    def _end_hooks(self) -> None:
        for end, call, result in self._running:
            if end <= self.at:
                output = self.outputs.get(call.hook.name, "")
                self.engine.hooks.answered(HookAnswer(call.key, result, str(result), output))
        self._running = [item for item in self._running if item[0] > self.at]

    def really(self, action: AnyAction, at: float) -> Outcome:
        return self.models[action.node.cluster].perform(action, at)

    def kill(self) -> None:
        """The controller dies and another starts: from the journal and a fresh look."""
        self._running = []
        self.handing = None
        self.engine = self._controller()

    def _controller(self) -> Engine:
        rollouts = [each for each in rollouts_of(self.entries).values() if unfinished(each)]
        pending = [action for rollout in rollouts for action in rollout.intents.values()]
        self._append(
            [
                to_record(ActionEnded.of(action, Result.UNKNOWN, "the controller stopped"))
                for action in pending
            ]
        )
        engine = Engine(self.sites, rollouts, own=self.own)
        for model in self.models.values():
            model.advance(self.at)
            for thing in model.snapshot(self.now).objects():
                engine.observe(Upserted(model.cluster, thing), self.now)
            engine.observe(ClusterSynced(model.cluster, model.server_version), self.now)
        return engine

    def _append(self, records: Sequence[JournalRecord], actor: str = "fleet@test") -> None:
        for record in records:
            plain = msgspec.convert(msgspec.to_builtins(record), JournalRecord)
            self.entries.append(JournalEntry(len(self.entries) + 1, self.now, actor, 1, plain, "", ""))
