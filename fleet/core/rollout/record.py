"""What one record of the journal says, as a struct: the base of all kinds, and the kinds by which nothing is decided.

A struct's tag is the record's kind. `rollout` and `node` stand beside the record's detail; every other field is a key of
the detail. A field that is UNSET is left out of it. `core/rollout/codec.py` converts both ways.
"""

from __future__ import annotations

from typing import ClassVar

from msgspec import UNSET, Struct, UnsetType

from fleet.core.objects.node import NodeRef
from fleet.core.records.journal import RecordForm
from fleet.core.rollout.action import Action, Result


class TypedRecord(Struct, frozen=True, gc=False, kw_only=True, tag_field="kind"):
    """A record of one kind."""

    form: ClassVar[RecordForm]
    rollout: str = ""

    @property
    def kind(self) -> str:
        return str(self.__struct_config__.tag)


class ActionEnded(TypedRecord, frozen=True, gc=False, kw_only=True):
    """What came of an action. `Result.UNKNOWN` closes its intent too: the engine looks again."""

    form = "outcome"
    action: str
    """The action's kind."""
    node: NodeRef | None
    id: str
    """Of the action."""
    result: Result
    detail: str = ""
    """The server's message; empty: it gave none."""

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
    """How long pods of one drained node took, in milliseconds: for the estimates of plans to come."""

    form = "decision"
    node: NodeRef
    stop: list[int]
    """From an eviction until the pod was gone."""
    start: dict[str, list[int]]
    """By app: from being bound to a node until Ready."""


class TaskPlayed(TypedRecord, frozen=True, gc=False, kw_only=True, tag="played"):
    """A task of a playbook changed a machine, or failed: for people."""

    form = "decision"
    node: NodeRef
    why: str
    playbook: str | UnsetType = UNSET
    task: str | UnsetType = UNSET
    result: str | UnsetType = UNSET


class CheckpointKept(TypedRecord, frozen=True, gc=False, kw_only=True, tag="fold"):
    """Vouches for the rollouts that are kept beside the journal."""

    form = "decision"
    seq: int
    """The last entry that the kept rollouts have in them."""
    hash: str
    """Of the bodies of the kept rollouts."""


class UnknownRecord(TypedRecord, frozen=True, gc=False, kw_only=True):
    """A record that this version of fleet cannot read: of a newer version's kind, or not as any fleet writes that
    kind."""

    written_as: RecordForm
    """Its form."""
    name: str
    """Its kind."""
    problem: str
