"""While the node works: its image is written, then it waits for a slot."""

from __future__ import annotations

from datetime import datetime, timedelta

from fleet.core.guards import architecture, gates
from fleet.core.objects.machine import Machine
from fleet.core.objects.node import Node
from fleet.core.records.held import Held, Reason
from fleet.core.releases.release import built_for, is_release, told_from
from fleet.core.rollout.action import Stage
from fleet.core.rollout.rollout import Rollout, Run
from fleet.core.rollout.steps import StepResult
from fleet.core.state.agenda import EngineState
from fleet.core.steps.common import Answer, expired, hold_backoff, refusal_suffix, token_of, was_requested

STAGE_ATTEMPTS = 3
STAGE_BACKOFF = timedelta(seconds=15)


def pending(agenda: EngineState, rollout: Rollout, run: Run, node: Node, now: datetime) -> Answer:
    machine = agenda.machine(run.node)
    if machine is not None and is_release(machine.booted, run.release):
        return StepResult.DONE, {"why": f"{run.release.version} is booted already"}
    return None


def stage(agenda: EngineState, rollout: Rollout, run: Run, node: Node, now: datetime) -> Answer:
    rule = rollout.pool(run).stage
    machine = agenda.machine(run.node)
    # Booted already: by somebody else, or in a time that an older copy of the journal does not know.
    if machine is not None and any(
        is_release(each, run.release) for each in (machine.staged, machine.booted)
    ):
        return StepResult.DONE, {}
    token = token_of(rollout, run)
    if not was_requested(machine, token) and (held := gates.paused(rollout)):
        agenda.hold(run.node, held)
        return None
    if expired(agenda, rollout, run, rule.timeout_seconds, now):
        why = "" if was_requested(machine, token) else refusal_suffix(agenda, run, "stage")
        return StepResult.FAILED, {"why": f"the image was not written within {rule.timeout_seconds} s{why}"}
    answer = machine.answer(token) if machine is not None else None
    if machine is not None and answer is not None and answer.state != "working":
        why = answer.message if answer.state == "failed" else _another(machine, run)
        if run.attempts + 1 >= STAGE_ATTEMPTS:
            return StepResult.FAILED, {"why": f"staging failed: {why}"}
        agenda.retry(rollout, run, why, now)
        agenda.wake_at(run.node, now + STAGE_BACKOFF)
        return None
    if run.attempts and run.since is not None and now < run.since + STAGE_BACKOFF:
        agenda.wake_at(run.node, run.since + STAGE_BACKOFF)
        return None
    if was_requested(machine, token):
        agenda.hold(run.node, Held(Reason.STAGING, node.name, {"percent": answer.percent if answer else 0}))
        return None
    hold_backoff(agenda, run, "stage")
    if held := architecture.held(node, run.release):
        agenda.hold(run.node, held)
        return None
    if agenda.may_issue(run.node, "stage", now):
        ident = agenda.next_id(rollout)
        release = built_for(run.release, node.architecture) or run.release
        agenda.issue(
            rollout,
            Stage(id=ident, rollout=rollout.id, node=run.node, uid=node.uid, token=token, release=release),
        )
    return None


def _another(machine: Machine, run: Run) -> str:
    """Why the release is not staged although the machine has done what it was asked for."""
    found, wanted = machine.staged or machine.booted, run.release
    words = f"{told_from(found, wanted)} is staged, not {told_from(wanted, found)}"
    if found is None or not found.digest or found.reference_digest or not wanted.digest:
        return words
    return (
        f"{words}; if the latter is the digest of an index over several architectures, name theirs too in the stream "
        "(digests), or bring the agents up to date (fleet cluster install): they tell by which digest a host was staged"
    )


def staged(agenda: EngineState, rollout: Rollout, run: Run, node: Node, now: datetime) -> Answer:
    """Waits for a slot: `Engine` gives it, and knows what holds it."""
    machine = agenda.machine(run.node)
    if machine is not None and is_release(machine.booted, run.release):
        return StepResult.DONE, {"why": f"{run.release.version} was booted meanwhile, not by fleet"}
    return None
