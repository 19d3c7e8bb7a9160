"""All approvals and rejections of plans, and all exceptions, in the journal."""

from __future__ import annotations

from fleet.core.approval.exceptions import KINDS as EXCEPTION_KINDS
from fleet.core.approval.exceptions import Exceptions
from fleet.core.approval.ledger import KINDS, Ledger
from fleet.core.rollout.codec import from_record
from fleet.core.rollout.commands import CommandRecord
from fleet.drivers.ports import Journal


def ledger_of(journal: Journal, until: int | None = None) -> Ledger:
    """Returns the approvals and rejections up to the entry `until`; None: all of them. Records that this version of fleet
    cannot read approve nothing."""
    ledger = Ledger()
    for entry in journal.entries(kinds=KINDS):
        if until is not None and entry.seq > until:
            break
        record = from_record(entry.record)
        if entry.record.form == "command" and isinstance(record, CommandRecord):
            ledger.apply(record, entry.at, entry.actor, entry.place)
    return ledger


def exceptions_of(journal: Journal) -> Exceptions:
    """Returns all exceptions, oldest first."""
    found = Exceptions()
    found.apply(journal.entries(kinds=EXCEPTION_KINDS))
    return found
