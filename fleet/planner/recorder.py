"""Records what the engine does on a model, and when: the runs, steps and evictions of a plan."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from fleet.core.engine.decision import Decision
from fleet.core.guards.quorum import GroupWithoutNode
from fleet.core.objects.node import NodeRef
from fleet.core.objects.pod import Pod, PodRef
from fleet.core.planning.plan import PlannedEviction, PlannedRun, PlannedStep, PlannedVote
from fleet.core.rollout.action import AnyAction, Evict, MoveLeader, Outcome, Result, SaveSnapshot
from fleet.core.rollout.decisions import StepFinished
from fleet.core.rollout.event import ClusterEvent, Upserted
from fleet.core.rollout.run import Run
from fleet.core.rollout.steps import HAS_SLOT, Step

WORKED = HAS_SLOT | {Step.STAGE}


def most_out(runs: Iterable[PlannedRun]) -> int:
    """Returns how many of these nodes have a slot at the same time, at most."""
    out = [[step for step in run.steps if step.step in HAS_SLOT] for run in runs]
    begins = sorted(steps[0].start for steps in out if steps)
    ends = sorted(steps[-1].end for steps in out if steps)
    # A node that comes back at the moment at which another goes frees its slot first.
    return max((place + 1 - bisect_right(ends, begin) for place, begin in enumerate(begins)), default=0)


class PlanRecorder:
    """Times are seconds since the plan's start."""

    def __init__(self) -> None:
        self.peak = 0
        """The most nodes that had a slot at the same time."""
        self._out = 0
        self._steps: dict[NodeRef, list[PlannedStep]] = {}
        self._open: dict[NodeRef, tuple[Step, float]] = {}
        """The step that a node is in, and since when."""
        self._evictions: dict[NodeRef, list[PlannedEviction]] = {}
        self._votes: dict[NodeRef, tuple[PlannedVote, ...]] = {}
        self._saved: dict[tuple[NodeRef, str], float] = {}
        """When a snapshot of etcd was taken, by node and group."""
        self._led: dict[tuple[NodeRef, str], str] = {}
        """To which member leadership was moved, by node and group."""
        self._awaited: dict[str, deque[tuple[NodeRef, int]]] = {}
        """Evictions whose replacement is not Ready yet, by the uid of the pod's owner."""
        self._names: dict[tuple[PodRef, ...], tuple[str, ...]] = {}
        """The names of budgets as `namespace/name`: most pods are matched by the same as others."""

    def decided(self, decision: Decision, at: float) -> None:
        """Records the steps that a decision writes to the journal."""
        for item in decision.log:
            if isinstance(item, StepFinished):
                self._step(item.node, item.to, at)

    def performed(
        self, outcome: Outcome, at: float, pod: Pod | None = None, budgets: tuple[PodRef, ...] = ()
    ) -> None:
        """Records an action that was performed. `pod`: the one that was evicted, if it is known. `budgets`: those that
        match the pod."""
        action: AnyAction = outcome.action
        if isinstance(action, Evict) and outcome.result is Result.DONE:
            planned = self._evictions.setdefault(action.node, [])
            names = self._names.get(budgets)
            if names is None:
                names = self._names[budgets] = tuple(map(str, budgets))
            planned.append(PlannedEviction(str(action.pod), at, None, names))
            if pod is not None and pod.owner is not None:
                self._awaited.setdefault(pod.owner.uid, deque()).append((action.node, len(planned) - 1))
        elif isinstance(action, SaveSnapshot) and outcome.result is Result.DONE:
            self._saved[action.node, action.group] = at
        elif isinstance(action, MoveLeader) and outcome.result is Result.DONE:
            self._led[action.node, action.group] = action.to

    def rebooted(
        self, ref: NodeRef, absences: Iterable[GroupWithoutNode], at: float, brings: Mapping[str, str]
    ) -> None:
        """Records the reboot of a node that has voters. `absences`: one for each group that it is away from. `brings`: the
        version of etcd that the release is known to bring, by group."""
        self._votes[ref] = tuple(
            PlannedVote(
                absence.group,
                absence.member,
                at,
                self._saved.get((ref, absence.group)),
                self._led.get((ref, absence.group), ""),
                absence.commit_seconds,
                absence.breaking,
                absence.links,
                absence.etcd,
                absence.last_before,
                absence.data,
                brings.get(absence.group, ""),
            )
            for absence in absences
        )

    def observed(self, event: ClusterEvent, at: float, known: Mapping[str, Pod]) -> None:
        """Records that a replacement became Ready. Replacements of one owner are counted in the order of the evictions.
        `known`: the pods of the event's cluster before the event, by uid."""
        if not isinstance(event, Upserted) or not isinstance(pod := event.obj, Pod):
            return
        if pod.owner is None or not pod.ready or pod.deleting:
            return
        awaited = self._awaited.get(pod.owner.uid)
        if awaited and ((before := known.get(pod.uid)) is None or not before.ready):
            ref, index = awaited.popleft()
            self._evictions[ref][index] = replace(self._evictions[ref][index], ready_at=at)

    def run(self, run: Run) -> PlannedRun:
        """Returns the planned run."""
        steps = tuple(self._steps.get(run.node, ()))
        goal = run.goal
        return PlannedRun(
            node=goal.node.name,
            pool=goal.pool,
            release=run.release.version,
            start=steps[0].start if steps else 0.0,
            end=steps[-1].end if steps else 0.0,
            steps=steps,
            evictions=tuple(self._evictions.get(run.node, ())),
            cluster=goal.node.cluster,
            site=goal.site,
            zone=goal.zone,
            uid=goal.uid,
            from_version=goal.from_version,
            canary=goal.canary,
            votes=self._votes.get(run.node, ()),
            urgency=goal.urgency,
        )

    def _step(self, ref: NodeRef, step: Step, at: float) -> None:
        before, since = self._open.pop(ref, (Step.PENDING, at))
        if before in WORKED:
            self._steps.setdefault(ref, []).append(PlannedStep(str(before), since, at))
        self._open[ref] = (step, at)
        if (before in HAS_SLOT) != (step in HAS_SLOT):
            self._out += 1 if step in HAS_SLOT else -1
            self.peak = max(self.peak, self._out)
