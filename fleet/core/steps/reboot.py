"""The reboot, and the proof that it brought the release."""

from __future__ import annotations

from datetime import datetime

from fleet.core.guards import gates, others, skew, volumes
from fleet.core.objects.machine import Machine, Units, Work
from fleet.core.objects.node import Node
from fleet.core.records.held import Held, Reason
from fleet.core.releases.release import built_for, is_release, told_from
from fleet.core.rollout.action import Reboot
from fleet.core.rollout.rollout import Rollout, Run
from fleet.core.rollout.steps import Step, Turn
from fleet.core.state.agenda import Agenda
from fleet.core.steps import quorum_work, verification
from fleet.core.steps.common import (
    Answer,
    and_why,
    asked,
    expired,
    hold_refused,
    ours,
    token_of,
)


def reboot(agenda: Agenda, rollout: Rollout, run: Run, node: Node, now: datetime) -> Answer:
    if node.boot_id and node.boot_id != run.boot_id:
        return Turn.DONE, {}
    rule = rollout.pool(run).reboot
    machine = agenda.machine(run.node)
    token = token_of(rollout, run)
    answer = machine.answer(token) if machine is not None else None
    if answer is not None and answer.state == "failed":
        return Turn.FAILED, {"why": f"the machine could not reboot: {answer.message}"}
    underway = asked(machine, token)
    if not underway and (held := gates.paused(rollout)):
        agenda.hold(run.node, held)
        return None
    if expired(agenda, rollout, run, rule.timeout_seconds, now):
        if underway:
            return Turn.FAILED, {"why": f"it has not come back within {rule.timeout_seconds} s"}
        never = f"its reboot could not be asked for within {rule.timeout_seconds} s"
        return Turn.FAILED, {"why": f"{never}{and_why(agenda, run, 'reboot')}"}
    if underway or agenda.in_flight((run.node, "reboot", "")):
        return None
    if not _may_go(agenda, rollout, run, node, now):
        return Turn.BACK, {}
    hold_refused(agenda, run, "reboot")
    if agenda.may_ask(run.node, "reboot", now):
        agenda.emit(
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
                quorums=quorum_work.rules(agenda, rollout, run),
            ),
        )
    return None


def _may_go(agenda: Agenda, rollout: Rollout, run: Run, node: Node, now: datetime) -> bool:
    """Returns whether all that let the drain end is still so, right before the reboot is asked for."""
    view = agenda.view(run.node.cluster)
    return ours(node, rollout) and not (
        view.to_drain(node.name)
        or skew.held(view.name, run.release, view.servers)
        or others.held(node.name, view.notices(node.name), now)
        or volumes.held(node.name, view, rollout.pool(run).drain)
        or quorum_work.spare(agenda, rollout, run, now)
        or quorum_work.leads(agenda, rollout, run)
    )


def verify(agenda: Agenda, rollout: Rollout, run: Run, node: Node, now: datetime) -> Answer:
    machine = agenda.machine(run.node)
    missing = verification.missing(run, node, machine, agenda.view(run.node.cluster), now)
    if (
        verification.told(machine, node)
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
        return Turn.FAILED, {"why": why, **told}
    if failed := newly_failed(rollout, run, node, machine):
        return Turn.FAILED, {"why": failed}
    if missing is None and machine is not None:
        return Turn.DONE, {"proof": verification.proof(run, node, machine)}
    timeout = rollout.pool(run).reboot.timeout_seconds
    if expired(agenda, rollout, run, timeout, now):
        return Turn.FAILED, {"why": f"not proven within {timeout} s: {missing}"}
    if verification.told(machine, node):
        agenda.look_again(run.node, now)
    agenda.hold(run.node, Held(Reason.NOT_VERIFIED, node.name, {"why": missing or "no report"}))
    return None


def newly_failed(rollout: Rollout, run: Run, node: Node, machine: Machine | None) -> str:
    """Empty: nothing that was fine before the reboot has failed in this boot."""
    if machine is None or not verification.told(machine, node):
        return ""
    work = machine.answer(token := token_of(rollout, run, Step.REBOOT))
    if work is None and run.failed_units:
        # The Machine object was made anew with its Node, and has forgotten what had failed before the reboot.
        work = Work(token, "done", units=Units("degraded", run.failed_units))
    failed = verification.newly_failed(work, machine)
    return verification.words(failed, work, node.name) if failed else ""
