"""The controller's log: steps of nodes, retries, halts, commands, errors, and which clusters are reachable."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from fleet.core.objects.node import NodeRef
from fleet.core.rollout.action import Action, Result
from fleet.core.rollout.codec import Journaled
from fleet.core.rollout.commands import CommandRecord
from fleet.core.rollout.decisions import (
    HookEnded,
    HookStarted,
    RolloutFinished,
    RolloutHalted,
    RunRetried,
    StepFinished,
)
from fleet.core.rollout.hooks.hook_state import HookResult
from fleet.core.rollout.record import ActionEnded, UnknownRecord
from fleet.core.rollout.rollout import Rollout
from fleet.core.rollout.steps import Step

LOG = logging.getLogger("fleet.controller")


def log(records: Iterable[Journaled], actor: str = "") -> None:
    """Logs what has just been journaled. `actor`: whose order it is."""
    if not LOG.isEnabledFor(logging.ERROR):
        return
    for each in records:
        level, message = line(each)
        if not LOG.isEnabledFor(level):
            continue
        node: NodeRef | None = getattr(each, "node", None)
        place = {
            "rollout": each.rollout,
            "cluster": node.cluster if node is not None else "",
            "node": node.name if node is not None else "",
        }
        LOG.log(level, "%s%s", message, f" (ordered by {actor})" if actor else "", extra=place)


def taken_up(rollout: Rollout) -> None:
    """Logs that this controller carries the rollout out from now on."""
    LOG.info("taken up, %s; started by %s", rollout.state, rollout.by, extra={"rollout": rollout.id})


def reached(cluster: str, why: str) -> None:
    """Logs whether a cluster can be worked on. `why` not: empty where it can."""
    if why:
        LOG.warning("nothing starts here: %s", why, extra={"cluster": cluster})
    else:
        LOG.info("seen, and its lease is held", extra={"cluster": cluster})


def line(record: Journaled) -> tuple[int, str]:
    """Returns level and message. What is done to each pod, and what is only measured, is for debugging."""
    match record:
        case StepFinished():
            level = logging.WARNING if record.to is Step.FAILED else logging.INFO
            return level, f"step {record.to}: {record.why}" if record.why else f"step {record.to}"
        case RolloutHalted():
            return logging.ERROR, f"halted: {record.why}"
        case HookStarted():
            return logging.INFO, f"hook {record.hook} {record.place.when} runs, attempt {record.attempt}"
        case HookEnded():
            well = record.result is HookResult.PASSED
            text = f"hook {record.hook} {record.place.when} {record.result}: {record.message}"
            return logging.INFO if well else logging.WARNING, text
        case RunRetried():
            return logging.WARNING, f"retried: {record.why}" if record.why else "retried"
        case RolloutFinished():
            return logging.INFO, "finished"
        case ActionEnded():
            level = logging.WARNING if record.result in (Result.FAILED, Result.UNKNOWN) else logging.DEBUG
            text = f"{record.action}: {record.result}"
            return level, f"{text}: {record.detail}" if record.detail else text
        case CommandRecord():
            return logging.INFO, f"{record.kind}: {record.reason}" if record.reason else record.kind
        case UnknownRecord():
            return logging.DEBUG, f"{record.written_as} {record.name}"
        case Action():
            return logging.DEBUG, f"intent {record.kind}"
    return logging.DEBUG, f"{record.form} {record.kind}"
