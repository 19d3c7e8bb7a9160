"""The steps of the reboot, and of the proof that it brought the release."""

from __future__ import annotations

from fleet.core.guards import gates
from fleet.core.guards.guards import Moment, held_at
from fleet.core.objects.machine import Units, Work
from fleet.core.records.held import Held
from fleet.core.records.reasons.reason import Reason
from fleet.core.releases.release import built_for, distinct_name, is_release
from fleet.core.rollout.action import Reboot
from fleet.core.rollout.steps import Step, StepResult
from fleet.core.steps import quorum_work, verification
from fleet.core.steps.context import StepContext, StepEnd, failed, was_requested


def reboot(context: StepContext) -> StepEnd | None:
    """Asks the machine to reboot, and waits for another boot id."""
    if context.node.boot_id and context.node.boot_id != context.run.boot_id:
        return StepEnd(StepResult.DONE)
    rule = context.rollout.pool(context.run).reboot
    machine = context.machine
    token = context.token()
    answer = machine.answer(token) if machine is not None else None
    if answer is not None and answer.state == "failed":
        return failed(f"the machine could not reboot: {answer.message}")
    underway = was_requested(machine, token)
    if not underway and (held := gates.paused(context.rollout)):
        context.hold(held)
        return None
    if context.expired(rule.timeout_seconds):
        if underway:
            return failed(f"it has not come back within {rule.timeout_seconds} s")
        never = f"its reboot could not be asked for within {rule.timeout_seconds} s"
        return failed(f"{never}{context.refusal_suffix('reboot')}")
    if underway or context.in_flight("reboot"):
        return None
    context.hold_backoff("reboot")
    # In the delay after an attempt the machine may have the request already, and be seen as not Ready before that shows.
    if not context.may_issue("reboot"):
        return None
    if not _may_go(context):
        return StepEnd(StepResult.BACK)
    context.issue(
        Reboot,
        token=token,
        release=built_for(context.run.release, context.node.architecture) or context.run.release,
        boot_id=context.run.boot_id,
        staying=context.view.staying(context.node.name),
        quorums=quorum_work.quorum_rules(context),
    )
    return None


def _may_go(context: StepContext) -> bool:
    """Returns whether the preconditions of the reboot still hold, right before the reboot is requested."""
    machine = context.machine
    return (
        context.cordoned_by_us
        and machine is not None
        and is_release(machine.staged, context.run.release)
        and not context.view.to_drain(context.node.name)
        and held_at(Moment.REBOOT, context) is None
        and not quorum_work.leads(context)
    )


def verify(context: StepContext) -> StepEnd | None:
    """Waits for the proof that the node has booted the release and is as healthy as before."""
    machine = context.machine
    missing = verification.missing_proof(context.run, context.node, machine, context.view, context.now)
    if (
        verification.has_reported(machine, context.node)
        and machine
        and machine.booted
        and not is_release(machine.booted, context.run.release)
    ):
        booted, wanted = machine.booted, context.run.release
        other = distinct_name(booted, wanted)
        why = f"it booted {other} instead of {distinct_name(wanted, booted)}: rolled back"
        detail = {"boot_id_after": context.node.boot_id, "rolled_back": other}
        answer = machine.answer(context.token(Step.REBOOT))
        if answer is not None and answer.log:
            detail["log"] = answer.log
        return failed(why, **detail)
    if failure := newly_failed(context):
        return failed(failure)
    if missing is None and machine is not None:
        return StepEnd(StepResult.DONE, {"proof": verification.proof(context.run, context.node, machine)})
    timeout = context.rollout.pool(context.run).reboot.timeout_seconds
    if context.expired(timeout):
        return failed(f"not proven within {timeout} s: {missing}")
    if verification.has_reported(machine, context.node):
        context.recheck()
    context.hold(Held(Reason.NOT_VERIFIED, context.node.name, {"why": missing or "no report"}))
    return None


def newly_failed(context: StepContext) -> str:
    """Returns which units have failed in this boot that had not failed before the reboot; empty: none."""
    run, node, machine = context.run, context.node, context.machine
    if machine is None or not verification.has_reported(machine, node):
        return ""
    work = machine.answer(token := context.token(Step.REBOOT))
    if work is None and run.failed_units:
        # The Machine object was made anew with its Node, and has forgotten what had failed before the reboot.
        work = Work(token, "done", units=Units("degraded", run.failed_units))
    units = verification.newly_failed(work, machine)
    return verification.describe_failed(units, work, node.name) if units else ""
