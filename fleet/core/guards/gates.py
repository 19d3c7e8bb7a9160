"""Holds a whole rollout: while it is paused, halted or aborted, or while its canaries are not proven. Asked once for
all of its nodes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator

from fleet.core.guards import stages
from fleet.core.records.held import Held
from fleet.core.records.reasons.reason import Reason
from fleet.core.rollout.hooks import hook_holds
from fleet.core.rollout.rollout import Rollout
from fleet.core.rollout.run import Run
from fleet.core.rollout.steps import RolloutState, Step

NAMED = 3
"""The number of open canaries that are named."""


def held(rollout: Rollout) -> Held | None:
    """Returns what keeps the rollout from starting anything (staging, a cordon, an eviction, a reboot), or None."""
    match rollout.state:
        case RolloutState.PAUSED:
            return Held(Reason.PAUSED, rollout.id, {"by": rollout.state_by})
        case RolloutState.HALTED if not (rollout.failures or rollout.gates.failed or rollout.hooks.failed):
            return Held(Reason.NOT_APPROVED, rollout.id, {"why": rollout.why, "plan": rollout.start.plan})
        case RolloutState.HALTED:
            # No node has failed that an operator could look at.
            anew: dict[str, str | int] = {}
            if rollout.gates.failed:
                anew = {"advice": f"fleet rollout resume {rollout.id} asks the gate anew"}
            elif rollout.hooks.failed:
                anew = {"advice": f"fix what the hook needs; fleet rollout resume {rollout.id} runs it again"}
            return Held(Reason.HALTED, rollout.id, {"why": rollout.why, **anew})
        case RolloutState.ABORTED:
            return Held(Reason.ABORTED, rollout.id, {"by": rollout.state_by})
        case _:
            return None


def paused(rollout: Rollout) -> Held | None:
    """Returns what holds runs that have begun, or None. Only a pause stops such runs between steps; they go on to their
    end after a halt or an abort."""
    return held(rollout) if rollout.state is RolloutState.PAUSED else None


def canary(rollout: Rollout, run: Run) -> Held | None:
    """Returns what holds a run that is not a canary, or None.

    It begins when no canary of any pool is open or has failed without being released, and when as many canaries of
    its own pool are proven as the plan required. A pool without required canaries waits until any node is proven, as
    long as one can be. Canaries of later stages count for nothing.
    """
    if not rollout.required:
        return None
    pool = run.goal.pool
    canaries = _canaries_before(rollout, run)
    done = Counter(run.goal.pool for run in canaries if run.step is Step.DONE)
    open_ones = [run.node.name for run in canaries if not run.ended]
    params: dict[str, str | int] = {
        "done": done.total(),
        "count": rollout.required.total(),
        "open": f"; next: {', '.join(open_ones[:NAMED])}" if open_ones else "",
    }
    for run in canaries:
        if run.ended and run.slot:
            return Held(Reason.CANARY_FAILED, rollout.id, {**params, "node": str(run.node)})
    if open_ones:
        return Held(Reason.CANARY, rollout.id, params)
    lacks = done[pool] < rollout.required[pool]
    unproven = not done and any(rollout.open_in[each] for each in _pools_before(rollout, run))
    if lacks or unproven:
        return Held(Reason.CANARY, rollout.id, params)
    return None


def _pools_before(rollout: Rollout, run: Run) -> Collection[str]:
    """Returns the pools that need canaries and have nodes in the run's stage or in one before."""
    progress = rollout.stages
    if progress is None:
        return rollout.required
    stage = progress.index(run.node)
    return [pool for pool in rollout.required if progress.is_open(pool, stage)]


def _canaries_before(rollout: Rollout, run: Run) -> list[Run]:
    """Returns the canaries of the run's stage and of the stages before."""
    progress = rollout.stages
    if progress is None:
        return [rollout.runs[ref] for ref in rollout.canaries]
    stage = progress.index(run.node)
    return [rollout.runs[ref] for ref in rollout.canaries if progress.index(ref) <= stage]


def pools_lacking_canaries(rollout: Rollout) -> Iterator[str]:
    """Yields the pools in which another node has to become a canary, because fewer canaries than required are proven or
    under way.

    Yields nothing while a failed canary waits to be released by an operator.
    """
    if not rollout.required or rollout.state is not RolloutState.RUNNING:
        return
    if any(run.step is Step.FAILED and run.slot for run in map(rollout.runs.__getitem__, rollout.canaries)):
        return
    for pool in rollout.required:
        if rollout.open_in[pool] and missing_canaries(rollout, pool):
            yield pool


def missing_canaries(rollout: Rollout, pool: str) -> int:
    """Returns how many canaries the pool still needs beside those that are proven or open."""
    canaries = [rollout.runs[ref] for ref in rollout.canaries]
    have = sum(run.goal.pool == pool and (run.step is Step.DONE or not run.ended) for run in canaries)
    return max(0, rollout.required[pool] - have)


def begin(rollout: Rollout, run: Run) -> Held | None:
    """Returns what holds a run that has not begun, or None."""
    found = held(rollout) or hook_holds.before_rollout(rollout) or stages.held(rollout, run)
    if found is not None or run.goal.canary:
        return found
    return canary(rollout, run) or stages.pool_gate(rollout, run.goal.pool)


def failures(rollout: Rollout) -> str:
    """Returns why the rollout must halt. Empty: it need not halt."""
    if not rollout.failures:
        return ""
    # This runs in every decision. Below the limit, only a failed canary justifies the cost of looking at all runs.
    of_canaries = any(rollout.runs[ref].step is Step.FAILED for ref in rollout.canaries)
    if rollout.failures < rollout.failure_limit and not of_canaries:
        return ""
    failed = [run for run in rollout.runs.values() if run.step is Step.FAILED]
    last = max(failed, key=lambda run: (run.since is not None, run.since, run.node))
    last_failure = f"{last.node.name}: {last.why}"
    if last.goal.canary:
        return f"a canary failed: {last_failure}"
    if rollout.failures < rollout.failure_limit:
        return ""
    return f"{rollout.failures} failed, the limit is {rollout.failure_limit}; the last: {last_failure}"
