"""Verifies the journal against its checkpoints, and exports the journal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from fleet.app.audit.copies import kept_copies
from fleet.app.audit.keys import keys_of, own_key
from fleet.app.audit.signing import sign_end
from fleet.app.wiring.home import Home
from fleet.core.records.audit import JournalExport
from fleet.core.records.errors import TamperedError, UsageError

if TYPE_CHECKING:
    from fleet.store import Store
    from fleet.store.journal.tampering import JournalFinding


class Audit(Struct, frozen=True):
    """The result of a verification of the journal."""

    findings: tuple[JournalFinding, ...]
    entries: int
    last: str
    """Hash of the last entry; empty where there is none."""
    checkpoints: int
    """How many checkpoints are genuine or, without a public key, were found."""
    proven: int
    """The seq of the last entry that a checkpoint vouches for; 0: none."""
    signatures: bool
    """True if signatures were checked, which takes a public key."""


def verify(home: Home, keys: Sequence[Path] = (), kept: Sequence[Path] = ()) -> Audit:
    """Verifies the journal of the database: its chain, and its agreement with all checkpoints that can be found in the
    database, beside the key, and in the files `kept`.

    `keys`: files of public keys; with none, the home's own key is used if there is one. Raises UsageError for a file
    that does not exist, and where checkpoints were signed and there is no key to verify them.
    """
    from fleet.store.journal import proof
    from fleet.store.journal.signing import PublicKey

    public = [PublicKey.read(path) for path in keys] or own_key(home)
    store = home.store
    stored = store.checkpoints.all()
    if stored and not public:
        raise UsageError(
            f"the journal has {len(stored):,} signed checkpoints, and there is no public key to verify them: "
            f"{keys_of(home).public}",
            "give the key that was kept elsewhere: --key PUBLIC-KEY",
        )
    copies, findings = kept_copies(home, kept)
    signed = list(dict.fromkeys([*stored, *copies]))
    if public:
        findings += proof.forged(signed, public)
        signed = [checkpoint for checkpoint in signed if proof.genuine(checkpoint, public)]
    findings += proof.lost([copy for copy in copies if copy in signed], stored)
    broken = store.journal.verify(signed)
    findings += [*broken, *(_folds(store) if not broken else ())]
    marks, last = proof.Marks(signed), None
    for last in marks.follow(store.journal.found()):  # noqa: B007 - the last one is what is wanted
        pass
    proven = proof.reach(signed, marks) if public else 0
    if keys and not signed:
        findings.append(proof.unsigned(1, last.seq) if last is not None else proof.EMPTY)
    return Audit(
        tuple(sorted(findings, key=lambda finding: finding.seq)),
        store.journal.count(),
        last.hash if last is not None else "",
        len(signed),
        proven,
        bool(public),
    )


def wrong(home: Home) -> list[JournalFinding]:
    """Returns what is wrong with the journal, as far as this home can verify: its chain and, where the home has a key,
    its agreement with the checkpoints of that key in the database and beside the key. Raises UsageError for a key that
    cannot be used."""
    from fleet.store.journal import proof

    own = own_key(home)
    found = [*home.store.checkpoints.all(), *kept_copies(home)[0]] if own else []
    # An earlier key may have signed others: they are verified with its public half (--key).
    mine = list(
        dict.fromkeys(checkpoint for checkpoint in found if checkpoint.key in [key.id for key in own])
    )
    genuine = [checkpoint for checkpoint in mine if proof.genuine(checkpoint, own)]
    return [*proof.forged(mine, own), *home.store.journal.verify(genuine)]


def _folds(store: Store) -> Iterator[JournalFinding]:
    """Yields the kept checkpoints of rollouts, which spare reading the whole journal, that differ from the journal.
    The journal is known to be intact."""
    from fleet.drivers.journal.checkpoints import differing
    from fleet.store.journal.tampering import JournalFinding

    yield from store.folds.findings()
    try:
        place, idents = differing(store.journal, store.folds)
    except TamperedError as error:
        yield JournalFinding(0, "unlike", error.message)
        return
    for ident in idents:
        message = f"the checkpoint of rollout {ident} differs from the journal up to entry {place}"
        yield JournalFinding(place, "unlike", message)


def export(home: Home) -> JournalExport:
    """Returns the whole journal with its checkpoints. The end of the journal is signed first where the home has a key
    and may be written."""
    store = home.store
    if store.journal.last() is not None:
        sign_end(home)
    signed = store.checkpoints.all()
    return JournalExport("fleet journal", home.now(), tuple(store.journal.entries()), tuple(signed))
