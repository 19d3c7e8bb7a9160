"""Ed25519 keys that sign checkpoints of the journal, and their files: PEM, as other programs read and write them."""

from __future__ import annotations

import os
import stat
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

import jwt
import msgspec
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

from fleet.core.records.audit import Signature, SignedCheckpoint
from fleet.core.records.errors import UsageError
from fleet.core.reporting.period.period_report import PeriodReport
from fleet.core.reporting.report import Report
from fleet.store.journal import chain
from fleet.system.files import beside

PURPOSE = b"fleet checkpoint v1\n"
"""A prefix of the signed message, so that a signature for another purpose is never valid for a checkpoint."""
REPORT_PURPOSE = b"fleet report v1\n"
PAGE_PURPOSE = b"fleet page v1\n"
SignedReport = TypeVar("SignedReport", Report, PeriodReport)
LARGEST = 64 * 1024
"""The most bytes of a key file that are read."""


class PublicKey:
    def __init__(self, key: Ed25519PublicKey) -> None:
        self._key = key
        self.id = sha256(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).hexdigest()[:16]

    @classmethod
    def read(cls, path: Path) -> PublicKey:
        """Reads a public key. Raises UsageError where the file is missing or has no Ed25519 public key in it."""
        try:
            key = load_pem_public_key(_content(path))
        except (ValueError, UnsupportedAlgorithm) as error:
            raise UsageError(
                f"{path} has no public key in it (PEM)",
                "fleet audit keygen writes one beside the private key",
            ) from error
        if not isinstance(key, Ed25519PublicKey):
            raise UsageError(f"{path} contains a key that is not Ed25519")
        return cls(key)

    @property
    def pem(self) -> str:
        return self._key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii")

    def write(self, path: Path) -> None:
        """Writes a new file. Raises FileExistsError where the file exists."""
        write_new(path, self.pem.encode("ascii"), 0o644)

    def signed(self, checkpoint: SignedCheckpoint) -> bool:
        """Returns whether exactly this checkpoint was signed with the private key of this public key."""
        try:
            return self._holds(checkpoint.signature, message(checkpoint))
        except ValueError:
            return False

    def signed_report(self, report: Mapping[str, Any], signature: str) -> bool:
        """Returns whether exactly this report was signed with the private key of this public key. The report is as
        decoded from JSON, with or without its `signature`."""
        try:
            return self._holds(signature, report_message(report))
        except (ValueError, RecursionError):
            return False

    def signed_page(self, page: bytes, signature: str) -> bool:
        """Returns whether exactly these bytes were signed as a page with the private key of this public key."""
        return self._holds(signature, PAGE_PURPOSE + page)

    def _holds(self, signature: str, signed: bytes) -> bool:
        try:
            self._key.verify(b64decode(signature, validate=True), signed)
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
        """Reads a private key. Raises UsageError where the file is missing, may be read by others, or has no Ed25519
        private key without a password in it."""
        try:
            key = load_pem_private_key(_content(path), password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            # The library's message may quote what it has read.
            raise UsageError(f"{path} has no private key in it (PEM, without a password)") from None
        if not isinstance(key, Ed25519PrivateKey):
            raise UsageError(f"{path} contains a key that is not Ed25519")
        _refuse_shared(path)
        return cls(key)

    def write(self, path: Path) -> None:
        """Writes a new file that only its owner may read. Raises FileExistsError where the file exists."""
        write_new(path, self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), 0o600)

    def sign(self, seq: int, hashed: str, count: int, at: datetime) -> SignedCheckpoint:
        bare = SignedCheckpoint(seq, hashed, count, at, self.public.id, "")
        return replace(bare, signature=self._signature(message(bare)))

    def sign_report(self, report: SignedReport) -> SignedReport:
        """Returns the same report with its signature. Raises ValueError for numbers that JSON cannot express
        exactly."""
        bare = replace(report, signature=None)
        signature = self._signature(report_message(msgspec.to_builtins(bare)))
        return replace(bare, signature=Signature(self.public.id, signature))

    def sign_token(self, claims: Mapping[str, Any]) -> str:
        """Returns a JSON Web Token (RFC 7519, RFC 8037) with these claims."""
        return jwt.encode(dict(claims), self._key, algorithm="EdDSA")

    def sign_page(self, page: bytes) -> str:
        """Returns the signature over a page, in base64."""
        return self._signature(PAGE_PURPOSE + page)

    def _signature(self, signed: bytes) -> str:
        return b64encode(self._key.sign(signed)).decode("ascii")


def write_new(path: Path, content: bytes, mode: int) -> None:
    """Creates a file that exists either whole or not at all, whenever the process is killed.

    Raises FileExistsError where there is one already, OSError where it cannot be written.
    """
    with beside(path, content, mode) as part:
        # A link fails where the name is taken; a rename would overwrite the file.
        os.link(part, path)


def message(checkpoint: SignedCheckpoint) -> bytes:
    """Returns the bytes of a checkpoint that are signed. Raises ValueError for numbers that JSON cannot express
    exactly."""
    fields = asdict(checkpoint)
    del fields["signature"]
    return PURPOSE + chain.canonical(fields)


def report_message(report: Mapping[str, Any]) -> bytes:
    """Returns the bytes of a report that are signed. Raises ValueError for numbers that JSON cannot express
    exactly."""
    return REPORT_PURPOSE + chain.canonical(
        {key: value for key, value in report.items() if key != "signature"}
    )


def _refuse_shared(path: Path) -> None:
    """Raises UsageError for a key that other users may read. The process's own group may read the key: on a volume of
    Kubernetes with an fsGroup the kubelet lets the group read every file."""
    about = path.stat()
    others = stat.S_IRWXO | (0 if about.st_gid == os.getegid() else stat.S_IRWXG)
    if stat.S_IMODE(about.st_mode) & others:
        raise UsageError(
            f"others can read or write {path} (mode {stat.S_IMODE(about.st_mode):04o}): its signatures prove nothing",
            f"chmod 600 {path}; if someone may have read it, move both halves away and create new ones: fleet audit keygen",
        )


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(LARGEST)
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read: {error.strerror}", "fleet audit keygen makes a key"
        ) from error
