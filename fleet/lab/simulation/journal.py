"""The journal of a history. It refuses records of an epoch that is not the current one, and everything while its database
is locked, full or gone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

import msgspec

from fleet.core.records.errors import StaleEpochError, StoreError
from fleet.core.records.journal import JournalEntry, JournalRecord


class SimulatedJournal:
    def __init__(self, listener: Callable[[JournalEntry], None]) -> None:
        self.entries: list[JournalEntry] = []
        self.epoch = 0
        self.closed = ""
        """Why the database refuses; empty if it works."""
        self.hides_commit = False
        """True: the next append is committed although its writer gets an error."""
        self._listener = listener

    def take_over(self) -> int:
        """Returns the epoch of a new leader. Raises StoreError."""
        if self.closed:
            raise StoreError(self.closed)
        self.epoch += 1
        return self.epoch

    def lose(self, count: int) -> None:
        """Loses the last entries: a standby becomes the primary that has not received them."""
        if count:
            del self.entries[-count:]

    def append(self, records: Sequence[JournalRecord], at: datetime, actor: str, epoch: int = 0) -> None:
        """Appends records. Epoch 0: those of a user. Raises StaleEpochError; StoreError if the database refuses, or
        seems to."""
        if self.closed:
            raise StoreError(self.closed)
        if epoch not in (0, self.epoch):
            raise StaleEpochError(f"epoch {epoch} is over, {self.epoch} leads")
        for record in records:
            plain = msgspec.convert(msgspec.to_builtins(record), JournalRecord)
            entry = JournalEntry(len(self.entries) + 1, at, actor, epoch, plain, "", "")
            self.entries.append(entry)
            self._listener(entry)
        if epoch and self.hides_commit:
            self.hides_commit = False
            raise StoreError("the connection to the database was lost")
