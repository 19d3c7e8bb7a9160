"""A journal at the worst moment: another process writes right before this one does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fleet.app.wiring.home import Home
from fleet.core.records.journal import JournalEntry, JournalRecord
from fleet.store.journal.journal import SqlJournal


class LateJournal(SqlJournal):
    """Something else happens between the check and the first append."""

    def __init__(self, home: Home, meanwhile: Callable[[], object]) -> None:
        super().__init__(home.store.database)
        self._meanwhile = [meanwhile]

    def append(self, records: Sequence[JournalRecord], **how: Any) -> list[JournalEntry]:
        while self._meanwhile:
            self._meanwhile.pop()()
        return super().append(records, **how)
