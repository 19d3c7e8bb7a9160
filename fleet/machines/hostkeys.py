"""Which host keys are trusted: known_hosts files as OpenSSH writes them (sshd(8)), with certificate authorities.

What is not known is refused; nothing is ever added.
"""

from __future__ import annotations

import base64
import binascii
import fnmatch
import hashlib
import hmac
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import paramiko
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.hazmat.primitives.serialization import ssh as openssh
from msgspec import Struct

CERTIFICATE = "-cert-v01@openssh.com"
_RSA = ("rsa-sha2-512", "rsa-sha2-256")


class UnknownKeyError(Exception):
    """The key that a machine showed is not one to trust."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


class Entry(Struct, frozen=True):
    """One line of known_hosts."""

    patterns: str
    kind: str
    key: bytes
    marker: Literal["", "@cert-authority", "@revoked"] = ""

    def names(self, host: str) -> bool:
        """Whether the line is about this host: `name`, or `[name]:port` where the port is not 22."""
        if self.patterns.startswith("|1|"):
            return _hashed(self.patterns, host)
        found = False
        for pattern in self.patterns.split(","):
            if pattern.startswith("!") and fnmatch.fnmatchcase(host, _literal(pattern[1:])):
                return False
            found = found or fnmatch.fnmatchcase(host, _literal(pattern))
        return found


def _literal(pattern: str) -> str:
    """Brackets are about ports here, not about characters."""
    return pattern.lower().replace("[", "[[]")


def _hashed(pattern: str, host: str) -> bool:
    try:
        _, _, salt, digest = pattern.split("|")
        return hmac.compare_digest(
            hmac.new(base64.b64decode(salt), host.encode(), hashlib.sha1).digest(), base64.b64decode(digest)
        )
    except (ValueError, binascii.Error):
        return False


def parse(text: str) -> tuple[Entry, ...]:
    """Lines that are no entries are passed over, as OpenSSH does."""
    found: list[Entry] = []
    for line in text.splitlines():
        words = line.split()
        marker = words.pop(0) if words and words[0] in ("@cert-authority", "@revoked") else ""
        if len(words) < 3 or words[0].startswith("#"):
            continue
        try:
            found.append(Entry(words[0], words[1], base64.b64decode(words[2], validate=True), marker))  # type: ignore[arg-type]
        except (ValueError, binascii.Error):
            continue
    return tuple(found)


def place(host: str, port: int) -> str:
    """As known_hosts names it."""
    return host.lower() if port == 22 else f"[{host.lower()}]:{port}"


def judge(entries: Sequence[Entry], host: str, shown: bytes, now: datetime) -> None:
    """Raises UnknownKeyError unless the key or certificate that the host showed (as on the wire) is to be trusted."""
    about = [entry for entry in entries if entry.names(host)]
    kind = _kind(shown)
    plain = _authority(shown, host, now) if kind.endswith(CERTIFICATE) else shown
    if any(entry.key in (plain, shown) for entry in about if entry.marker == "@revoked"):
        raise UnknownKeyError("its host key is revoked in known_hosts", "the machine needs a new one")
    marker = "@cert-authority" if kind.endswith(CERTIFICATE) else ""
    trusted = [entry for entry in about if entry.marker == marker]
    if any(entry.key == plain for entry in trusted):
        return
    seen = fingerprint(plain)
    if trusted:
        raise UnknownKeyError(
            f"its host key is not the known one: it shows {seen}",
            f"somebody else answers there, or it was installed anew: look, then ssh-keygen -R '{host}'",
        )
    raise UnknownKeyError(
        f"its host key is not in known_hosts ({_kind(plain)} {seen})",
        f"compare it with the machine's own, then: ssh-keyscan {_scan(host)} >>~/.ssh/known_hosts",
    )


def _scan(host: str) -> str:
    if not host.startswith("["):
        return host
    name, _, port = host[1:].partition("]:")
    return f"-p {port} {name}"


def _authority(shown: bytes, host: str, now: datetime) -> bytes:
    """The key of the authority that signed the certificate, which must be a valid one of this host."""
    text = f"{_kind(shown)} {base64.b64encode(shown).decode()}".encode()
    hint = "sign it anew: ssh-keygen -s CA -h -n NAME -I ID KEY.pub"
    try:
        certificate = openssh.load_ssh_public_identity(text)
        if not isinstance(certificate, openssh.SSHCertificate):
            raise UnknownKeyError("what it shows is no certificate", hint)
        certificate.verify_cert_signature()
    except (ValueError, InvalidSignature) as error:
        raise UnknownKeyError(f"its host certificate is not valid: {error}", hint) from None
    if certificate.type is not openssh.SSHCertificateType.HOST:
        raise UnknownKeyError("it shows the certificate of a user", hint)
    name = host[1:].partition("]:")[0] if host.startswith("[") else host
    principals = [each.decode() for each in certificate.valid_principals]
    if name not in principals:
        raise UnknownKeyError(
            f"its host certificate is for {', '.join(principals) or 'nobody'}, not {name}", hint
        )
    if not certificate.valid_after <= now.timestamp() < certificate.valid_before:
        raise UnknownKeyError("its host certificate is not valid now", hint)
    key = certificate.signature_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    return base64.b64decode(key.split()[1])


def _kind(blob: bytes) -> str:
    return paramiko.Message(blob).get_text()


def fingerprint(blob: bytes) -> str:
    """As `ssh-keygen -l` prints it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


class KnownHosts(paramiko.MissingHostKeyPolicy):
    """Judges every key that a host shows; nothing is known to the library itself."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._entries = tuple(entry for file in files if file.is_file() for entry in parse(file.read_text()))

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:
        transport = client.get_transport()
        shown = transport.shown if isinstance(transport, CheckedTransport) else key.asbytes()
        judge(self._entries, hostname.lower(), shown, datetime.now(UTC))  # noqa: TID251 - a certificate's validity

    def transport_factory(self, host: str, port: int) -> Callable[..., paramiko.Transport]:
        """Asks the host for a key of a kind that is known here; for certificates only where there is an authority."""
        name = place(host, port)
        about = [entry for entry in self._entries if entry.names(name)]
        plain = {kind for entry in about if not entry.marker for kind in _algorithms(entry.kind)}
        certified = any(entry.marker == "@cert-authority" for entry in about)

        def make(sock: Any, **options: Any) -> CheckedTransport:
            transport = CheckedTransport(sock, **options)
            transport.prefer(plain, certified)
            return transport

        return make


def _algorithms(kind: str) -> tuple[str, ...]:
    return _RSA if kind == "ssh-rsa" else (kind,)


class CheckedTransport(paramiko.Transport):
    """Keeps the host key as it was shown on the wire: of a certificate the library keeps the bare key."""

    shown = b""

    def prefer(self, plain: set[str], certified: bool) -> None:
        usual: tuple[str, ...] = tuple(self._preferred_keys)  # type: ignore[has-type]
        certificates = tuple(f"{kind}{CERTIFICATE}" for kind in usual) if certified else ()
        known = tuple(kind for kind in usual if kind in plain)
        self._preferred_keys = (*certificates, *known, *(kind for kind in usual if kind not in known))

    def _verify_key(self, host_key: bytes, sig: bytes) -> None:
        self.shown = host_key
        super()._verify_key(host_key, sig)  # type: ignore[misc]
