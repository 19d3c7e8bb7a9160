"""The signing key of a home, and the paths of its files."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from fleet.app.wiring.home import DATABASE, Home
from fleet.core.records.errors import UsageError

if TYPE_CHECKING:
    from fleet.store.journal.signing import PrivateKey, PublicKey


FOLDER = "audit"
PRIVATE = "signing-key.pem"
PUBLIC = "public-key.pem"
COPIES = "checkpoints.jsonl"


class HomeKeys(Struct, frozen=True):
    """The paths of a home's key pair, and of the copies of its checkpoints."""

    private: Path
    public: Path
    copies: Path
    """Every checkpoint that was signed here, one a line: outside the database, which others may write to."""


def keys_of(home: Home) -> HomeKeys:
    """Returns the paths of the home's keys and copies. A database outside the home's folder has copies of its own."""
    folder = home.path / FOLDER
    own = home.database == str(home.path / DATABASE)
    place = "" if own else f"{sha256(home.store.shown.encode()).hexdigest()[:8]}."
    return HomeKeys(folder / PRIVATE, folder / PUBLIC, folder / f"{place}{COPIES}")


def signing_key(home: Home) -> PrivateKey | None:
    """Returns the private key; None in a home without one.

    Raises UsageError for a key of which a half is missing, cannot be read, or does not belong to the other half: a
    missing file must not turn signing off.
    """
    keys = keys_of(home)
    if not is_there(keys.private):
        if is_there(keys.public):
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
    """Returns the public key. Raises UsageError where it is missing or cannot be read."""
    from fleet.store.journal.signing import PublicKey

    if not is_there(keys.public):
        raise UsageError(
            f"the public half of {keys.private} is missing: {keys.public}",
            "fleet audit keygen writes it again from the private one",
        )
    return PublicKey.read(keys.public)


def own_key(home: Home) -> list[PublicKey]:
    """Returns the home's public key in a list, empty where the home has none. Raises UsageError where the key cannot
    be read or a half is missing."""
    keys = keys_of(home)
    return [public_key(keys)] if is_there(keys.public) or is_there(keys.private) else []


def is_there(path: Path) -> bool:
    """Returns whether the path exists. A link that points nowhere counts as existing, since it was put there for a
    purpose. Raises UsageError where the folder may not be read."""
    try:
        path.lstat()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise UsageError(
            f"{path} cannot be checked: {error.strerror}",
            f"chmod 755 {path.parent} lets others verify; the private key in it stays its owner's alone",
        ) from error
    return True
