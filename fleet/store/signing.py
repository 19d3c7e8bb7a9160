"""Ed25519 keys that sign checkpoints of the journal, and their files: PEM, as other programs read and write them."""

from __future__ import annotations

import os
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from datetime import datetime
from hashlib import sha256
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from msgspec.structs import asdict, replace

from fleet.core.audit import SignedCheckpoint
from fleet.core.errors import UsageError
from fleet.store import chain

PURPOSE = b"fleet checkpoint v1\n"
"""Before what is signed, so that a signature for anything else is none for this."""
LARGEST = 64 * 1024
"""Bytes of a key's file that are read at most."""


class PublicKey:
    def __init__(self, key: Ed25519PublicKey) -> None:
        self._key = key
        self.id = sha256(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).hexdigest()[:16]

    @classmethod
    def read(cls, path: Path) -> PublicKey:
        """Raises UsageError where the file is missing or holds no Ed25519 public key."""
        try:
            key = load_pem_public_key(_content(path))
        except (ValueError, UnsupportedAlgorithm) as error:
            raise UsageError(
                f"{path} holds no public key (PEM)", "fleet audit keygen writes one beside the private key"
            ) from error
        if not isinstance(key, Ed25519PublicKey):
            raise UsageError(f"{path} holds a key of another kind than Ed25519")
        return cls(key)

    @property
    def pem(self) -> str:
        return self._key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii")

    def signed(self, checkpoint: SignedCheckpoint) -> bool:
        """This very checkpoint was signed with the private half."""
        try:
            signature = b64decode(checkpoint.signature, validate=True)
            self._key.verify(signature, message(checkpoint))
        except (InvalidSignature, Base64Error, ValueError):
            return False
        return True


class PrivateKey:
    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public = PublicKey(key.public_key())

    @classmethod
    def new(cls) -> PrivateKey:
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def read(cls, path: Path) -> PrivateKey:
        """Raises UsageError where the file is missing or holds no Ed25519 private key without a password."""
        try:
            key = load_pem_private_key(_content(path), password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            # The library's words may quote what it has read.
            raise UsageError(f"{path} holds no private key (PEM, without a password)") from None
        if not isinstance(key, Ed25519PrivateKey):
            raise UsageError(f"{path} holds a key of another kind than Ed25519")
        return cls(key)

    def write(self, path: Path) -> None:
        """A new file that only its owner may read. Raises FileExistsError rather than overwrite one."""
        pem = self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            # The umask may have taken away even the owner's rights.
            os.fchmod(descriptor, 0o600)
            file.write(pem)
            file.flush()
            os.fsync(descriptor)

    def sign(self, seq: int, hashed: str, count: int, at: datetime) -> SignedCheckpoint:
        bare = SignedCheckpoint(seq, hashed, count, at, self.public.id, "")
        return replace(bare, signature=b64encode(self._key.sign(message(bare))).decode("ascii"))


def message(checkpoint: SignedCheckpoint) -> bytes:
    """What is signed. Raises ValueError for numbers that JSON cannot say exactly."""
    fields = asdict(checkpoint)
    del fields["signature"]
    return PURPOSE + chain.canonical(fields)


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(LARGEST)
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read: {error.strerror}", "fleet audit keygen makes a key"
        ) from error
