"""May the rollout begin anything at all now? Asked once for all of its nodes."""

from __future__ import annotations

from fleet.core.held import Held, Reason
from fleet.core.rollout import Rollout, Run, State
from fleet.core.steps import Step


def held(rollout: Rollout) -> Held | None:
    """Something to start: staging, a cordon, an eviction, a reboot."""
    match rollout.state:
        case State.PAUSED:
            return Held(Reason.PAUSED, rollout.id, {"by": rollout.state_by})
        case State.HALTED:
            return Held(Reason.HALTED, rollout.id, {"why": rollout.why})
        case State.ABORTED:
            return Held(Reason.ABORTED, rollout.id, {"by": rollout.state_by})
        case _:
            return None


def paused(rollout: Rollout) -> Held | None:
    """For runs that have begun: only a pause stops them between steps; a halt or an abort lets them end."""
    return held(rollout) if rollout.state is State.PAUSED else None


def canary(rollout: Rollout) -> Held | None:
    """For the runs behind the canaries: one at least is proven, and none is open or failed unseen."""
    canaries = [rollout.runs[ref] for ref in rollout.canaries]
    proven = sum(run.step is Step.DONE for run in canaries)
    settled = all(run.ended and not run.slot for run in canaries)
    if settled and (proven or not canaries):
        return None
    return Held(Reason.CANARY, rollout.id, {"done": proven, "count": len(canaries)})


def begin(rollout: Rollout, run: Run) -> Held | None:
    """For a run that has not begun."""
    return held(rollout) or (None if run.goal.canary else canary(rollout))


def failures(rollout: Rollout) -> str:
    """Why the rollout must halt; empty while it need not."""
    if not rollout.failures:
        return ""
    failed = [run for run in rollout.runs.values() if run.step is Step.FAILED]
    last = max(failed, key=lambda run: (run.since is not None, run.since, run.node))
    words = f"{last.node.name}: {last.why}"
    if last.goal.canary:
        return f"a canary failed: {words}"
    if rollout.failures < rollout.failure_limit:
        return ""
    return f"{rollout.failures} failed, the limit is {rollout.failure_limit}; the last: {words}"
