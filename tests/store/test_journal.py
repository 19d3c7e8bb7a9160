"""The journal on real databases: appends, fencing, tampering by SQL, several processes, a process that is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta

import pytest

from fleet.core.records.errors import LostEntriesError, StaleEpochError, StoreError
from fleet.core.records.journal import GENESIS, JournalRecord
from fleet.lab.simulation.builders import START
from fleet.store import Store
from fleet.store.journal.tampering import JournalFinding
from tests.store.conftest import Fresh

Tamper = Callable[..., None]


def a_record(number: int, rollout: str = "r-1") -> JournalRecord:
    return JournalRecord(
        "decision", "step", rollout, f"east/n-{number}", {"number": number, "words": "é \U0001f600 /"}
    )


def filled(store: Store, count: int = 8) -> None:
    store.journal.append([a_record(number) for number in range(1, count + 1)], at=START, actor="fleet@a")


def findings_of(findings: list[JournalFinding]) -> list[tuple[int, str]]:
    return [(finding.seq, finding.what) for finding in findings]


def never(identity: str) -> bool:
    return False


def test_entries_are_read_as_they_were_appended(store: Store) -> None:
    written = store.journal.append([a_record(1), a_record(2)], at=START, actor="ann@a")
    written += store.journal.append([a_record(3)], at=START + timedelta(microseconds=5), actor="bob@b")
    assert list(store.journal.entries()) == written
    assert [entry.seq for entry in written] == [1, 2, 3]
    assert written[0].prev_hash == GENESIS
    assert [entry.prev_hash for entry in written[1:]] == [entry.hash for entry in written[:2]]
    assert all(entry.at.utcoffset() == timedelta() for entry in store.journal.entries())
    assert store.journal.last() == written[-1]
    assert store.journal.count() == 3
    assert store.journal.verify() == []


def test_empty_journal_has_no_findings(store: Store) -> None:
    assert store.journal.append([], at=START, actor="ann@a") == []
    assert store.journal.last() is None
    assert store.journal.checkpoint() is None
    assert store.journal.verify() == []


def test_entries_are_found_by_rollout_node_and_position(store: Store) -> None:
    records = [a_record(number, f"r-{number % 2}") for number in range(2500)]
    store.journal.append(records, at=START, actor="fleet@a")
    entries = store.journal.entries
    assert [entry.seq for entry in entries()] == list(range(1, 2501))
    assert sum(1 for _ in entries(rollout="r-1")) == 1250
    assert [entry.seq for entry in entries(node="east/n-7")] == [8]
    assert [entry.seq for entry in entries(after=2498)] == [2499, 2500]
    assert [entry.seq for entry in entries(rollout="r-1", after=10, limit=2)] == [12, 14]
    assert sum(1 for _ in entries(limit=1500)) == 1500
    assert list(entries(limit=0)) == []
    (command,) = store.journal.append(
        [JournalRecord(form="command", kind="pause", rollout="r-1")], at=START, actor="ann@a"
    )
    assert list(entries(kinds=("pause", "abort"))) == [command]
    assert [entry.seq for entry in entries(kinds=(records[0].kind,), after=2498)] == [2499, 2500]


def test_failed_append_leaves_nothing(store: Store) -> None:
    filled(store, 2)
    with pytest.raises(ValueError, match="9007199254740993"):
        store.journal.append(
            [a_record(3), JournalRecord("decision", "step", detail={"big": 2**53 + 1})],
            at=START,
            actor="fleet@a",
        )
    assert store.journal.count() == 2
    assert store.journal.verify() == []


def test_naive_time_is_an_error(store: Store) -> None:
    with pytest.raises(ValueError, match="time zone"):
        store.journal.append([a_record(1)], at=START.replace(tzinfo=None), actor="fleet@a")


def test_controller_that_no_longer_leads_cannot_append(store: Store) -> None:
    first = store.lease.acquire("fleet@a/1/1", at=START, seconds=15, abandoned=never)
    store.journal.append([a_record(1)], at=START, actor="fleet@a/1/1", epoch=first.epoch)
    later = START + timedelta(seconds=16)
    second = store.lease.acquire("fleet@b/1/1", at=later, seconds=15, abandoned=never)
    with pytest.raises(StaleEpochError, match="epoch is 1, the lease is at 2"):
        store.journal.append([a_record(2)], at=later, actor="fleet@a/1/1", epoch=first.epoch)
    store.journal.append([a_record(3)], at=later, actor="fleet@b/1/1", epoch=second.epoch)
    store.journal.append([a_record(4)], at=later, actor="ann@c")
    assert [entry.epoch for entry in store.journal.entries()] == [1, 2, 0]


def test_writer_whose_entries_are_lost_cannot_append(store: Store, fresh: Fresh) -> None:
    """Another database has the journal up to an earlier entry, and went on in another way: a promoted standby, or an old
    primary that came back."""
    with Store.open(fresh(), create=False) as other:
        for each in (store, other):
            each.journal.append([a_record(1)], at=START, actor="fleet@a")
        place = store.journal.append([a_record(2)], at=START, actor="fleet@a")[-1].place
        with pytest.raises(LostEntriesError):
            other.journal.append([a_record(3)], at=START, actor="fleet@a", after=place)
        other.journal.append([a_record(3)], at=START, actor="fleet@b")
        with pytest.raises(LostEntriesError):
            other.journal.append([a_record(3)], at=START, actor="fleet@a", after=place)
        assert other.journal.count() == 2
        store.journal.append([a_record(3)], at=START, actor="fleet@a", after=place)


def test_epoch_of_another_holder_cannot_append(store: Store) -> None:
    """A database that has lost a take-over gives its epoch to the next holder too."""
    held = store.lease.acquire("fleet@b/1/1", at=START, seconds=15, abandoned=never)
    with pytest.raises(StaleEpochError, match="fleet@b"):
        store.journal.append([a_record(1)], at=START, actor="fleet@a/1/1", epoch=held.epoch)
    assert store.journal.count() == 0


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        (["UPDATE journal SET detail = '{\"number\":99}' WHERE seq = 4"], [(4, "changed")]),
        (["UPDATE journal SET actor = 'eve@x' WHERE seq = 1"], [(1, "changed")]),
        (["UPDATE journal SET detail = 'not json' WHERE seq = 4"], [(4, "changed")]),
        ([f"UPDATE journal SET hash = '{'f' * 64}' WHERE seq = 8"], [(8, "changed"), (8, "changed")]),
        (["DELETE FROM journal WHERE seq BETWEEN 3 AND 4"], [(3, "removed")]),
        (
            [
                "UPDATE journal SET seq = 100 WHERE seq = 3",
                "UPDATE journal SET seq = 3 WHERE seq = 6",
                "UPDATE journal SET seq = 6 WHERE seq = 100",
            ],
            [(3, "swapped")],
        ),
        (
            [
                "INSERT INTO journal SELECT 9, at, actor, epoch, form, kind, rollout, node, detail, hash, "
                f"'{'e' * 64}' FROM journal WHERE seq = 8"
            ],
            [(9, "inserted")],
        ),
        (["DELETE FROM journal WHERE seq > 6"], [(7, "truncated")]),
        (["DELETE FROM journal"], [(1, "truncated")]),
        (["DELETE FROM checkpoint"], [(0, "removed")]),
        (["UPDATE checkpoint SET count = 7"], [(8, "changed")]),
    ],
)
def test_changes_of_the_table_are_found(
    store: Store, tamper: Tamper, statements: list[str], expected: list[tuple[int, str]]
) -> None:
    filled(store)
    tamper(*statements)
    assert findings_of(store.journal.verify()) == expected


def test_truncated_end_stays_visible_when_the_journal_continues(store: Store, tamper: Tamper) -> None:
    filled(store)
    tamper("DELETE FROM journal WHERE seq > 6")
    assert store.journal.append([a_record(9)], at=START, actor="fleet@a")[0].seq == 9
    assert findings_of(store.journal.verify()) == [(7, "removed")]


def test_unreadable_entry_is_reported(store: Store, tamper: Tamper) -> None:
    filled(store)
    tamper("UPDATE journal SET detail = '[]' WHERE seq = 4")
    with pytest.raises(StoreError, match="entry 4 of the journal cannot be read"):
        list(store.journal.entries())


APPENDING = """
import sys
from datetime import UTC, datetime
from fleet.core.records.journal import JournalRecord
from fleet.store import Store

place, actor, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
at = datetime(2026, 11, 2, 9, tzinfo=UTC)
with Store.open(place, create=False) as store:
    for number in range(count):
        store.journal.append([JournalRecord("decision", "step", detail={"n": number})] * 2, at=at, actor=actor)
        print(number, flush=True)
"""


def appending(place: str, actor: str, count: int) -> subprocess.Popen[str]:
    arguments = [sys.executable, "-c", APPENDING, place, actor, str(count)]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)


def test_two_processes_that_append_concurrently_keep_one_chain(place: str) -> None:
    processes = [appending(place, actor, 100) for actor in ("fleet@a", "fleet@b")]
    for process in processes:
        process.communicate(timeout=60)
        assert process.returncode == 0
    with Store.open(place, create=False) as store:
        assert store.journal.count() == 400
        assert store.journal.verify() == []
        entries = list(store.journal.entries())
    assert all(one.actor == two.actor for one, two in zip(entries[::2], entries[1::2], strict=True))


def test_killed_process_leaves_an_intact_chain_with_every_acknowledged_entry(place: str) -> None:
    for attempt in range(1, 4):
        process = appending(place, "fleet@a", 1_000_000)
        assert process.stdout is not None
        told_of = 0
        for _ in range(20 * attempt):
            process.stdout.readline()
            told_of += 1
        os.kill(process.pid, signal.SIGKILL)
        told_of += len(process.stdout.readlines())
        process.stdout.close()
        process.wait(timeout=60)
        with Store.open(place, create=False) as store:
            assert store.journal.verify() == []
            count = store.journal.count()
            assert count % 2 == 0
            assert count >= 2 * told_of
