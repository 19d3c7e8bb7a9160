"""What is done to a chain of entries is found, and named."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from fleet.core.records.journal import GENESIS, JournalEntry, JournalRecord
from fleet.lab.simulation.builders import START
from fleet.store.journal import chain
from fleet.store.journal.tampering import ChainEnd, JournalFinding


def a_chain(length: int) -> list[JournalEntry]:
    entries: list[JournalEntry] = []
    for seq in range(1, length + 1):
        record = JournalRecord("decision", "step", "r-1", f"east/n-{seq}", {"step": "drain", "number": seq})
        prev = entries[-1].hash if entries else GENESIS
        entries.append(
            hashed(JournalEntry(seq, START + timedelta(seconds=seq), "fleet@a", 1, record, prev, ""))
        )
    return entries


def hashed(entry: JournalEntry) -> JournalEntry:
    return replace(entry, hash=chain.hash_of(entry))


def end_of(entries: Sequence[JournalEntry]) -> ChainEnd:
    return ChainEnd(entries[-1].seq, entries[-1].hash, len(entries))


def findings_of(findings: Sequence[JournalFinding]) -> list[tuple[int, str]]:
    return [(finding.seq, finding.what) for finding in findings]


ENTRIES = a_chain(9)
END = end_of(ENTRIES)


def with_detail(entry: JournalEntry, **detail: object) -> JournalEntry:
    return replace(entry, record=replace(entry.record, detail=detail))


def test_intact_chain_has_no_findings() -> None:
    assert chain.verify(ENTRIES, END) == []
    assert chain.verify([], None) == []
    assert chain.verify([], ChainEnd(0, GENESIS, 0)) == []


def test_hash_can_be_recomputed_from_an_exported_entry() -> None:
    """The canonical JSON of plain text and whole numbers is what the standard library's sorted compact JSON is."""
    exported = json.loads(msgspec.json.encode(ENTRIES[4]))
    claimed = exported.pop("hash")
    text = json.dumps(exported, sort_keys=True, separators=(",", ":"))
    assert hashlib.sha256(text.encode()).hexdigest() == claimed


def test_chain_survives_its_export() -> None:
    exported = msgspec.json.encode(ENTRIES)
    assert chain.verify(msgspec.json.decode(exported, type=list[JournalEntry]), END) == []


@pytest.mark.parametrize("at", [0, 4, 8])
def test_changed_entry_is_named(at: int) -> None:
    entries = list(ENTRIES)
    entries[at] = with_detail(entries[at], step="reboot")
    assert findings_of(chain.verify(entries, END)) == [(at + 1, "changed")]


@pytest.mark.parametrize("at", [0, 4, 8])
def test_entry_that_was_changed_and_rehashed_is_named(at: int) -> None:
    entries = list(ENTRIES)
    entries[at] = hashed(with_detail(entries[at], step="reboot"))
    assert findings_of(chain.verify(entries, END)) == [(at + 1, "changed")]


def test_actor_time_and_epoch_cannot_be_changed() -> None:
    for changed in (
        replace(ENTRIES[4], actor="fleet@b"),
        replace(ENTRIES[4], at=START),
        replace(ENTRIES[4], epoch=2),
    ):
        assert findings_of(chain.verify([*ENTRIES[:4], changed, *ENTRIES[5:]], END)) == [(5, "changed")]


@pytest.mark.parametrize(("first", "last"), [(1, 1), (1, 3), (5, 5), (4, 7)])
def test_removed_entries_are_a_gap(first: int, last: int) -> None:
    entries = [*ENTRIES[: first - 1], *ENTRIES[last:]]
    assert findings_of(chain.verify(entries, END)) == [(first, "removed")]


def test_gap_that_was_closed_by_renumbering_is_found() -> None:
    entries = [*ENTRIES[:4], *(replace(entry, seq=entry.seq - 1) for entry in ENTRIES[5:])]
    assert findings_of(chain.verify(entries, END)) == [(5, "removed")]


def test_swapped_entries_are_named_once() -> None:
    entries = list(ENTRIES)
    entries[3], entries[6] = replace(ENTRIES[6], seq=4), replace(ENTRIES[3], seq=7)
    assert findings_of(chain.verify(entries, END)) == [(4, "swapped")]


def test_inserted_entry_is_found_though_it_names_its_predecessor() -> None:
    forged = hashed(with_detail(replace(ENTRIES[4], prev_hash=ENTRIES[3].hash), forged=True))
    after = [replace(entry, seq=entry.seq + 1) for entry in ENTRIES[4:]]
    assert findings_of(chain.verify([*ENTRIES[:4], forged, *after], END)) == [(5, "inserted")]


def test_entry_added_at_the_end_is_found_by_the_checkpoint() -> None:
    forged = hashed(replace(ENTRIES[-1], seq=10, prev_hash=ENTRIES[-1].hash))
    assert findings_of(chain.verify([*ENTRIES, forged], END)) == [(10, "inserted")]


@pytest.mark.parametrize("left", [0, 1, 8])
def test_truncated_end_is_found_by_the_checkpoint(left: int) -> None:
    assert chain.verify(ENTRIES[:left]) == []
    assert findings_of(chain.verify(ENTRIES[:left], END)) == [(left + 1, "truncated")]


def test_changed_checkpoint_is_found() -> None:
    assert findings_of(chain.verify(ENTRIES, replace(END, count=12))) == [(9, "changed")]


def test_several_findings_are_all_named() -> None:
    entries = [with_detail(ENTRIES[0], step="x"), *ENTRIES[1:3], *ENTRIES[4:8]]
    assert findings_of(chain.verify(entries, END)) == [(1, "changed"), (4, "removed"), (9, "truncated")]


@pytest.mark.parametrize("odd", [2**60, float("nan"), "\ud800"])
def test_entry_that_is_not_canonical_json_was_changed(odd: object) -> None:
    entries = [*ENTRIES[:4], with_detail(ENTRIES[4], odd=odd), *ENTRIES[5:]]
    assert findings_of(chain.verify(entries, END)) == [(5, "changed")]
    forged = replace(entries[4], hash="")
    assert findings_of(chain.verify([*ENTRIES[:4], forged, *ENTRIES[5:]], END)) != []


def changes(entries: list[JournalEntry], draw: st.DataObject) -> list[JournalEntry]:
    """One random thing done to a chain."""
    at = draw.draw(st.integers(0, len(entries) - 1))
    other = draw.draw(st.integers(0, len(entries) - 1).filter(lambda index: index != at))
    one, two = entries[at], entries[other]
    match draw.draw(
        st.sampled_from(["remove", "swap", "order", "detail", "rehash", "prev", "insert", "copy"])
    ):
        case "remove":
            return entries[:at] + entries[at + 1 :]
        case "swap":
            moved = {at: replace(two, seq=one.seq), other: replace(one, seq=two.seq)}
            return [moved.get(index, entry) for index, entry in enumerate(entries)]
        case "order":
            return [*entries[:at], *entries[at + 1 :], one] if at < len(entries) - 1 else entries[::-1]
        case "detail":
            return [*entries[:at], with_detail(one, x=1), *entries[at + 1 :]]
        case "rehash":
            return [*entries[:at], hashed(with_detail(one, x=1)), *entries[at + 1 :]]
        case "prev":
            return [*entries[:at], hashed(replace(one, prev_hash="f" * 64)), *entries[at + 1 :]]
        case "insert":
            return [*entries[:at], hashed(with_detail(one, x=1)), *entries[at:]]
        case _:
            return [*entries[:at], one, *entries[at:]]


@given(st.integers(2, 7), st.data())
def test_any_change_of_a_chain_is_found(length: int, data: st.DataObject) -> None:
    entries = a_chain(length)
    changed = changes(entries, data)
    findings = chain.verify(changed, end_of(entries))
    assert findings
    assert all(finding.message for finding in findings)
