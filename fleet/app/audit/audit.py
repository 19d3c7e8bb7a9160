"""The audit of a home: its signing key, checkpoints that are signed with it, what they prove, and the export."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from fleet.app.wiring.home import DATABASE, Home
from fleet.core.records.audit import JournalExport, SignedCheckpoint
from fleet.core.records.errors import NoRoomError, ReadOnlyError, TamperedError, UsageError
from fleet.drivers.journal.log import LOG

if TYPE_CHECKING:
    from fleet.store import Store
    from fleet.store.journal.signing import PrivateKey, PublicKey
    from fleet.store.journal.tampering import JournalFinding

FOLDER = "audit"
PRIVATE = "signing-key.pem"
PUBLIC = "public-key.pem"
COPIES = "checkpoints.jsonl"
EVERY = timedelta(minutes=10)
"""A controller signs what is new at least so often."""
NO_COPY = "no copy of the checkpoint beside its key"
MISSING = "fleet audit keygen makes a key"


class HomeKeys(Struct, frozen=True):
    """Where a home keeps them."""

    private: Path
    public: Path
    copies: Path
    """Every checkpoint that was signed here, one a line: outside the database, which somebody else may write to."""


def keys_of(home: Home) -> HomeKeys:
    folder = home.path / FOLDER
    own = home.database == str(home.path / DATABASE)
    place = "" if own else f"{sha256(home.store.shown.encode()).hexdigest()[:8]}."
    return HomeKeys(folder / PRIVATE, folder / PUBLIC, folder / f"{place}{COPIES}")


def keygen(home: Home) -> tuple[HomeKeys, PublicKey, SignedCheckpoint | None]:
    """Makes a key pair, and signs with it what is in the journal already. Where only the private half is there, as
    after a kill between the two, its public half is written.

    Raises UsageError where there is a key already, since a key is never overwritten, or one that cannot be read.
    """
    from fleet.store.journal.signing import PrivateKey

    keys = keys_of(home)
    # A folder without a fleet is refused before there is a key in it.
    _ = home.store
    taken = UsageError(
        f"there is a key already: {keys.public}",
        "to begin with another one, move both files away; keep the public one, it proves the older checkpoints",
    )
    if _is_there(keys.public):
        raise taken
    # Whoever may read the home may verify it; the private key is for its owner alone.
    keys.private.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    if not _is_there(keys.private):
        with contextlib.suppress(FileExistsError):  # Somebody else makes one at this moment.
            PrivateKey.new().write(keys.private)
    key = PrivateKey.read(keys.private)
    try:
        key.public.write(keys.public)
    except FileExistsError:
        raise taken from None
    return keys, key.public, _signed(home, key, home.now())


def signing_key(home: Home) -> PrivateKey | None:
    """None in a home without one. Raises UsageError for a key of which a half is missing, cannot be read, or is no half
    of the other: nobody goes on unsigned because a file is gone."""
    keys = keys_of(home)
    if not _is_there(keys.private):
        if _is_there(keys.public):
            raise UsageError(
                f"the private half of {keys.public} is missing: {keys.private}",
                "put it back; to go on without signatures move the public one away, and keep it",
            )
        return None
    from fleet.store.journal.signing import PrivateKey

    key = PrivateKey.read(keys.private)
    if public_key(keys).id != key.public.id:
        raise UsageError(
            f"{keys.public} is not the public half of {keys.private}",
            "put the right one back from where you keep a copy: checkpoints of both keys may be in the journal",
        )
    return key


def public_key(keys: HomeKeys) -> PublicKey:
    """Raises UsageError where it is missing or cannot be read."""
    from fleet.store.journal.signing import PublicKey

    if not _is_there(keys.public):
        raise UsageError(
            f"the public half of {keys.private} is missing: {keys.public}",
            "fleet audit keygen writes it anew from the private one",
        )
    return PublicKey.read(keys.public)


def _is_there(path: Path) -> bool:
    """A link that points nowhere is: it was put there for something. Raises UsageError where one may not look."""
    try:
        path.lstat()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise UsageError(
            f"{path} cannot be looked for: {error.strerror}",
            f"chmod 755 {path.parent} lets others verify; the private key in it stays its owner's alone",
        ) from error
    return True


def checkpoint(home: Home) -> SignedCheckpoint:
    """Signs where the journal ends now. Raises UsageError without a key or an entry, TamperedError."""
    key = signing_key(home)
    if key is None:
        raise UsageError("this home has no signing key", MISSING)
    found = _signed(home, key, home.now())
    if found is None:
        raise UsageError("the journal is empty: there is nothing to sign")
    return found


def _signed(home: Home, key: PrivateKey, at: datetime) -> SignedCheckpoint | None:
    """Raises TamperedError as `Checkpoints.sign` does, and where the journal is not the one of the last copy."""
    board, copies = home.store.checkpoints, keys_of(home).copies
    _refuse_another(home, key)
    before = board.newest(key.public.id)
    found = board.sign(key, at)
    if found is not None and found != before:
        _copy(copies, found)
    return found


def _refuse_another(home: Home, key: PrivateKey) -> None:
    """Whoever may write to the database can make a whole chain anew, and take away the checkpoints that are in it: what
    was signed here last is still beside the key. Raises TamperedError."""
    copies, _ = _kept_copies(home)
    # The furthest one that this key has signed.
    last = next(filter(key.public.signed, sorted(copies, key=lambda each: -each.seq)), None)
    if last is not None and not home.store.checkpoints.agrees(last):
        raise TamperedError(
            f"the journal was tampered with: it is not signed, since entry {last.seq} is not the one that was signed",
            "fleet audit verify says where; if you brought back an older copy of the database, move "
            f"{keys_of(home).copies} away and keep it",
        )


def _copy(path: Path, signed: SignedCheckpoint) -> None:
    """One line more, on the disk, or none of it: half a line would read as one that somebody has changed."""
    line = msgspec.json.encode(signed) + b"\n"
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        end = os.fstat(descriptor).st_size
        try:
            if os.write(descriptor, line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
            os.fsync(descriptor)
        except OSError:
            os.ftruncate(descriptor, end)
            raise
    finally:
        os.close(descriptor)


def sign_end(home: Home) -> PrivateKey | None:
    """Signs where the journal ends now, if a key is here and the database can be written; answers that key. None where
    there is none, or one that is not for this user's eyes: whoever may only read takes what was signed before. What keeps
    a disk that is full from it is told.

    Raises UsageError for a key that cannot be used, TamperedError.
    """
    private = keys_of(home).private
    if _is_there(private) and not os.access(private, os.R_OK) and private.lstat().st_uid != os.geteuid():
        return None
    key = signing_key(home)
    if key is None:
        return None
    try:
        _signed(home, key, home.now())
    except ReadOnlyError:
        pass  # Whoever may only read has not been asked to write: what is not signed is found at the verification.
    except NoRoomError as error:
        home.warn(f"the end of the journal is not signed: {error.full_message}")
    except OSError as error:
        home.warn(f"{NO_COPY}: {error}")
    return key


class HomeNotary:
    """Signs for a controller: every ten minutes in which something was written, and soon after a rollout's end."""

    def __init__(self, home: Home, key: PrivateKey, now: Callable[[], datetime]) -> None:
        self._home = home
        self._key = key
        self._now = now
        self._seq = 0
        """Of the last checkpoint."""
        self._at: datetime | None = None
        """When this controller signed last."""
        self._told = False

    def look(self) -> None:
        at = self._now()
        if self._at is None or at - self._at >= EVERY or self._home.store.checkpoints.ended_since(self._seq):
            self.sign()

    def sign(self) -> None:
        """A journal that was tampered with is not signed, and none whose copies of checkpoints cannot be read: one warning,
        and the work goes on."""
        self._at = self._now()
        try:
            found = _signed(self._home, self._key, self._at)
        except (TamperedError, UsageError) as error:
            self._warn(f"{error.message}{f'; {error.hint}' if error.hint else ''}")
        except OSError as error:
            self._warn(f"{NO_COPY}: {error}")
        else:
            self._seq = found.seq if found is not None else 0

    def _warn(self, words: str) -> None:
        if not self._told:
            LOG.warning("%s", words)
        self._told = True


def notary_of(home: Home) -> HomeNotary | None:
    """None in a home without a signing key. Raises UsageError for one that cannot be read."""
    key = signing_key(home)
    return None if key is None else HomeNotary(home, key, home.clock.now)


class Audit(Struct, frozen=True):
    """What became of a check."""

    findings: tuple[JournalFinding, ...]
    entries: int
    last: str
    """Hash of the last entry; empty: there is none."""
    checkpoints: int
    """That hold."""
    proven: int
    """The last entry that one of them vouches for; 0: none."""
    signatures: bool
    """They were checked: a public key was at hand."""


def verify(home: Home, keys: Sequence[Path] = (), kept: Sequence[Path] = ()) -> Audit:
    """The journal of the database against its chain, and against all checkpoints that can be found: in the database,
    beside the key, and in the files `kept`.

    `keys`: files of public keys; none: the home's own, if there is one. Raises UsageError for a file that is not there,
    and where checkpoints were signed and no key is there to verify them.
    """
    from fleet.store.journal import proof
    from fleet.store.journal.signing import PublicKey

    public = [PublicKey.read(path) for path in keys] or own_key(home)
    store = home.store
    stored = store.checkpoints.all()
    if stored and not public:
        raise UsageError(
            f"the journal has {len(stored):,} signed checkpoints, and no public key to verify them is here: "
            f"{keys_of(home).public}",
            "name the key that was kept elsewhere: --key PUBLIC-KEY",
        )
    copies, findings = _kept_copies(home, kept)
    signed = list(dict.fromkeys([*stored, *copies]))
    if public:
        findings += proof.forged(signed, public)
        signed = [each for each in signed if proof.genuine(each, public)]
    findings += proof.lost([each for each in copies if each in signed], stored)
    broken = store.journal.verify(signed)
    findings += [*broken, *(_folds(store) if not broken else ())]
    marks, last = proof.Marks(signed), None
    for last in marks.follow(store.journal.found()):  # noqa: B007 - the last one is what is wanted
        pass
    proven = proof.reach(signed, marks) if public else 0
    if keys and not signed:
        findings.append(proof.unsigned(1, last.seq) if last is not None else proof.EMPTY)
    return Audit(
        tuple(sorted(findings, key=lambda each: each.seq)),
        store.journal.count(),
        last.hash if last is not None else "",
        len(signed),
        proven,
        bool(public),
    )


def own_key(home: Home) -> list[PublicKey]:
    """The home's public key, if it has one. Raises UsageError where that cannot be read or is missing."""
    keys = keys_of(home)
    return [public_key(keys)] if _is_there(keys.public) or _is_there(keys.private) else []


def wrong(home: Home) -> list[JournalFinding]:
    """What is wrong with the journal, as far as this home can tell: by its chain, and, where it has a key, by the
    checkpoints of that key in the database and beside it. Raises UsageError for a key that cannot be used."""
    from fleet.store.journal import proof

    own = own_key(home)
    found = [*home.store.checkpoints.all(), *_kept_copies(home)[0]] if own else []
    # An earlier key may have signed others: whoever has its public half verifies them (--key).
    mine = list(dict.fromkeys(each for each in found if each.key in [key.id for key in own]))
    genuine = [each for each in mine if proof.genuine(each, own)]
    return [*proof.forged(mine, own), *home.store.journal.verify(genuine)]


def _kept_copies(
    home: Home, elsewhere: Sequence[Path] = ()
) -> tuple[list[SignedCheckpoint], list[JournalFinding]]:
    """The checkpoints beside the key and in other files; and lines that are none."""
    beside = keys_of(home).copies
    return _copies([*([beside] if _is_there(beside) else []), *elsewhere])


def _folds(store: Store) -> Iterator[JournalFinding]:
    """What is kept of rollouts so that nobody has to read the whole journal, against the journal, which is whole."""
    from fleet.drivers.journal.checkpoints import differing
    from fleet.store.journal.tampering import JournalFinding

    yield from store.folds.findings()
    try:
        place, idents = differing(store.journal, store.folds)
    except TamperedError as error:
        yield JournalFinding(0, "unlike", error.message)
        return
    for ident in idents:
        words = f"what is kept of rollout {ident} is not what the journal tells up to entry {place}"
        yield JournalFinding(place, "unlike", words)


def _copies(paths: Sequence[Path]) -> tuple[list[SignedCheckpoint], list[JournalFinding]]:
    """Checkpoints from files with one a line; and lines that are none."""
    from fleet.store.journal.tampering import JournalFinding

    found: list[SignedCheckpoint] = []
    findings: list[JournalFinding] = []
    for path in paths:
        for number, line in _lines(path):
            try:
                found.append(msgspec.json.decode(line, type=SignedCheckpoint))
            except (msgspec.DecodeError, UnicodeDecodeError):
                findings.append(JournalFinding(0, "changed", f"{path}:{number}: this is no checkpoint"))
    return found, findings


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    return ((number, line) for number, line in enumerate(content.splitlines(), start=1) if line.strip())


def export(home: Home) -> JournalExport:
    """The whole journal with its checkpoints. Where the home has a key, and may be written, its end is signed first."""
    store = home.store
    if store.journal.last() is not None:
        sign_end(home)
    signed = store.checkpoints.all()
    return JournalExport("fleet journal", home.now(), tuple(store.journal.entries()), tuple(signed))
