"""What a controller logs: each step of a node, retry and halt, each order, what went wrong, which clusters it sees."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from fleet.core.objects.node import NodeRef
from fleet.core.rollout.action import Action, Result
from fleet.core.rollout.codec import Journaled
from fleet.core.rollout.commands import CommandRecord
from fleet.core.rollout.decisions import RolloutFinished, RolloutHalted, RunRetried, StepFinished
from fleet.core.rollout.record import ActionEnded, UnknownRecord
from fleet.core.rollout.rollout import Rollout
from fleet.core.rollout.steps import Step

LOG = logging.getLogger("fleet.controller")


def log(said: Iterable[Journaled], actor: str = "") -> None:
    """Logs what has just been journaled. `actor`: whose order it is."""
    if not LOG.isEnabledFor(logging.ERROR):
        return
    for each in said:
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
        LOG.warning("nothing begins here: %s", why, extra={"cluster": cluster})
    else:
        LOG.info("seen, and its lease is held", extra={"cluster": cluster})


def line(said: Journaled) -> tuple[int, str]:
    """Returns level and message. What is done to each pod, and what is only measured, is for debugging."""
    match said:
        case StepFinished():
            level = logging.WARNING if said.to is Step.FAILED else logging.INFO
            return level, f"step {said.to}: {said.why}" if said.why else f"step {said.to}"
        case RolloutHalted():
            return logging.ERROR, f"halted: {said.why}"
        case RunRetried():
            return logging.WARNING, f"tried again: {said.why}" if said.why else "tried again"
        case RolloutFinished():
            return logging.INFO, "finished"
        case ActionEnded():
            level = logging.WARNING if said.result in (Result.FAILED, Result.UNKNOWN) else logging.DEBUG
            told = f"{said.action}: {said.result}"
            return level, f"{told}: {said.detail}" if said.detail else told
        case CommandRecord():
            return logging.INFO, f"{said.kind}: {said.reason}" if said.reason else said.kind
        case UnknownRecord():
            return logging.DEBUG, f"{said.written_as} {said.name}"
        case Action():
            return logging.DEBUG, f"intent {said.kind}"
    return logging.DEBUG, f"{said.form} {said.kind}"
