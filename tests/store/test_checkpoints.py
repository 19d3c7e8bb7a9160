"""Signed checkpoints: what a chain alone cannot show, a cut end and a chain written anew, shows through them."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from fleet.core.records.audit import SignedCheckpoint
from fleet.core.records.errors import TamperedError, UsageError
from fleet.core.records.journal import GENESIS, JournalEntry, JournalRecord
from fleet.lab.simulation.builders import START
from fleet.store import Store
from fleet.store.journal import chain, proof
from fleet.store.journal.signing import PrivateKey, PublicKey
from fleet.store.journal.tampering import JournalFinding
from tests.store.raw import raw, rows

Tamper = Callable[..., None]


@pytest.fixture(scope="module")
def key() -> PrivateKey:
    return PrivateKey.new()


def appended(store: Store, first: int, last: int, minutes: int = 0) -> None:
    records = [
        JournalRecord("decision", "step", "r-1", f"east/n-{number}", {"number": number})
        for number in range(first, last + 1)
    ]
    store.journal.append(records, at=START + timedelta(minutes=minutes), actor="fleet@a")


def signed(store: Store, key: PrivateKey, minutes: int = 0) -> SignedCheckpoint:
    found = store.checkpoints.sign(key, START + timedelta(minutes=minutes))
    assert found is not None
    return found


def written_anew(place: str, first: int, **changes: str) -> None:
    """What a user with write access to the database can do: rewrite the chain from `first` on, and its end, with new
    hashes."""
    with Store.open(place, create=False) as store:
        entries = list(store.journal.entries())
    prev = entries[first - 2].hash if first > 1 else GENESIS
    forged: list[JournalEntry] = []
    for entry in entries[first - 1 :]:
        changed = replace(entry, prev_hash=prev, **changes)
        prev = chain.hash_of(changed)
        forged.append(replace(changed, hash=prev))
    with closing(raw(place)) as connection:
        cursor = connection.cursor()
        for entry in forged:
            cursor.execute(
                f"UPDATE journal SET actor = '{entry.actor}', prev_hash = '{entry.prev_hash}', "
                f"hash = '{entry.hash}' WHERE seq = {entry.seq}"
            )
        cursor.execute(f"UPDATE checkpoint SET hash = '{prev}'")
        connection.commit()


def findings_of(findings: list[JournalFinding]) -> list[tuple[int, str]]:
    return [(finding.seq, finding.what) for finding in findings]


def test_checkpoint_is_signed_once_and_stored(store: Store, key: PrivateKey) -> None:
    assert store.checkpoints.sign(key, START) is None
    appended(store, 1, 4)
    first = signed(store, key)
    assert signed(store, key, 5) == first
    appended(store, 5, 6)
    second = signed(store, key, 9)
    assert (first.seq, first.count, second.seq, second.count) == (4, 4, 6, 6)
    assert second.hash == list(store.journal.entries())[-1].hash
    assert store.checkpoints.all() == [first, second]
    assert store.checkpoints.newest() == second
    assert proof.genuine(second, [key.public])
    assert store.journal.verify([first, second]) == []


def test_any_change_of_a_checkpoint_breaks_its_signature(key: PrivateKey) -> None:
    genuine = key.sign(7, "a" * 64, 7, START)
    for changed in (
        replace(genuine, seq=8),
        replace(genuine, hash="b" * 64),
        replace(genuine, count=8),
        replace(genuine, at=START + timedelta(microseconds=1)),
        replace(genuine, signature=genuine.signature[::-1]),
        replace(genuine, signature=""),
        replace(genuine, seq=2**60),
    ):
        assert not proof.genuine(changed, [key.public])
        assert [each.what for each in proof.forged([changed], [key.public])] == ["forged"]
    assert list(proof.forged([genuine], [key.public])) == []


def test_checkpoint_of_another_key_is_named_with_it(key: PrivateKey) -> None:
    stranger = PrivateKey.new()
    (finding,) = proof.forged([stranger.sign(7, "a" * 64, 7, START)], [key.public])
    assert (finding.seq, finding.what) == (7, "forged")
    assert stranger.public.id in finding.message
    # Nor does it help to claim the other key.
    claimed = replace(stranger.sign(7, "a" * 64, 7, START), key=key.public.id)
    assert not proof.genuine(claimed, [key.public])


@pytest.mark.parametrize("left", [0, 1, 5])
def test_end_truncated_with_its_checkpoint_is_found(
    store: Store, key: PrivateKey, tamper: Tamper, left: int
) -> None:
    appended(store, 1, 8)
    kept = signed(store, key)
    end = rows_of_end(left)
    tamper(f"DELETE FROM journal WHERE seq > {left}", *end)
    assert store.journal.verify() == [] or left == 0
    assert (left + 1, "truncated") in findings_of(store.journal.verify([kept]))


def rows_of_end(left: int) -> list[str]:
    """The unsigned checkpoint, made to fit."""
    if not left:
        return ["DELETE FROM checkpoint"]
    hashed = f"(SELECT hash FROM journal WHERE seq = {left})"
    return [f"UPDATE checkpoint SET seq = {left}, count = {left}, hash = {hashed}"]


@pytest.mark.parametrize(("first", "found"), [(1, 1), (3, 1), (5, 5), (8, 5)])
def test_rewritten_chain_is_found_between_two_checkpoints(
    store: Store, place: str, key: PrivateKey, first: int, found: int
) -> None:
    appended(store, 1, 4)
    one = signed(store, key)
    appended(store, 5, 8, minutes=1)
    two = signed(store, key, 1)
    written_anew(place, first, actor="nobody@b")
    assert store.journal.verify() == [], "the chain alone shows nothing"
    assert findings_of(store.journal.verify([one, two])) == [(found, "rewritten")]


def test_end_that_was_truncated_and_grown_again_is_found(
    store: Store, key: PrivateKey, tamper: Tamper
) -> None:
    appended(store, 1, 8)
    kept = signed(store, key)
    tamper("DELETE FROM journal WHERE seq > 6", *rows_of_end(6))
    appended(store, 107, 120, minutes=3)
    assert store.journal.verify() == []
    assert findings_of(store.journal.verify([kept])) == [(1, "rewritten")]


def test_tampered_journal_is_not_signed(store: Store, place: str, key: PrivateKey, tamper: Tamper) -> None:
    appended(store, 1, 4)
    signed(store, key)
    appended(store, 5, 8)
    written_anew(place, 2, actor="nobody@b")
    with pytest.raises(TamperedError, match="was tampered with: it is not signed"):
        store.checkpoints.sign(key, START)
    with pytest.raises(TamperedError, match="was tampered with"):
        tamper("UPDATE journal SET actor = 'x' WHERE seq = 2")
        store.checkpoints.sign(PrivateKey.new(), START)
    assert [each.seq for each in store.checkpoints.all()] == [4]


def test_checkpoint_that_the_key_never_signed_is_not_trusted(
    store: Store, key: PrivateKey, tamper: Tamper
) -> None:
    appended(store, 1, 4)
    signed(store, key)
    tamper("UPDATE signed_checkpoint SET signature = 'AAAA'")
    with pytest.raises(TamperedError):
        store.checkpoints.sign(key, START)
    appended(store, 5, 6)
    with pytest.raises(TamperedError):
        store.checkpoints.sign(key, START)


@pytest.mark.parametrize(
    "what", ["seq = 'x'", "at = 'x'", "hash = x'ff'", "signature = x'ff'", "count = 'x'"]
)
def test_unreadable_checkpoint_counts_as_unsigned(tmp_path: Path, key: PrivateKey, what: str) -> None:
    """A controller continues and does not sign; the verification reports it."""
    with Store.open(tmp_path / "fleet.db") as store:
        appended(store, 1, 4)
        signed(store, key)
        with closing(raw(str(tmp_path / "fleet.db"))) as connection:
            connection.execute(f"UPDATE signed_checkpoint SET {what}")
            connection.commit()
        assert [each.what for each in proof.forged(store.checkpoints.all(), [key.public])] == ["forged"]
        with pytest.raises(TamperedError):
            store.checkpoints.sign(key, START)


def test_finding_is_reported_once(store: Store, key: PrivateKey, tamper: Tamper) -> None:
    appended(store, 1, 8)
    kept = signed(store, key)
    tamper("DELETE FROM journal WHERE seq > 5")
    assert findings_of(store.journal.verify([kept])) == [(6, "truncated")]


def test_end_of_a_rollout_is_reported_until_it_is_signed(store: Store, key: PrivateKey) -> None:
    appended(store, 1, 2)
    assert not store.checkpoints.ended_since(0)
    store.journal.append([JournalRecord("decision", "finish", "r-1")], at=START, actor="fleet@a")
    assert store.checkpoints.ended_since(2)
    assert not store.checkpoints.ended_since(signed(store, key).seq)


def test_keys_are_read_from_their_files_and_the_private_key_is_private(tmp_path: Path) -> None:
    key = PrivateKey.new()
    key.write(tmp_path / "key")
    (tmp_path / "key.pub").write_text(key.public.pem)
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    again = PrivateKey.read(tmp_path / "key")
    assert PublicKey.read(tmp_path / "key.pub").signed(again.sign(1, "a" * 64, 1, START))
    with pytest.raises(FileExistsError):
        PrivateKey.new().write(tmp_path / "key")
    assert PrivateKey.read(tmp_path / "key").public.id == key.public.id


@pytest.mark.parametrize(("mode", "refused"), [(0o600, False), (0o400, False), (0o604, True), (0o602, True)])
def test_private_key_that_others_may_access_signs_nothing(
    tmp_path: Path, mode: int, *, refused: bool
) -> None:
    path = tmp_path / "key.pem"
    PrivateKey.new().write(path)
    path.chmod(mode)
    if refused:
        with pytest.raises(UsageError, match="others can"):
            PrivateKey.read(path)
    else:
        PrivateKey.read(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give a file to another group")
def test_private_key_may_be_read_by_the_process_own_group_alone(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    PrivateKey.new().write(path)
    path.chmod(0o640)
    PrivateKey.read(path)
    os.chown(path, -1, os.getegid() + 1)
    with pytest.raises(UsageError, match="others can"):
        PrivateKey.read(path)


@pytest.mark.parametrize(
    "content", [b"", b"hello", b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", b"\xff\x00"]
)
def test_invalid_key_is_refused_with_a_message(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    for read in (PublicKey.read, PrivateKey.read):
        with pytest.raises(UsageError, match="has no"):
            read(path)
        with pytest.raises(UsageError, match="cannot be read"):
            read(tmp_path / "none")


def test_entry_has_one_checkpoint(store: Store, place: str, key: PrivateKey) -> None:
    appended(store, 1, 2)
    signed(store, key)
    signed(store, PrivateKey.new())
    assert rows(place, "SELECT count(*) FROM signed_checkpoint") == [(2,)]
