"""The reboot, and the proof that it brought the release."""

from __future__ import annotations

from datetime import datetime

from fleet.core.guards import gates, kubelet_skew, third_parties, volumes
from fleet.core.objects.machine import Machine, Units, Work
from fleet.core.objects.node import Node
from fleet.core.records.held import Held, Reason
from fleet.core.releases.release import built_for, is_release, told_from
from fleet.core.rollout.action import Reboot
from fleet.core.rollout.rollout import Rollout, Run
from fleet.core.rollout.steps import Step, StepResult
from fleet.core.state.agenda import EngineState
from fleet.core.steps import quorum_work, verification
from fleet.core.steps.common import (
    Answer,
    cordoned_by_us,
    expired,
    hold_backoff,
    refusal_suffix,
    token_of,
    was_requested,
)


def reboot(agenda: EngineState, rollout: Rollout, run: Run, node: Node, now: datetime) -> Answer:
    if node.boot_id and node.boot_id != run.boot_id:
        return StepResult.DONE, {}
    rule = rollout.pool(run).reboot
    machine = agenda.machine(run.node)
    token = token_of(rollout, run)
    answer = machine.answer(token) if machine is not None else None
    if answer is not None and answer.state == "failed":
        return StepResult.FAILED, {"why": f"the machine could not reboot: {answer.message}"}
    underway = was_requested(machine, token)
    if not underway and (held := gates.paused(rollout)):
        agenda.hold(run.node, held)
        return None
    if expired(agenda, rollout, run, rule.timeout_seconds, now):
        if underway:
            return StepResult.FAILED, {"why": f"it has not come back within {rule.timeout_seconds} s"}
        never = f"its reboot could not be asked for within {rule.timeout_seconds} s"
        return StepResult.FAILED, {"why": f"{never}{refusal_suffix(agenda, run, 'reboot')}"}
    if underway or agenda.in_flight((run.node, "reboot", "")):
        return None
    if not _may_go(agenda, rollout, run, node, now):
        return StepResult.BACK, {}
    hold_backoff(agenda, run, "reboot")
    if agenda.may_issue(run.node, "reboot", now):
        agenda.issue(
            rollout,
            Reboot(
                id=agenda.next_id(rollout),
                rollout=rollout.id,
                node=run.node,
                uid=node.uid,
                token=token,
                release=built_for(run.release, node.architecture) or run.release,
                boot_id=run.boot_id,
                staying=agenda.view(run.node.cluster).staying(node.name),
                quorums=quorum_work.quorum_rules(agenda, rollout, run),
            ),
        )
    return None


def _may_go(agenda: EngineState, rollout: Rollout, run: Run, node: Node, now: datetime) -> bool:
    """Returns whether all that let the drain end is still so, right before the reboot is asked for."""
    view = agenda.view(run.node.cluster)
    return cordoned_by_us(node, rollout) and not (
        view.to_drain(node.name)
        or kubelet_skew.held(view.name, run.release, view.servers)
        or third_parties.held(node.name, view.notices(node.name), now)
        or volumes.held(node.name, view, rollout.pool(run).drain)
        or quorum_work.blocked_by_quorum(agenda, rollout, run, now)
        or quorum_work.leads(agenda, rollout, run)
    )


def verify(agenda: EngineState, rollout: Rollout, run: Run, node: Node, now: datetime) -> Answer:
    machine = agenda.machine(run.node)
    missing = verification.missing_proof(run, node, machine, agenda.view(run.node.cluster), now)
    if (
        verification.has_reported(machine, node)
        and machine
        and machine.booted
        and not is_release(machine.booted, run.release)
    ):
        booted, wanted = machine.booted, run.release
        other = told_from(booted, wanted)
        why = f"it booted {other} instead of {told_from(wanted, booted)}: rolled back"
        told = {"boot_id_after": node.boot_id, "rolled_back": other}
        answer = machine.answer(token_of(rollout, run, Step.REBOOT))
        if answer is not None and answer.log:
            told["log"] = answer.log
        return StepResult.FAILED, {"why": why, **told}
    if failed := newly_failed(rollout, run, node, machine):
        return StepResult.FAILED, {"why": failed}
    if missing is None and machine is not None:
        return StepResult.DONE, {"proof": verification.proof(run, node, machine)}
    timeout = rollout.pool(run).reboot.timeout_seconds
    if expired(agenda, rollout, run, timeout, now):
        return StepResult.FAILED, {"why": f"not proven within {timeout} s: {missing}"}
    if verification.has_reported(machine, node):
        agenda.recheck(run.node, now)
    agenda.hold(run.node, Held(Reason.NOT_VERIFIED, node.name, {"why": missing or "no report"}))
    return None


def newly_failed(rollout: Rollout, run: Run, node: Node, machine: Machine | None) -> str:
    """Empty: nothing that was fine before the reboot has failed in this boot."""
    if machine is None or not verification.has_reported(machine, node):
        return ""
    work = machine.answer(token := token_of(rollout, run, Step.REBOOT))
    if work is None and run.failed_units:
        # The Machine object was made anew with its Node, and has forgotten what had failed before the reboot.
        work = Work(token, "done", units=Units("degraded", run.failed_units))
    failed = verification.newly_failed(work, machine)
    return verification.describe_failed(failed, work, node.name) if failed else ""
