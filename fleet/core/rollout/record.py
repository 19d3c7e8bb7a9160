"""The base of all structs that represent records of the journal, and those records that no decision depends on.

A struct's tag is the record's kind. `rollout` and `node` are stored beside the record's detail; every other field is a
key of the detail. A field that is UNSET is left out of the detail. `core/rollout/codec.py` converts both ways.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec
from msgspec import UNSET, Struct, UnsetType

from fleet.core.objects.node import NodeRef
from fleet.core.records.journal import JournalRecord, RecordForm
from fleet.core.rollout.action import Action, Result


class TypedRecord(Struct, frozen=True, gc=False, kw_only=True, tag_field="kind"):
    """A record of one kind."""

    form: ClassVar[RecordForm]
    rollout: str = ""

    @property
    def kind(self) -> str:
        return str(self.__struct_config__.tag)


class ActionEnded(TypedRecord, frozen=True, gc=False, kw_only=True):
    """The outcome of an action. `Result.UNKNOWN` closes the intent too: the engine looks again."""

    form = "outcome"
    action: str
    """The kind of the action."""
    node: NodeRef | None
    id: str
    """The id of the action."""
    result: Result
    detail: str = ""
    """The server's message. Empty: the server gave none."""

    @classmethod
    def of(cls, action: Action, result: Result, detail: str = "") -> ActionEnded:
        """Returns the record of how an action ended."""
        return cls(
            rollout=action.rollout,
            action=action.kind,
            node=action.node,
            id=action.id,
            result=result,
            detail=detail,
        )


class PodsTimed(TypedRecord, frozen=True, gc=False, kw_only=True, tag="timed"):
    """The measured times of the pods of one drained node, in milliseconds. The estimates of later plans use these times."""

    form = "decision"
    node: NodeRef
    stop: list[int]
    """The times from an eviction until the pod was gone."""
    start: dict[str, list[int]]
    """The times from being bound to a node until Ready, by app."""


class TaskPlayed(TypedRecord, frozen=True, gc=False, kw_only=True, tag="played"):
    """A task of a playbook changed a machine, or failed. Only shown to users."""

    form = "decision"
    node: NodeRef
    why: str
    playbook: str | UnsetType = UNSET
    task: str | UnsetType = UNSET
    result: str | UnsetType = UNSET


class StandingChanged(TypedRecord, frozen=True, gc=False, kw_only=True, tag="policy-state"):
    """The standing policy of a pool refuses or is halted until an operator acts, or does so no longer. Nothing depends on
    this record but the message to operators."""

    form = "decision"
    pool: str
    state: str
    """A `StandingState`."""
    target: str
    reason: str
    """A `StandingReason`. Empty: it does so no longer."""
    about: str = ""
    """The rollout that the reason is about. Empty: none."""
    message: str = ""
    remedy: str = ""


class CheckpointKept(TypedRecord, frozen=True, gc=False, kw_only=True, tag="fold"):
    """Vouches for the rollout checkpoints that are kept beside the journal."""

    form = "decision"
    seq: int
    """The last entry that the checkpoints include."""
    hash: str
    """The hash of the bodies of the checkpoints."""

    @classmethod
    def of(cls, record: JournalRecord) -> CheckpointKept | None:
        """Returns the content of a record; None if the record is of another kind. Raises ValueError for one that fleet
        cannot have written. Whoever asks for this kind alone need not import all of them (`codec.from_record`)."""
        kind = str(cls.__struct_config__.tag)
        if (record.form, record.kind) != (cls.form, kind):
            return None
        return msgspec.convert(record.detail | {"kind": kind}, cls)


class UnknownKindError(ValueError):
    """A record's kind belongs to a newer version of fleet."""


class UnknownRecord(TypedRecord, frozen=True, gc=False, kw_only=True):
    """A record that this version of fleet cannot read: its kind belongs to a newer version, or its content is not what
    any version writes for that kind."""

    written_as: RecordForm
    """The form of the record."""
    name: str
    """The kind of the record."""
    problem: str
    newer: bool = False
    """True: no record of this version has that kind."""

    @property
    def error(self) -> ValueError:
        """Returns the error for a program that cannot go on without the record."""
        return UnknownKindError(self.problem) if self.newer else ValueError(self.problem)
