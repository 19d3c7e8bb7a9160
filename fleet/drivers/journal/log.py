"""What a controller logs: each step of a node, retry and halt, each order, what went wrong, which clusters it sees."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from fleet.core.objects.node import NodeRef
from fleet.core.records.journal import JournalRecord
from fleet.core.rollout.rollout import Rollout

LOG = logging.getLogger("fleet.controller")


def log(records: Iterable[JournalRecord], actor: str = "") -> None:
    """Logs what has just been journaled. `actor`: whose order it is."""
    if not LOG.isEnabledFor(logging.ERROR):
        return
    for record in records:
        level, message = line(record)
        if not LOG.isEnabledFor(level):
            continue
        node = NodeRef.parse(record.node) if record.node else None
        place = {
            "rollout": record.rollout,
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


def line(record: JournalRecord) -> tuple[int, str]:
    """Level and message. What is done to each pod, and what is only measured, is for debugging."""
    why = str(record.detail.get("why", ""))
    match record.form, record.kind:
        case "decision", "step":
            step = str(record.detail["to"])
            level = logging.WARNING if step == "failed" else logging.INFO
            return level, f"step {step}: {why}" if why else f"step {step}"
        case "decision", "halt":
            return logging.ERROR, f"halted: {why}"
        case "decision", "retry":
            return logging.WARNING, f"tried again: {why}" if why else "tried again"
        case "decision", "finish":
            return logging.INFO, "finished"
        case "outcome", kind:
            result, detail = str(record.detail["result"]), str(record.detail.get("detail", ""))
            level = logging.WARNING if result in ("failed", "unknown") else logging.DEBUG
            return level, f"{kind}: {result}: {detail}" if detail else f"{kind}: {result}"
        case "command", kind:
            reason = str(record.detail.get("reason", ""))
            return logging.INFO, f"{kind}: {reason}" if reason else kind
    return logging.DEBUG, f"{record.form} {record.kind}"
