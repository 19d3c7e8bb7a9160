"""What every step asks: is it ours, has it had its time, was the machine asked already."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from fleet.core.objects.machine import Machine
from fleet.core.objects.node import Node
from fleet.core.records.held import Held, Reason
from fleet.core.rollout.action import Cordon, Uncordon
from fleet.core.rollout.rollout import Rollout, Run
from fleet.core.rollout.steps import Step, StepResult
from fleet.core.state.agenda import EngineState

ACTION_NAMES: Mapping[str, str] = {
    "mark": "the taint of nodes that wait",
    "stage": "the request to write the image",
    "cordon": "cordon",
    "reboot": "the request to reboot",
    "uncordon": "uncordon",
    "unmark": "taking away the taint of nodes that wait",
    "clear": "taking back the request to the machine",
}
"""Actions, as a sentence names them."""

Answer = tuple[StepResult, dict[str, Any]] | None
"""The turn that a run takes, with what the journal is to say of it; None: it waits."""


def token_of(rollout: Rollout, run: Run, step: Step | None = None) -> str:
    """Names one intent towards the machine: the same after a restart, another after a retry. `step`: other than its
    present one."""
    return f"{rollout.id}/{run.node.name}/{step or run.step}/{run.attempts}"


def was_requested(machine: Machine | None, token: str) -> bool:
    return machine is not None and machine.request is not None and machine.request.token == token


def cordoned_by_us(node: Node, rollout: Rollout) -> bool:
    return node.unschedulable and node.cordoned_by == rollout.id


def has_our_marks(node: Node, rollout: Rollout) -> bool:
    """Something of this rollout is on the node."""
    return rollout.id in (node.cordoned_by, node.rollout, node.kept_off_by)


def expired(
    agenda: EngineState,
    rollout: Rollout,
    run: Run,
    seconds: int,
    now: datetime,
    since: datetime | None = None,
) -> bool:
    """The step has had its time, counted anew after nobody could look or a person had stopped it. Sets the timer
    otherwise. `since`: of a part of the step."""
    synced = agenda.view(run.node.cluster).synced_at
    begins = [moment for moment in (since or run.since, synced, rollout.state_at) if moment is not None]
    end = max(begins, default=now) + timedelta(seconds=seconds)
    if now >= end:
        return True
    agenda.wake_at(run.node, end)
    return False


def backoff(agenda: EngineState, run: Run, kind: str) -> Held | None:
    """Returns why the last request of this kind for the run's node was not fulfilled, in the server's words."""
    why = agenda.last_error(run.node, kind)
    return Held(Reason.BACKOFF, run.node.name, {"what": ACTION_NAMES[kind], "why": why}) if why else None


def hold_backoff(agenda: EngineState, run: Run, kind: str) -> None:
    if held := backoff(agenda, run, kind):
        agenda.hold(run.node, held)


def refusal_suffix(agenda: EngineState, run: Run, kind: str) -> str:
    """Ends the words of a run that fails because its request was never fulfilled."""
    why = agenda.last_error(run.node, kind)
    return f": {ACTION_NAMES[kind]} was refused ({why})" if why else ""


def request_cordon(agenda: EngineState, rollout: Rollout, run: Run, node: Node, now: datetime) -> None:
    if agenda.may_issue(run.node, "cordon", now):
        ident = agenda.next_id(rollout)
        agenda.issue(rollout, Cordon(id=ident, rollout=rollout.id, node=run.node, uid=node.uid))


def request_uncordon(agenda: EngineState, rollout: Rollout, run: Run, node: Node, now: datetime) -> None:
    hold_backoff(agenda, run, "uncordon")
    if agenda.may_issue(run.node, "uncordon", now):
        ident = agenda.next_id(rollout)
        agenda.issue(rollout, Uncordon(id=ident, rollout=rollout.id, node=run.node, uid=node.uid))
