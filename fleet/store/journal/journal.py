"""The journal's table: entries are appended, read and verified, and never changed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec.structs import replace

from fleet.core.objects.node import NodeRef
from fleet.core.records.audit import SignedCheckpoint
from fleet.core.records.errors import JournalMovedError, LostEntriesError, StaleEpochError, StoreError
from fleet.core.records.journal import GENESIS, JournalEntry, JournalRecord, seq_of
from fleet.store.db.database import TAMPERED, Row, SqlDatabase, Transaction, in_utc, is_row, moment
from fleet.store.journal import chain, lease
from fleet.store.journal.proof import Marks, broken
from fleet.store.journal.tampering import ChainEnd, JournalFinding

COLUMNS = "seq, at, actor, epoch, form, kind, rollout, node, detail, prev_hash, hash"
TYPES = (int, (str, datetime), str, int, str, str, str, str, str, str, str)
"""The types of the COLUMNS."""
PAGE = 1000


class SqlJournal:
    def __init__(self, database: SqlDatabase) -> None:
        self._database = database

    def append(
        self,
        records: Sequence[JournalRecord],
        *,
        at: datetime,
        actor: str,
        epoch: int = 0,
        last: int | None = None,
        after: str = "",
    ) -> list[JournalEntry]:
        """Appends all of the records, in one transaction, or none. The records are on the disk when the call returns.

        `last` is the seq of the newest entry that the writer has seen; `after` is the place of an entry that the
        journal must have. Raises JournalMovedError where there is a newer one than `last`, LostEntriesError where
        there is none at `after`, StaleEpochError where `epoch` is not 0 and the lease has another epoch or holder,
        StoreError as any writer does, and ValueError for a detail that JSON cannot express.
        """
        if not records:
            return []
        with self._database.write(lease.LOCK) as transaction:
            fence(transaction, epoch, actor)
            if after and not _has(transaction, after):
                raise LostEntriesError(
                    f"the journal no longer has entry {after.partition(':')[0]}, which was written: the database is an "
                    "older copy, or a standby that had not received the entry when it became the primary",
                    "nothing is done in a cluster that has seen such an entry until fleet cluster accept CLUSTER",
                )
            if last is not None and (seq := _end(transaction).seq) != last:
                raise JournalMovedError(f"the journal is at entry {seq}, not at {last}")
            return append_in(transaction, self._database.bind, records, in_utc(at), actor, epoch)

    def entries(
        self,
        *,
        rollout: str | None = None,
        node: str | None = None,
        kinds: Collection[str] = (),
        after: int = 0,
        limit: int | None = None,
    ) -> Iterator[JournalEntry]:
        """Yields entries in the order in which they were written. `node` is `cluster/name`; `after` is a `seq`; empty
        `kinds` mean all kinds.

        The entries are read in pages, so entries that are appended meanwhile are yielded too.
        """
        terms = [("rollout = ?", rollout), ("node = ?", node)]
        conditions = [(term, value) for term, value in terms if value is not None]
        chosen = [f"kind IN ({', '.join('?' * len(kinds))})"] if kinds else []
        where = " AND ".join(["seq > ?", *(term for term, _ in conditions), *chosen])
        sql = f"SELECT {COLUMNS} FROM journal WHERE {where} ORDER BY seq LIMIT ?"  # noqa: S608
        left = limit
        while left is None or left > 0:
            size = PAGE if left is None else min(PAGE, left)
            with self._database.read() as transaction:
                rows = transaction.all(sql, [after, *(value for _, value in conditions), *kinds, size])
            for row in rows:
                yield entry_of(row)
            if len(rows) < size:
                return
            after = rows[-1][0]
            left = None if left is None else left - len(rows)

    def found(self) -> Iterator[JournalEntry]:
        """Yields all rows of one moment. A row that fleet cannot have written is yielded with a wrong hash."""
        with self._database.read() as transaction:
            yield from as_found(transaction)

    def last(self) -> JournalEntry | None:
        with self._database.read() as transaction:
            row = transaction.one(f"SELECT {COLUMNS} FROM journal ORDER BY seq DESC LIMIT 1")  # noqa: S608
        return None if row is None else entry_of(row)

    def place(self) -> str:
        """Returns the place of the newest entry (`JournalEntry.place`); empty before the first."""
        last = self.last()
        return "" if last is None else last.place

    def knows(self, place: str, cluster: str) -> bool:
        """Returns whether the journal has that entry, or an operator has accepted for that cluster that the entry is
        missing (command `accept`)."""
        with self._database.read() as transaction:
            if _has(transaction, place):
                return True
            accepted = transaction.all(
                "SELECT detail FROM journal WHERE form = 'command' AND kind = 'accept'"
            )
        details = [msgspec.json.decode(detail) for (detail,) in accepted]
        return (cluster, place) in [(detail.get("cluster"), detail.get("place")) for detail in details]

    def count(self) -> int:
        with self._database.read() as transaction:
            row = transaction.one("SELECT count(*) FROM journal")
        return 0 if row is None else int(row[0])

    def checkpoint(self) -> ChainEnd | None:
        """Returns where the chain ended after the last append; None before the first entry."""
        with self._database.read() as transaction:
            return stored_checkpoint(transaction)

    def verify(self, signed: Collection[SignedCheckpoint] = ()) -> list[JournalFinding]:
        """Returns what is wrong with the chain; empty: nothing is. Reads the whole journal as of one moment.

        `signed`: genuine checkpoints that the chain must still agree with.
        """
        marks = Marks(signed)
        with self._database.read() as transaction:
            checkpoint = stored_checkpoint(transaction)
            whole = chain.sound(marks.follow(as_found(transaction)), checkpoint)
            if whole and (checkpoint or not marks.last):
                return broken(signed, marks)
            marks = Marks(signed)
            findings = chain.verify(marks.follow(as_found(transaction)), checkpoint)
            if checkpoint is None:
                findings.append(JournalFinding(0, "removed", "the journal's checkpoint is missing"))
            reported = {(finding.seq, finding.what) for finding in findings}
            return findings + [
                finding for finding in broken(signed, marks) if (finding.seq, finding.what) not in reported
            ]


def append_in(
    transaction: Transaction,
    bind: Callable[[datetime], Any],
    records: Sequence[JournalRecord],
    at: datetime,
    actor: str,
    epoch: int,
) -> list[JournalEntry]:
    """Appends records within a transaction that was begun under the lease's lock and has passed `fence`. `bind`
    converts a time to the database's form."""
    end = _end(transaction)
    entries: list[JournalEntry] = []
    for number, record in enumerate(records, start=1):
        prev = entries[-1].hash if entries else end.hash
        entry = JournalEntry(end.seq + number, at, actor, epoch, record, prev, "")
        entries.append(replace(entry, hash=chain.hash_of(entry)))
    bound = bind(at)
    transaction.many(
        f"INSERT INTO journal ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
        [_row(entry, bound) for entry in entries],
    )
    _checkpoint(transaction, entries[-1], end.count + len(entries))
    return entries


def fence(transaction: Transaction, epoch: int, holder: str = "") -> None:
    """Raises StaleEpochError where `epoch` is not 0 and the lease has another epoch, or another holder than `holder`
    (empty: any). A database that has lost its last commits may give the same epoch to two holders."""
    current = lease.stored(transaction)
    if epoch not in (0, current.epoch) or (epoch and holder and holder != current.holder):
        raise StaleEpochError(
            f"this controller no longer leads: its epoch is {epoch}, the lease is at {current.epoch}"
            + (f", held by {current.holder}" if current.holder else ""),
            "another controller has taken over; this one stops",
        )


def _has(transaction: Transaction, place: str) -> bool:
    """Returns whether the journal has the entry at that place (`JournalEntry.place`)."""
    begun = place.partition(":")[2]
    row = transaction.one("SELECT hash FROM journal WHERE seq = ?", [seq_of(place)])
    return row is not None and bool(begun) and str(row[0]).startswith(begun)


def _end(transaction: Transaction) -> ChainEnd:
    """Returns the end after which to append: that of the checkpoint even if rows before it were removed, so that the
    gap stays visible."""
    stored = stored_checkpoint(transaction)
    row = transaction.one("SELECT seq, hash FROM journal ORDER BY seq DESC LIMIT 1")
    seq, last = (0, GENESIS) if row is None else row
    if not isinstance(seq, int) or not isinstance(last, str):
        raise StoreError(
            f"entry {seq!r} of the journal cannot be read: fleet does not write such rows", TAMPERED
        )
    if stored is None:
        return ChainEnd(seq, last, seq)
    return ChainEnd(max(seq, stored.seq), stored.hash, stored.count)


def stored_checkpoint(transaction: Transaction) -> ChainEnd | None:
    row = transaction.one("SELECT seq, hash, count FROM checkpoint WHERE id = 1")
    if row is not None and not is_row(row, (int, str, int)):
        raise StoreError(f"the journal's checkpoint cannot be read: {row!r}", TAMPERED)
    return None if row is None else ChainEnd(*row)


def _checkpoint(transaction: Transaction, last: JournalEntry, count: int) -> None:
    transaction.run(
        "INSERT INTO checkpoint (id, seq, hash, count) VALUES (1, ?, ?, ?) "
        "ON CONFLICT (id) DO UPDATE SET seq = excluded.seq, hash = excluded.hash, count = excluded.count",
        [last.seq, last.hash, count],
    )


def as_found(transaction: Transaction, after: int = -(2**63)) -> Iterator[JournalEntry]:
    """Yields the entries after that `seq`; a row that was made unreadable is yielded as an entry with a wrong hash."""
    sql = f"SELECT {COLUMNS} FROM journal WHERE seq > ? ORDER BY seq LIMIT {PAGE}"  # noqa: S608
    while True:
        rows = transaction.all(sql, [after])
        for row in rows:
            try:
                yield entry_of(row)
            except StoreError:
                yield _unreadable(row)
        if len(rows) < PAGE:
            return
        after = rows[-1][0]


def _row(entry: JournalEntry, at: Any) -> Row:
    record = entry.record
    detail = chain.canonical(record.detail).decode()
    columns = (record.form, record.kind, record.rollout, record.node, detail)
    return (entry.seq, at, entry.actor, entry.epoch, *columns, entry.prev_hash, entry.hash)


def entry_of(row: Row) -> JournalEntry:
    """Returns a row as an entry. `row` has the values of COLUMNS. Raises StoreError for a row that fleet cannot have
    written."""
    seq, at, actor, epoch, form, kind, rollout, node, detail, prev_hash, hashed = row
    if not is_row(row, TYPES):
        raise StoreError(
            f"entry {seq!r} of the journal cannot be read: fleet does not write such rows", TAMPERED
        )
    try:
        if node:
            NodeRef.parse(node)
        record = JournalRecord(form, kind, rollout, node, msgspec.json.decode(detail, type=dict[str, Any]))
        return JournalEntry(seq, moment(at), actor, epoch, record, prev_hash, hashed)
    except (ValueError, TypeError) as error:
        raise StoreError(
            f"entry {seq} of the journal cannot be read: {error}", "fleet audit verify"
        ) from error


def _unreadable(row: Row) -> JournalEntry:
    record = JournalRecord("decision", "unreadable", detail={"row": [str(value) for value in row]})
    seq = row[0] if isinstance(row[0], int) else 0
    return JournalEntry(seq, datetime.min.replace(tzinfo=UTC), "", 0, record, str(row[9]), str(row[10]))
