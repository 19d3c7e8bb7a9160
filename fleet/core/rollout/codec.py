"""Converts between the journal's records and the structs that represent them. Only this module knows the keys of a
record's detail."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from fleet.core.objects.node import NodeRef
from fleet.core.records.journal import JournalRecord
from fleet.core.rollout.action import Action, AnyAction
from fleet.core.rollout.commands import COMMANDS, RolloutStarted
from fleet.core.rollout.decisions import DECISIONS
from fleet.core.rollout.goal import Start
from fleet.core.rollout.record import (
    ActionEnded,
    CheckpointKept,
    PodsTimed,
    StandingChanged,
    TaskPlayed,
    TypedRecord,
    UnknownKindError,
    UnknownRecord,
)

Journaled = TypedRecord | AnyAction
"""The content of one record. An action stands for its intent, which is committed before the action is performed."""

_TYPES: tuple[type[TypedRecord], ...] = (
    *COMMANDS,
    *DECISIONS,
    PodsTimed,
    StandingChanged,
    TaskPlayed,
    CheckpointKept,
)
KINDS: Mapping[tuple[str, str], type[TypedRecord]] = {
    (record.form, str(record.__struct_config__.tag)): record for record in _TYPES
}
"""The struct by form and kind, except for actions."""


def to_record(record: Journaled) -> JournalRecord:
    """Returns the record that is written to the journal. Raises ValueError for an UnknownRecord, which is never
    written."""
    match record:
        case Action():
            detail = msgspec.to_builtins(record)
            return JournalRecord("intent", record.kind, record.rollout, str(record.node), detail)
        case ActionEnded():
            outcome = {"id": record.id, "result": str(record.result)}
            detail = outcome | ({"detail": record.detail} if record.detail else {})
            return JournalRecord("outcome", record.action, record.rollout, _place(record.node), detail)
        case RolloutStarted():
            return JournalRecord(
                "command", record.kind, record.rollout, "", msgspec.to_builtins(record.start)
            )
        case UnknownRecord():
            raise ValueError(record.problem)
    detail = msgspec.to_builtins(record)
    for key in ("kind", "rollout", "node"):
        detail.pop(key, None)
    return JournalRecord(
        record.form, record.kind, record.rollout, _place(getattr(record, "node", None)), detail
    )


def from_record(record: JournalRecord) -> Journaled:
    """Returns the struct of the record, or an UnknownRecord if this version of fleet cannot read the record. Keys that
    this version does not know are ignored."""
    try:
        return _read(record)
    except ValueError as error:
        return UnknownRecord(
            rollout=record.rollout,
            written_as=record.form,
            name=record.kind,
            problem=str(error),
            newer=isinstance(error, UnknownKindError),
        )


def _read(record: JournalRecord) -> Journaled:
    """Returns the struct of the record. Raises ValueError for a record that this version of fleet cannot read."""
    form, kind, detail = record.form, record.kind, record.detail
    common: dict[str, Any] = {"rollout": record.rollout}
    if record.node:
        common["node"] = NodeRef.parse(record.node)
    if form == "intent":
        action: AnyAction = msgspec.convert(detail, AnyAction)
        return action
    if form == "outcome":
        return msgspec.convert({"node": None} | detail | common | {"action": kind}, ActionEnded)
    if (form, kind) == ("command", "start"):
        return RolloutStarted(rollout=record.rollout, start=msgspec.convert(detail, Start))
    struct = KINDS.get((form, kind))
    if struct is None:
        # No version of fleet writes a record without a kind.
        raise (UnknownKindError if kind else ValueError)(f"unknown {form} {kind!r}")
    return msgspec.convert(detail | common | {"kind": kind}, struct)


def _place(node: NodeRef | None) -> str:
    return "" if node is None else str(node)
