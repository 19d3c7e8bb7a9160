"""The steps before a node is touched: its image is written while it works, then it waits for a slot."""

from __future__ import annotations

from datetime import datetime, timedelta

from fleet.core.guards import architecture, gates
from fleet.core.objects.machine import Machine
from fleet.core.records.held import Held
from fleet.core.records.reasons.reason import Reason
from fleet.core.releases.release import built_for, distinct_name, is_release
from fleet.core.rollout.action import Mark, Stage
from fleet.core.rollout.decisions import RunRetried
from fleet.core.rollout.rollout import Rollout
from fleet.core.rollout.run import Run
from fleet.core.rollout.steps import RolloutState, StepResult
from fleet.core.state.in_flight import ActionKey
from fleet.core.state.indexes.engine_index import EngineIndex
from fleet.core.steps.context import StepContext, StepEnd, failed, has_our_marks, was_requested

STAGE_ATTEMPTS = 3
STAGE_BACKOFF = timedelta(seconds=15)


def pending(context: StepContext) -> StepEnd | None:
    machine = context.machine
    if machine is not None and is_release(machine.booted, context.run.release):
        return StepEnd(StepResult.DONE, {"why": f"{context.run.release.version} is booted already"})
    return None


def stage(context: StepContext) -> StepEnd | None:
    """Asks the machine to write the image, and waits until that is done."""
    rule = context.rollout.pool(context.run).stage
    machine, token = context.machine, context.token()
    if was_requested(machine, token):
        context.saw("stage")
    # The release may be booted already: by another party, or by this fleet before the journal was restored from an old copy.
    if machine is not None and any(
        is_release(present, context.run.release) for present in (machine.staged, machine.booted)
    ):
        return StepEnd(StepResult.DONE)
    if not was_requested(machine, token) and (held := gates.paused(context.rollout)):
        context.hold(held)
        return None
    if context.expired(rule.timeout_seconds):
        why = "" if was_requested(machine, token) else context.refusal_suffix("stage")
        return failed(f"the image was not written within {rule.timeout_seconds} s{why}")
    answer = machine.answer(token) if machine is not None else None
    if machine is not None and answer is not None and answer.state != "working":
        why = answer.message if answer.state == "failed" else _why_not_staged(machine, context.run)
        if context.run.attempts + 1 >= STAGE_ATTEMPTS:
            return failed(f"staging failed: {why}")
        retried = RunRetried(rollout=context.rollout.id, node=context.ref, why=why)
        context.state.decide(context.rollout, retried, context.now)
        context.wake_at(context.now + STAGE_BACKOFF)
        return None
    if (
        context.run.attempts
        and context.run.since is not None
        and context.now < context.run.since + STAGE_BACKOFF
    ):
        context.wake_at(context.run.since + STAGE_BACKOFF)
        return None
    if was_requested(machine, token):
        context.hold(Held(Reason.STAGING, context.node.name, {"percent": answer.percent if answer else 0}))
        return None
    context.hold_backoff("stage")
    if held := architecture.held(context.node, context.run.release):
        context.hold(held)
        return None
    if context.may_issue("stage"):
        release = built_for(context.run.release, context.node.architecture) or context.run.release
        context.issue(Stage, token=token, release=release)
    return None


def _why_not_staged(machine: Machine, run: Run) -> str:
    """Returns why the release is not staged although the machine has finished the request."""
    present, wanted = machine.staged or machine.booted, run.release
    message = f"{distinct_name(present, wanted)} is staged, not {distinct_name(wanted, present)}"
    if present is None or not present.digest or present.reference_digest or not wanted.digest:
        return message
    return (
        f"{message}; if the latter is the digest of an index over several architectures, name theirs too in the stream "
        "(digests), or bring the agents up to date (fleet cluster install): they report by which digest a host was staged"
    )


def staged(context: StepContext) -> StepEnd | None:
    """Waits for a slot: `Engine` gives it, and knows what holds it."""
    machine = context.machine
    if machine is not None and is_release(machine.booted, context.run.release):
        return StepEnd(
            StepResult.DONE, {"why": f"{context.run.release.version} was booted meanwhile, not by fleet"}
        )
    return None


def mark(index: EngineIndex, rollout: Rollout, run: Run, now: datetime) -> None:
    """Issues the action that adds the taint to a waiting node, if the node does not have it."""
    if not run.waiting or rollout.state is not RolloutState.RUNNING:
        return
    view = index.state.view(run.node.cluster)
    node = view.nodes.get(run.node.name)
    if node is None or node.uid != run.goal.uid or not view.synced:
        return
    if has_our_marks(node, rollout):
        index.state.actions.seen(ActionKey(run.node, "mark"))
        return
    context = StepContext(index, rollout, run, view, node, now)
    if context.may_issue("mark"):
        context.issue(Mark)


def why_unmarked(index: EngineIndex, rollout: Rollout, run: Run, now: datetime) -> tuple[Held, ...]:
    """Returns why a waiting node does not have its taint yet. This holds no node, but evicted pods may be scheduled
    there and move twice."""
    view = index.state.view(run.node.cluster)
    node = view.nodes.get(run.node.name)
    if node is None or has_our_marks(node, rollout):
        return ()
    held = StepContext(index, rollout, run, view, node, now).backoff("mark")
    return (held,) if held is not None else ()
