"""Builds a journal: every entry is one that the engine could have written, at times that the test chooses."""

from __future__ import annotations

from datetime import timedelta
from hashlib import sha256

import msgspec
from msgspec import UNSET, UnsetType

from fleet.core.objects.node import NodeRef
from fleet.core.objects.pod import PodRef
from fleet.core.policy.policy import Policy
from fleet.core.records.journal import GENESIS, JournalEntry, JournalRecord, RecordForm
from fleet.core.rollout.action import Evict, Result
from fleet.core.rollout.codec import from_record, to_record
from fleet.core.rollout.goal import Goal, Start, StartApproval
from fleet.core.rollout.record import ActionEnded
from fleet.core.rollout.rollout import Rollout
from fleet.core.rollout.steps import Step, StepResult, next_step
from fleet.lab.simulation.builders import NEW, OLD, START, a_policy

CONTROLLER = "fleet@ops-1/4711/88"
ADA = "ada@desk"


def a_goal(name: str, pool: str = "workers", zone: str = "a", canary: bool = False) -> Goal:
    return Goal(NodeRef("east", name), f"uid-{name}", pool, "fra", zone, OLD.version, canary)


class JournalBuilder:
    """Of rollout r-1; `ago` seconds have passed since its start."""

    def __init__(
        self,
        *goals: Goal,
        policy: Policy | None = None,
        controller: str = CONTROLLER,
        approval: StartApproval | UnsetType = UNSET,
    ) -> None:
        self.entries: list[JournalEntry] = []
        self.ago = 0.0
        self.controller = controller
        self.epoch = 1
        start = Start("p-1", NEW, policy or a_policy(), goals, approval=approval)
        self.send("start", detail=msgspec.to_builtins(start))
        self.rollout = Rollout("r-1", start, START, ADA)
        self._evictions = 0

    def wait(self, seconds: float) -> JournalBuilder:
        self.ago += seconds
        return self

    def send(
        self, kind: str, node: str = "", by: str = ADA, detail: dict[str, object] | None = None
    ) -> JournalBuilder:
        """A command of a user."""
        ref = f"east/{node}" if node else ""
        return self._add(JournalRecord("command", kind, "r-1", ref, detail or {}), by, 0)

    def turn(self, node: str, turn: StepResult, **detail: object) -> JournalBuilder:
        """A step of the run ends so."""
        run = self.rollout.runs[NodeRef("east", node)]
        reported = {"turn": str(turn), "to": str(next_step(run.step, turn)), **detail}
        return self.decide("step", node, **reported)

    def decide(self, kind: str, node: str = "", **detail: object) -> JournalBuilder:
        return self._engine("decision", kind, node, dict(detail))

    def evict(self, node: str, pod: str, *results: Result, message: str = "") -> JournalBuilder:
        """Asked once for each result, a second apart; the answer comes half a second later."""
        for result in results:
            self._evictions += 1
            action = Evict(
                id=f"r-1/e{self._evictions}",
                rollout="r-1",
                node=NodeRef("east", node),
                uid=f"uid-{node}",
                pod=PodRef("web", pod),
                pod_uid=f"uid-{pod}",
            )
            self._add(to_record(action), self.controller, self.epoch)
            self.wait(0.5)
            self._add(
                to_record(ActionEnded.of(action, result, message if result is not Result.DONE else "")),
                self.controller,
                1,
            )
            self.wait(0.5)
        return self

    def upgrade(self, node: str, stage: float = 60, drain: float = 40, reboot: float = 64) -> JournalBuilder:
        """A whole run that succeeds; its soak takes 30 s, its verification 2 s, each cordon 1 s."""
        self.turn(node, StepResult.BEGIN).wait(stage).turn(node, StepResult.DONE)
        self.turn(node, StepResult.BEGIN).wait(1).turn(node, StepResult.DONE).wait(drain)
        self.turn(node, StepResult.DONE, boot_id=f"boot-{node}").wait(reboot).turn(
            node, StepResult.DONE
        ).wait(2)
        return self.prove(node).wait(1).turn(node, StepResult.DONE).wait(30).turn(node, StepResult.DONE)

    def prove(self, node: str) -> JournalBuilder:
        proof = {
            "boot_id_before": f"boot-{node}",
            "boot_id_after": f"boot-{node}-2",
            "version": NEW.version,
            "digest": NEW.digest,
            "kernel": NEW.kernel,
            "ready": "True",
        }
        return self.turn(node, StepResult.DONE, proof=proof)

    def begin(self, node: str) -> JournalBuilder:
        """Staged in 60 s and cordoned: it has a slot."""
        return (
            self.turn(node, StepResult.BEGIN)
            .wait(60)
            .turn(node, StepResult.DONE)
            .turn(node, StepResult.BEGIN)
        )

    def step(self, node: str) -> Step:
        return self.rollout.runs[NodeRef("east", node)].step

    def _engine(self, form: RecordForm, kind: str, node: str, detail: dict[str, object]) -> JournalBuilder:
        ref = f"east/{node}" if node else ""
        return self._add(JournalRecord(form, kind, "r-1", ref, detail), self.controller, self.epoch)

    def _add(self, record: JournalRecord, by: str, epoch: int) -> JournalBuilder:
        at = START + timedelta(seconds=self.ago)
        record = msgspec.json.decode(msgspec.json.encode(record), type=JournalRecord)
        if self.entries:
            self.rollout.apply(from_record(record), at, by)
        before = self.entries[-1].hash if self.entries else GENESIS
        reported = sha256(f"{before}{len(self.entries)}".encode()).hexdigest()
        self.entries.append(JournalEntry(len(self.entries) + 1, at, by, epoch, record, before, reported))
        return self
