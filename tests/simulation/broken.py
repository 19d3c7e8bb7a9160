"""Engines, controllers and drivers that break one rule each: the checker must catch every one of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from fleet.core.cluster.pending_evictions import PendingEvictions
from fleet.core.cluster.view import ClusterView
from fleet.core.engine.admission import Blockers
from fleet.core.engine.decision import Decision
from fleet.core.engine.engine import Engine
from fleet.core.engine.gate_cache import GateCache
from fleet.core.engine.gate_questions import GateQuestions
from fleet.core.engine.slots import Slots
from fleet.core.engine.workload_gates import WorkloadGates
from fleet.core.guards import gates
from fleet.core.objects.attachment import Attachment
from fleet.core.objects.machine import Ask, Machine
from fleet.core.objects.node import PENDING_TAINT, Node, NodeRef, Taint
from fleet.core.objects.pod import Pod, PodRef
from fleet.core.policy.hooks.hook import Hooks
from fleet.core.quorum.quorum import Quorum
from fleet.core.records.errors import StaleEpochError
from fleet.core.records.held import Held
from fleet.core.records.journal import JournalRecord
from fleet.core.records.reasons.reason import Reason
from fleet.core.rollout.action import AnyAction, Evict, Outcome, Reboot, Result, Uncordon, Unmark
from fleet.core.rollout.commands import CommandRecord, FreezesChanged, RolloutAborted, RolloutPaused
from fleet.core.rollout.event import ClusterObject
from fleet.core.rollout.rollout import Rollout
from fleet.core.rollout.run import Run
from fleet.core.state.engine_state import EngineState
from fleet.core.state.indexes.engine_index import EngineIndex
from fleet.core.state.limits import DisruptionLimits, Scope
from fleet.core.state.quorum_index import QuorumIndex
from fleet.core.third_parties.notice import Notice
from fleet.core.third_parties.sign_index import KEEP_OFF
from fleet.lab.simulation.builders import NEW, START
from fleet.lab.simulation.checker.invariant import Invariant
from fleet.lab.simulation.controller import ControllerProcess
from fleet.lab.simulation.world import Parts
from fleet.model.model import Model


class Endless(DisruptionLimits):
    def held(self, ref: NodeRef) -> tuple[Scope, Held] | None:
        return None


class WithoutLimits(Engine):
    def __init__(self, sites: Mapping[str, str], rollouts: Iterable[Rollout] = ()) -> None:
        super().__init__(sites, index=EngineIndex(sites, limits=Endless()))
        for rollout in rollouts:
            self.add(rollout)


class Unlimited(PendingEvictions):
    def allowance(self, ref: PodRef) -> int:
        return 100


class Generous(ClusterView):
    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.pending_evictions = Unlimited(self.budgets)


class Blind(ClusterView):
    def to_drain(self, node: str) -> list[Pod]:
        return []


class Deceived(EngineState):
    """A view of the clusters that is wrong."""

    def __init__(self, kind: type[ClusterView]) -> None:
        super().__init__()
        self._kind = kind

    def view(self, cluster: str) -> ClusterView:
        return self.views.setdefault(cluster, self._kind(cluster))


class WithoutBudgets(Engine):
    views_are: type[ClusterView] = Generous

    def __init__(self, sites: Mapping[str, str], rollouts: Iterable[Rollout] = ()) -> None:
        super().__init__(sites, index=EngineIndex(sites, Deceived(self.views_are)))
        for rollout in rollouts:
            self.add(rollout)


class Forgiving(Engine):
    """Forgets what it has evicted."""

    def decide(self, now: datetime) -> Decision:
        for rollout in self.rollouts.values():
            for ref, run in rollout.runs.items():
                if run.evicted:
                    rollout.runs[ref] = replace(run, evicted={})
        return super().decide(now)


class Unheeding(ClusterView):
    def notices(self, node: str) -> list[Notice]:
        return []


class WithoutOthers(WithoutBudgets):
    views_are = Unheeding


class Trusting(ClusterView):
    def upsert(self, thing: ClusterObject) -> set[str]:
        return super().upsert(replace(thing, units=None) if isinstance(thing, Machine) else thing)


class Credulous(ClusterView):
    def upsert(self, thing: ClusterObject) -> set[str]:
        if isinstance(thing, Machine) and thing.request is not None and thing.request.action is Ask.REBOOT:
            thing = replace(thing, booted=thing.request.release)
        elif isinstance(thing, Node):
            thing = replace(thing, kernel=NEW.kernel)
        return super().upsert(thing)


class WithoutReleases(WithoutBudgets):
    views_are = Credulous


class WithoutUnits(WithoutBudgets):
    views_are = Trusting


class Detached(ClusterView):
    def attachments_on(self, node: str) -> list[Attachment]:
        return []


class WithoutVolumes(WithoutBudgets):
    views_are = Detached


class WithoutDrain(WithoutBudgets):
    views_are = Blind


class Timeless(GateCache):
    def evaluate(self, rollout: Rollout, run: Run, now: datetime) -> Held | None:
        return gates.begin(rollout, run)


class WithoutWindows(Engine):
    def __init__(self, sites: Mapping[str, str], rollouts: Iterable[Rollout] = ()) -> None:
        super().__init__(sites)
        self._gates = Timeless(self.rollouts)
        self._blockers = Blockers(self._index, self._gates)
        self._slots = Slots(self._index, self._blockers)
        for rollout in rollouts:
            self.add(rollout)


class Deaf(Engine):
    def command(self, command: CommandRecord, at: datetime, actor: str) -> None:
        if not isinstance(command, RolloutPaused | RolloutAborted):
            super().command(command, at, actor)


class Restless(Engine):
    """Goes by the freezes of the plan, whatever is published later."""

    def command(self, command: CommandRecord, at: datetime, actor: str) -> None:
        if not isinstance(command, FreezesChanged):
            super().command(command, at, actor)


class Reckless(Engine):
    def add(self, rollout: Rollout) -> None:
        rollout.canaries = ()
        rollout.required.clear()
        super().add(rollout)


class Unstaged(Engine):
    def add(self, rollout: Rollout) -> None:
        rollout.stages = None
        super().add(rollout)


class WithoutMeasurements(Engine):
    """Lets every gate pass after its time, whatever is measured."""

    def __init__(self, sites: Mapping[str, str], rollouts: Iterable[Rollout] = ()) -> None:
        super().__init__(sites, rollouts)
        self.gate_questions = GateQuestions(self._gates, self._workloads.measure, foretells=True)


class Unhooked(Engine):
    """Knows of no hook."""

    def add(self, rollout: Rollout) -> None:
        policy = rollout.policy
        rollout.policy = replace(
            policy,
            hooks=UNSET,
            pools=tuple(replace(pool, hooks=UNSET) for pool in policy.pools),
            stages=tuple(replace(stage, hooks=UNSET) for stage in policy.stages or ()),
        )
        super().add(rollout)


class Repeating(Engine):
    """Takes every hook for one that may run twice."""

    def add(self, rollout: Rollout) -> None:
        rollout.policy = replace(
            rollout.policy,
            pools=tuple(replace(pool, hooks=_idempotent(pool.hooks)) for pool in rollout.policy.pools),
        )
        super().add(rollout)


def _idempotent(hooks: Hooks | UnsetType) -> Hooks | UnsetType:
    if not hooks:
        return hooks
    before, after = (
        tuple(replace(hook, idempotent=True) for hook in each) for each in (hooks.before, hooks.after)
    )
    return Hooks(before, after)


class WithoutNotes(WorkloadGates):
    """Notes nothing of how ready workloads were."""

    def note(self, rollout: Rollout, run: Run, now: datetime) -> None:
        pass


class Forgetting(Engine):
    """Compares workloads with nothing."""

    def __init__(self, sites: Mapping[str, str], rollouts: Iterable[Rollout] = ()) -> None:
        super().__init__(sites, rollouts)
        self._workloads = WithoutNotes(self._state, foretells=False)


class Hopeless(Engine):
    """Waits for its first canaries, whatever became of them."""

    def _change_canaries(self, now: datetime) -> None:
        pass


class Mute(Engine):
    def why(self, ref: NodeRef, now: datetime) -> tuple[Held, ...]:
        return ()


class Idler(Engine):
    """Begins nothing, and has an excuse."""

    def _begin_slots(self, now: datetime) -> None:
        while (key := self._index.queue.opened()) is not None:
            self._index.queue.close(key)

    def why(self, ref: NodeRef, now: datetime) -> tuple[Held, ...]:
        return (Held(Reason.WINDOW, "workers", {"opens": "soon"}),)


class Unknowing(QuorumIndex):
    """Knows of no quorum group."""

    def of(self, ref: NodeRef) -> Iterable[Quorum]:
        return ()


class WithoutQuorums(Engine):
    def __init__(self, sites: Mapping[str, str], rollouts: Iterable[Rollout] = ()) -> None:
        super().__init__(sites)
        self._state.quorums = Unknowing()
        for rollout in rollouts:
            self.add(rollout)


class Twice(Engine):
    """Asks each machine for two reboots."""

    def decide(self, now: datetime) -> Decision:
        decision = super().decide(now)
        reboots = [action for action in decision.actions if isinstance(action, Reboot)]
        more = tuple(replace(each, id=f"{each.id}+", token=f"{each.token}+") for each in reboots)
        return replace(decision, log=decision.log + more, actions=decision.actions + more)


class Usurper(ControllerProcess):
    """Does not care that it does not lead any more."""

    def leads(self) -> bool:
        return True

    def _append(self, records: Sequence[JournalRecord]) -> None:
        try:
            super()._append(records)
        except StaleEpochError:
            self.world.log(f"{self.name} goes on all the same")


class Hasty(ControllerProcess):
    """Keeps its intents for itself."""

    def _append(self, records: Sequence[JournalRecord]) -> None:
        super()._append([record for record in records if record.form not in ("intent", "outcome")])


class Forgetful(ControllerProcess):
    """Keeps the proofs for itself."""

    def _append(self, records: Sequence[JournalRecord]) -> None:
        super()._append([replace(each, detail=_without_proof(each.detail)) for each in records])


def _without_proof(detail: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in detail.items() if key != "proof"}


class Disorderly(ControllerProcess):
    """Commits an uncordon for each cordon, at once."""

    def _append(self, records: Sequence[JournalRecord]) -> None:
        more = [
            replace(
                each,
                kind="uncordon",
                detail=each.detail | {"kind": "uncordon", "id": each.detail["id"] + "+"},
            )
            for each in records
            if each.form == "intent" and each.kind == "cordon"
        ]
        super()._append([*records, *more])


def deletes(model: Model, action: AnyAction, at: float) -> Outcome:
    """Deletes pods instead of evicting them."""
    if not isinstance(action, Evict):
        return model.perform(action, at)
    if not any(pod.uid == action.pod_uid for pod in model.snapshot(START).pods):
        return Outcome(action, Result.GONE)
    model.stranger.delete_pod(action.pod)
    return Outcome(action, Result.DONE)


def does_not_look(model: Model, action: AnyAction, at: float) -> Outcome:
    """Believes that the engine has drained the node."""
    model.actions.looks = False
    return model.perform(action, at)


def uncordons_all(model: Model, action: AnyAction, at: float) -> Outcome:
    """Takes any cordon for ours."""
    answer = model.perform(action, at)
    if isinstance(action, Unmark | Uncordon) and answer.result is Result.DONE:
        model.stranger.uncordon(action.node.name)
    return answer


def takes_all(model: Model, action: AnyAction, at: float) -> Outcome:
    """Takes what keeps others off a node for its own, whoever has set it."""
    answer = model.perform(action, at)
    if isinstance(action, Uncordon) and answer.result is Result.DONE:
        for key in KEEP_OFF:
            model.stranger.annotate(action.node.name, key, None)
    return answer


def leaves_taints(model: Model, action: AnyAction, at: float) -> Outcome:
    """Takes the annotations away, and forgets the taint."""
    answer = model.perform(action, at)
    if isinstance(action, Unmark | Uncordon) and answer.result is Result.DONE:
        model.stranger.taint(action.node.name, Taint(PENDING_TAINT, "PreferNoSchedule"))
    return answer


BROKEN: Sequence[tuple[Invariant, Parts]] = (
    (Invariant.BUDGET, Parts(engine=WithoutBudgets, driver=deletes)),
    (Invariant.LIMIT, Parts(engine=WithoutLimits)),
    (Invariant.DRAIN, Parts(engine=WithoutDrain, driver=does_not_look)),
    (Invariant.VOLUME, Parts(engine=WithoutVolumes)),
    (Invariant.QUORUM, Parts(engine=WithoutQuorums)),
    (Invariant.SAVED, Parts(engine=WithoutQuorums)),
    (Invariant.RELEASE, Parts(engine=WithoutReleases)),
    (Invariant.SOUND, Parts(engine=WithoutUnits)),
    (Invariant.TWICE, Parts(engine=Twice)),
    (Invariant.FOREIGN, Parts(driver=uncordons_all)),
    (Invariant.FOREIGN, Parts(driver=takes_all)),
    (Invariant.OTHERS, Parts(engine=WithoutOthers)),
    (Invariant.WINDOW, Parts(engine=WithoutWindows)),
    (Invariant.FREEZE, Parts(engine=WithoutWindows)),
    (Invariant.FREEZE, Parts(engine=Restless)),
    (Invariant.ASLEEP, Parts(engine=Deaf)),
    (Invariant.CANARY, Parts(engine=Reckless)),
    (Invariant.GATE, Parts(engine=Forgetting)),
    (Invariant.STAGE, Parts(engine=Unstaged)),
    (Invariant.GATE, Parts(engine=WithoutMeasurements)),
    (Invariant.HOOK, Parts(engine=Unhooked)),
    (Invariant.HOOK, Parts(engine=Repeating)),
    (Invariant.EPOCH, Parts(controller=Usurper)),
    (Invariant.INTENT, Parts(controller=Hasty)),
    (Invariant.ORDER, Parts(controller=Disorderly)),
    (Invariant.RETURNS, Parts(engine=Forgiving)),
    (Invariant.SILENT, Parts(engine=Mute)),
    (Invariant.LEFT, Parts(driver=leaves_taints)),
    (Invariant.REPLAY, Parts(controller=Forgetful)),
    (Invariant.NO_WAY_ON, Parts(engine=Hopeless)),
    (Invariant.LIVENESS, Parts(engine=Idler)),
)
"""One at least for each invariant."""
