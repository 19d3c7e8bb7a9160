"""Exceptions: nodes that may stay behind a release for a while, by the decision of two users. A fold over the journal's
records.

An exception changes nothing of what fleet does with the nodes. It is evidence for an auditor: who accepted the risk, why,
and until when.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from fleet.core.records.identity import Identity
from fleet.core.records.journal import JournalEntry
from fleet.core.rollout.codec import from_record
from fleet.core.rollout.commands import ExceptionGranted, ExceptionRequested, ExceptionRevoked

KINDS = ("exception", "exception-granted", "exception-revoked")
"""The kinds of the journal's records that exceptions are made of."""
LAPSING = timedelta(days=14)
"""An exception in force that lapses within this time is about to."""
ExceptionState = Literal["requested", "in force", "lapsed", "revoked"]


class PatchException(Struct, frozen=True):
    """An exception, with everything that the journal has about it."""

    id: str
    """Such as `x-1`."""
    nodes: tuple[str, ...]
    """As `cluster/name`."""
    pools: tuple[str, ...]
    version: str
    """The release. Empty: every release."""
    until: datetime
    """The moment from which it is no longer in force."""
    owner: str
    """Who answers for the nodes while they stay behind."""
    reason: str
    author: Identity
    """Who asked for it."""
    requested: datetime
    approver: Identity | None = None
    """Who has granted it: never the author. None: nobody has."""
    granted: datetime | None = None
    """It is in force from this moment on."""
    revoked: datetime | None = None
    revoked_by: Identity | None = None
    revoked_why: str = ""

    def covers(self, cluster: str, node: str, pool: str, version: str) -> bool:
        """Returns whether it is about this release on this node."""
        return (not self.version or version == self.version) and (
            pool in self.pools or f"{cluster}/{node}" in self.nodes
        )

    @property
    def span(self) -> tuple[datetime, datetime] | None:
        """Returns from when until when it is in force. None: it never was."""
        if self.granted is None:
            return None
        end = min(self.until, self.revoked) if self.revoked is not None else self.until
        return (self.granted, end) if self.granted < end else None

    def state(self, at: datetime) -> ExceptionState:
        """Returns the state at this moment."""
        if self.revoked is not None and self.revoked <= at:
            return "revoked"
        if self.until <= at:
            return "lapsed"
        return "in force" if self.granted is not None and self.granted <= at else "requested"

    def lapses_soon(self, at: datetime) -> bool:
        """Returns whether it is in force and lapses within `LAPSING`."""
        return self.state(at) == "in force" and self.until - at <= LAPSING


class ExceptionList(Struct, frozen=True):
    """All exceptions, newest first (`fleet exception list -o json`)."""

    exceptions: tuple[PatchException, ...]


class Exceptions(dict[str, PatchException]):
    """All exceptions by id, oldest first. Mutable only through `apply`, in the order of the journal."""

    def apply(self, entries: Iterable[JournalEntry]) -> None:
        """Takes in the entries of exceptions; others change nothing. A grant by the author counts for nothing."""
        for entry in entries:
            record = from_record(entry.record)
            match record:
                case ExceptionRequested():
                    self[record.id] = _requested(record, entry.at)
                case ExceptionGranted() if (known := self.get(record.id)) is not None:
                    if known.granted is None and record.by.name != known.author.name:
                        self[record.id] = replace(known, approver=record.by, granted=entry.at)
                case ExceptionRevoked() if (known := self.get(record.id)) is not None:
                    if known.revoked is None:
                        self[record.id] = replace(
                            known, revoked=entry.at, revoked_by=record.by, revoked_why=record.reason
                        )
                case _:
                    pass


def _requested(record: ExceptionRequested, at: datetime) -> PatchException:
    return PatchException(
        id=record.id,
        nodes=record.nodes,
        pools=record.pools,
        version=record.version,
        until=record.until,
        owner=record.owner,
        reason=record.reason,
        author=record.by,
        requested=at,
    )


def in_force_throughout(exceptions: Sequence[PatchException], begin: datetime, end: datetime) -> bool:
    """Returns whether at every moment of [begin, end) one of these exceptions was in force."""
    covered = begin
    for first, last in sorted(span for each in exceptions if (span := each.span) is not None):
        if first <= covered:
            covered = max(covered, last)
    return covered >= end
