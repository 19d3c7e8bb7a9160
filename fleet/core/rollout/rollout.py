"""A rollout and its runs. Their state follows from the journal's records alone."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import TypeVar

from msgspec import UnsetType
from msgspec.structs import replace

from fleet.core.objects.node import NodeRef
from fleet.core.policy.policy import Pool
from fleet.core.policy.schedule import Schedule, Schedules
from fleet.core.policy.times.calendar_events import CalendarEvents, events_of, with_events, with_freezes
from fleet.core.policy.times.freeze import Freeze, FreezeCalendar
from fleet.core.releases.release import Stream
from fleet.core.releases.upgrade_path import UpgradePaths
from fleet.core.rollout import returning_pods
from fleet.core.rollout.action import Action, AnyAction, Cordon, Evict, Result
from fleet.core.rollout.codec import Journaled
from fleet.core.rollout.commands import (
    CalendarsRead,
    CommandRecord,
    FreezesChanged,
    GateOverruled,
    HookResolved,
    NodeReleased,
    RolloutAborted,
    RolloutPaused,
    RolloutResumed,
)
from fleet.core.rollout.decisions import (
    CanaryAppointed,
    CanaryDismissed,
    DecisionRecord,
    GateFailed,
    GateMeasured,
    GatePassed,
    GateReached,
    HookEnded,
    HookStarted,
    NodeCleaned,
    NodeReregistered,
    RolloutFinished,
    RolloutHalted,
    RunRetried,
    StepFinished,
    WorkloadsNoted,
)
from fleet.core.rollout.goal import Goal, Start
from fleet.core.rollout.hooks.hook_states import HookStates
from fleet.core.rollout.record import ActionEnded, PodsTimed, TaskPlayed, UnknownRecord
from fleet.core.rollout.run import Run, after_step
from fleet.core.rollout.stages.gate_states import GateStates
from fleet.core.rollout.stages.stage_progress import StageProgress
from fleet.core.rollout.steps import ENDED, HAS_SLOT, RolloutState, Step, next_step

T = TypeVar("T")


class Rollout:
    """The state of a rollout. Mutable only through `apply`, so that a running rollout and one that is replayed from the
    journal are the same."""

    def __init__(self, ident: str, start: Start, at: datetime, by: str) -> None:
        self.id = ident
        self.start = start
        self.policy = start.policy
        self.calendars: CalendarEvents | None = None
        """The calendars by which the rollout goes, as they were read last. None: those of its plan."""
        self.freezes: tuple[Freeze, ...] | None = None
        """The freezes of fixed dates by which the rollout goes. None: those of its plan."""
        self.schedules = self._schedules()
        self.release = start.release
        self.started_at = at
        self.by = by
        self.state = RolloutState.RUNNING
        self.state_at = at
        self.state_by = by
        self.why = ""
        self.ended_at: datetime | None = None
        self.allowance = 0
        """The number of failures that an operator has acknowledged (by `resume` after a halt). These no longer
        count."""
        self.runs: dict[NodeRef, Run] = {
            goal.node: Run(goal=goal, release=start.release, since=at) for goal in start.goals
        }
        self.canaries = tuple(goal.node for goal in start.goals if goal.canary)
        """Present and past canaries. A node that stepped down before it began is not one of them."""
        self.required = Counter(goal.pool for goal in start.goals if goal.canary)
        """The number of nodes of each pool that must be proven before the rest of the pool begins."""
        used = Counter(goal.pool for goal in start.goals)
        self.open_in = Counter(used)
        """The number of runs of each pool that have not ended."""
        pools = [pool for pool in start.policy.pools if pool.name in used]
        self.failure_limit = min((pool.failures(used[pool.name]) for pool in pools), default=1)
        """The failure limit of the strictest pool."""
        self.counts: Counter[Step] = Counter({Step.PENDING: len(self.runs)})
        self.intents: dict[str, AnyAction] = {}
        """The actions that are committed and have no outcome yet, by id."""
        self.acted: set[NodeRef] = set()
        """The nodes for which an action was ever committed. Only these may carry marks of fleet."""
        self.counter = 0
        """The number of intents so far. Makes the ids of actions unique."""
        self.stages = StageProgress(start.policy.stages, start.goals) if start.policy.stages else None
        """None: the policy has no stages."""
        self.gates = GateStates()
        """The gates that the rollout has reached."""
        self.hooks = HookStates()
        """The hooks that the rollout has started."""
        self._paths: dict[str, UpgradePaths] = {}
        self.needs_cleanup: set[NodeRef] = set()
        """The nodes that were released after the rollout's end and from which fleet's marks have not been removed
        yet."""

    def paths(self, run: Run) -> UpgradePaths:
        """Returns the ways to the release in the stream of the run's pool."""
        name = self.pool(run).stream
        if name not in self._paths:
            stream = self.policy.stream(name) or Stream(name)
            self._paths[name] = UpgradePaths(stream, self.release)
        return self._paths[name]

    def pool(self, run: Run) -> Pool:
        """Returns the pool of the run. Raises KeyError for a goal whose pool is not in the rollout's policy, which
        means that `Start` was made wrongly."""
        pool = self.policy.pool(run.goal.pool)
        if pool is None:
            raise KeyError(run.goal.pool)
        return pool

    def _schedules(self) -> Schedules:
        return Schedules(self.policy, freezes=isinstance(self.start.override_freeze, UnsetType))

    def read_calendars(self, events: CalendarEvents) -> None:
        """Goes by these events from now on. Called by `apply`, and when a checkpoint is restored."""
        self.calendars = events
        self.policy = with_events(self.policy, events)
        self.schedules = self._schedules()

    def change_freezes(self, freezes: tuple[Freeze, ...], calendars: tuple[FreezeCalendar, ...]) -> None:
        """Goes by these freezes from now on. Called by `apply`, and when a checkpoint is restored."""
        self.freezes = freezes
        self.policy = with_freezes(self.policy, freezes, calendars)
        self.read_calendars(replace(self.calendars or events_of(self.policy), freezes=calendars))

    @property
    def override_freeze(self) -> str:
        """Returns the reason for which the rollout ignores freezes; empty if it waits for them."""
        return self.start.override_freeze or ""

    def schedule(self, run: Run) -> Schedule:
        """Returns when the run may start."""
        return self.schedules.of(run.goal.pool, run.goal.node.cluster, run.goal.site)

    @property
    def active(self) -> bool:
        return self.ended_at is None

    @property
    def failures(self) -> int:
        """Returns the number of failed runs that no operator has acknowledged yet."""
        return self.counts[Step.FAILED] - self.allowance

    @property
    def remaining(self) -> int:
        """Returns the number of runs that have not ended."""
        return len(self.runs) - sum(self.counts[step] for step in ENDED)

    @property
    def working(self) -> bool:
        """Returns whether a run has begun and has not ended."""
        return any(self.counts[step] for step in (Step.STAGE, *HAS_SLOT))

    def add_intent(self, action: AnyAction) -> None:
        """Adds an action that was committed and has no outcome yet."""
        self.intents[action.id] = action
        self.acted.add(action.node)
        self.counter += 1
        run = self.runs.get(action.node)
        if isinstance(action, Evict) and action.workload and run is not None:
            self.runs[action.node] = replace(run, evicted=returning_pods.eviction_sent(run.evicted, action))
        elif isinstance(action, Cordon) and run is not None and run.evicted:
            # The node was schedulable until now: its pods may have come there as to any other node.
            self.runs[action.node] = replace(run, evicted={})

    def add_outcome(self, action_id: str, result: Result) -> None:
        """Removes the intent of an action that has ended with this result."""
        action = self.intents.pop(action_id, None)
        if not isinstance(action, Evict) or result in (Result.DONE, Result.UNKNOWN):
            return
        run = self.runs.get(action.node)
        if run is not None and action.workload in run.evicted:
            self.runs[action.node] = replace(
                run, evicted=returning_pods.eviction_refused(run.evicted, action)
            )

    def apply(self, record: Journaled, at: datetime, actor: str) -> None:
        """Changes the state according to one record of the journal. `actor`: who wrote the record.

        Raises KeyError or ValueError for a record that this program cannot have written for this rollout.
        """
        match record:
            case Action():
                self.add_intent(record)
            case ActionEnded():
                self.add_outcome(record.id, record.result)
            case CommandRecord():
                self._command(record, at, actor)
            case DecisionRecord():
                self._decision(record, at)
            case PodsTimed() | TaskPlayed():
                pass  # used by later plans (`core/planning/estimates.py`) and shown to users
            case UnknownRecord():
                raise record.error
            case _:
                raise ValueError(f"{record.kind!r} is not about a rollout")

    def _command(self, command: CommandRecord, at: datetime, actor: str) -> None:
        match command:
            case RolloutPaused():
                self._enter(RolloutState.PAUSED, at, actor)
            case RolloutResumed():
                if self.state is RolloutState.HALTED:
                    self.allowance += self.failures
                # Also if the rollout was paused after a gate had halted it.
                self.gates.forget_failed()
                self.hooks.forget_failed()
                self._enter(RolloutState.RUNNING, at, actor)
            case RolloutAborted():
                self._enter(RolloutState.ABORTED, at, actor)
            case NodeReleased():
                self._release(command.node)
            case CalendarsRead():
                self.read_calendars(command.events)
            case FreezesChanged():
                self.change_freezes(command.freezes, command.calendars)
            case GateOverruled():
                self.gates.apply(command, at, self.policy)
            case HookResolved():
                self.hooks.apply(command, at)
            case _:
                raise ValueError(f"command {command.kind!r} does not change a rollout that has started")

    def _release(self, node: NodeRef) -> None:
        """Releases the slot of a failed run. A command for a run that goes on changes nothing: such a run keeps its
        slot."""
        run = self.runs[node]
        if run.step is Step.FAILED:
            self.runs[node] = replace(run, slot=False)
            if not self.active:
                self.needs_cleanup.add(node)

    def _decision(self, decision: DecisionRecord, at: datetime) -> None:
        match decision:
            case StepFinished():
                self._step(decision, at)
            case RunRetried():
                run = self.runs[decision.node]
                self.runs[decision.node] = replace(run, attempts=run.attempts + 1, since=at)
            case RolloutHalted():
                self._enter(RolloutState.HALTED, at, "fleet", decision.why)
            case CanaryAppointed():
                self.change_goal(replace(self.runs[decision.node].goal, canary=True))
            case CanaryDismissed():
                self.change_goal(replace(self.runs[decision.node].goal, canary=False))
            case NodeReregistered():
                self.change_goal(replace(self.runs[decision.node].goal, uid=decision.uid))
            case NodeCleaned():
                self.needs_cleanup.discard(decision.node)
            case GateReached() | WorkloadsNoted() | GateMeasured() | GatePassed() | GateFailed():
                self.gates.apply(decision, at, self.policy)
            case HookStarted() | HookEnded():
                self.hooks.apply(decision, at)
            case RolloutFinished():
                self._enter(RolloutState.FINISHED, at, "fleet")
                self.ended_at = at

    def _enter(self, state: RolloutState, at: datetime, by: str, why: str = "") -> None:
        if self.state is RolloutState.ABORTED or self.ended_at is not None:
            return
        self.state, self.state_at, self.state_by, self.why = state, at, by, why

    def change_goal(self, goal: Goal) -> None:
        """Replaces a goal: another node is the canary, or the node has another uid. Called by `apply`, and when a
        checkpoint is restored."""
        self._put(replace(self.runs[goal.node], goal=goal))
        if goal.canary != (goal.node in self.canaries):
            self.canaries = tuple(run.node for run in self.runs.values() if run.goal.canary)

    def _step(self, ended: StepFinished, at: datetime) -> None:
        run = self.runs[ended.node]
        step = next_step(run.step, ended.turn)
        if step != ended.to:
            raise ValueError(f"{ended.node}: from {run.step} by {ended.turn} comes {step}, not {ended.to}")
        self.counts[run.step] -= 1
        self.counts[step] += 1
        self.open_in[run.goal.pool] -= step in ENDED
        self._put(after_step(run, ended, at))

    def _put(self, run: Run) -> None:
        if self.stages is not None:
            self.stages.change(self.runs[run.node], run)
        self.runs[run.node] = run
