"""Signs the end of the journal with the home's key."""

from __future__ import annotations

import contextlib
import os
from datetime import datetime
from typing import TYPE_CHECKING

from fleet.app.access.allowed import allowed
from fleet.app.audit.copies import append_copy, kept_copies
from fleet.app.audit.keys import HomeKeys, is_there, keys_of, signing_key
from fleet.app.wiring.home import Home
from fleet.core.policy.access import Role
from fleet.core.records.audit import SignedCheckpoint
from fleet.core.records.errors import NoRoomError, ReadOnlyError, TamperedError, UsageError

if TYPE_CHECKING:
    from fleet.store.journal.signing import PrivateKey, PublicKey


NO_COPY = "no copy of the checkpoint beside its key"
MISSING = "fleet audit keygen creates a key"


def keygen(home: Home) -> tuple[HomeKeys, PublicKey, SignedCheckpoint | None]:
    """Makes a key pair, and signs the existing journal with it. Where only the private half exists, as after a kill
    between the two writes, its public half is written.

    Raises UsageError where there is a key already, since a key is never overwritten, or where the key cannot be read.
    """
    from fleet.store.journal.signing import PrivateKey

    allowed(home, Role.ADMIN, "make signing keys")
    keys = keys_of(home)
    # A folder without a fleet is refused before a key is written into it.
    _ = home.store
    taken = UsageError(
        f"a key exists already: {keys.public}",
        "to create another one, move both files away; keep the public one, which proves the older checkpoints",
    )
    if is_there(keys.public):
        raise taken
    # Users who may read the home may verify the journal; the private key is for its owner alone.
    keys.private.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    if not is_there(keys.private):
        with contextlib.suppress(FileExistsError):  # Another process makes a key at this moment.
            PrivateKey.new().write(keys.private)
    key = PrivateKey.read(keys.private)
    try:
        key.public.write(keys.public)
    except FileExistsError:
        raise taken from None
    return keys, key.public, sign_journal(home, key, home.now())


def checkpoint(home: Home) -> SignedCheckpoint:
    """Signs the current end of the journal. Raises UsageError without a key or an entry, and TamperedError."""
    allowed(home, Role.ADMIN, "sign the journal")
    key = signing_key(home)
    if key is None:
        raise UsageError("this home has no signing key", MISSING)
    found = sign_journal(home, key, home.now())
    if found is None:
        raise UsageError("the journal is empty: there is nothing to sign")
    return found


def sign_journal(home: Home, key: PrivateKey, at: datetime) -> SignedCheckpoint | None:
    """Signs the end of the journal and appends a copy beside the key; None where the journal is empty. Raises
    TamperedError as `Checkpoints.sign` does, and where the journal is not the one of the last copy."""
    board, copies = home.store.checkpoints, keys_of(home).copies
    _refuse_another(home, key)
    before = board.newest(key.public.id)
    found = board.sign(key, at)
    if found is not None and found != before:
        append_copy(copies, found)
    return found


def _refuse_another(home: Home, key: PrivateKey) -> None:
    """Raises TamperedError where the last copy beside the key is not of this journal. A user who may write to the
    database can make a whole new chain and remove the checkpoints in it, but not the copies that were signed here."""
    copies, _ = kept_copies(home)
    # The latest checkpoint in the journal that this key has signed.
    last = next(filter(key.public.signed, sorted(copies, key=lambda copy: -copy.seq)), None)
    if last is not None and not home.store.checkpoints.agrees(last):
        raise TamperedError(
            f"the journal was tampered with: it is not signed, since entry {last.seq} is not the one that was signed",
            "fleet audit verify shows where; if you restored an older copy of the database, move "
            f"{keys_of(home).copies} away and keep it",
        )


def sign_end(home: Home) -> PrivateKey | None:
    """Signs the current end of the journal and returns the key that signed.

    None: the home has no key, or one that this user may not read; the earlier checkpoints then have to suffice. A full
    disk leads to a warning, and a database that may not be written is left as it is. Raises UsageError for a key that
    cannot be used, and TamperedError.
    """
    private = keys_of(home).private
    if is_there(private) and not os.access(private, os.R_OK) and private.lstat().st_uid != os.geteuid():
        return None
    key = signing_key(home)
    if key is None:
        return None
    try:
        sign_journal(home, key, home.now())
    except ReadOnlyError:
        pass  # A user who may only read did not ask for a write: the verification reports what is not signed.
    except NoRoomError as error:
        home.warn(f"the end of the journal is not signed: {error.full_message}")
    except OSError as error:
        home.warn(f"{NO_COPY}: {error}")
    return key
