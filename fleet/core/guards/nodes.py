"""Holds a node that must not be worked on at all: one that is gone, replaced, not Ready, cordoned by others, or without
an agent."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from fleet.core.guards import third_parties
from fleet.core.objects.machine import Machine
from fleet.core.objects.node import Node
from fleet.core.records.held import Held
from fleet.core.records.reasons.reason import Reason
from fleet.core.third_parties.notice import Notice


def held(
    name: str,
    uid: str,
    node: Node | None,
    machine: Machine | None,
    rollout: str,
    notices: Sequence[Notice],
    now: datetime,
) -> Held | None:
    """Returns what keeps the node from being worked on, or None.

    `uid`: the uid of the node that the plan meant. `rollout`: the id of the rollout that asks. `notices`: what other
    parties have announced for the node.
    """
    if node is None:
        return Held(Reason.NODE_GONE, name)
    if unseen(node, uid):
        return not_ready(node)
    if node.uid != uid:
        return Held(Reason.NODE_REPLACED, name)
    if node.unschedulable and node.cordoned_by not in ("", rollout):
        return Held(Reason.OTHER_CORDON, name, {"by": node.cordoned_by})
    # Whoever deletes a node or works on it cordons it as well. That cordon goes with the mark; one that stays is
    # reported then.
    if by_others := third_parties.held(name, notices, now):
        return _cordoned_too(by_others) if node.foreign_cordon else by_others
    if node.foreign_cordon:
        return Held(Reason.FOREIGN_CORDON, node.name)
    if machine is None or not machine.reported:
        return Held(Reason.NO_AGENT, name)
    if node.ready is not True:
        return not_ready(node)
    return None


def unseen(node: Node, uid: str) -> bool:
    """Returns whether the node was not seen yet, so that it is not known whether this is the machine of the plan."""
    return bool(uid) and not node.uid


def without_boot_id(node: Node) -> Held | None:
    """Returns the reason that holds a node without a boot id, or None: its next boot could not be distinguished from this
    one, so that nothing could be proven."""
    if node.boot_id:
        return None
    return Held(Reason.NOT_VERIFIED, node.name, {"why": "the node reports no boot id"})


def _cordoned_too(held: Held) -> Held:
    return Held(
        held.reason, held.subject, {**held.params, "told": f"cordoned, not by fleet: {held.params['told']}"}
    )


def not_ready(node: Node) -> Held:
    """Returns that the node is not Ready, with the reason if it is known."""
    return Held(
        Reason.NODE_NOT_READY, node.name, {"why": f": {node.why_unready}" if node.why_unready else ""}
    )
