"""The keys with which a user logs in, in the order in which ssh would offer them: named certificates, keys of the
agent that the configuration names, its other keys, and the remaining files (pubkey_prepare() in sshconnect2.c of
OpenSSH 9.2)."""

from __future__ import annotations

import base64
import binascii
import io
import os
import socket
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

import paramiko
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    load_ssh_private_key,
)
from paramiko.agent import AgentKey, AgentSSH
from paramiko.pkey import PublicBlob

from fleet.machines.ssh import host_certificate
from fleet.machines.ssh.configuration.settings import SshSettings
from fleet.machines.ssh.host_certificate import CERTIFICATE

AGENT_SECONDS = 20.0


class KeyFileError(Exception):
    """Raised where a file holds no key that can be used to log in, with the reason."""


class KeyAgent(AgentSSH):
    """The agent at this socket; the library's own class uses the environment alone. Must be closed."""

    def __init__(self, path: str) -> None:
        """Connects to the agent. Raises OSError or paramiko.SSHException where no agent answers there."""
        super().__init__()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(AGENT_SECONDS)
        try:
            self._socket.connect(path)
            self._connect(self._socket)  # type: ignore[attr-defined]
        except (OSError, paramiko.SSHException):
            self._socket.close()
            raise

    def close(self) -> None:
        self._socket.close()


class _Signer(AgentKey):
    """A key of the agent, presented to the machine as `shown`: a certificate, or the key itself."""

    def __init__(self, key: AgentKey, shown: bytes) -> None:
        super().__init__(key.agent, key.blob, key.comment)
        # Without this the library asks the agent to sign with the key inside a certificate, which the agent need not
        # have.
        self.inner_key = None
        self.public_blob = PublicBlob(host_certificate.kind_of(shown), shown)  # type: ignore[assignment]


class Offers:
    """The keys that are offered in one login. Skipped keys are in `passed`, with the reason."""

    def __init__(self, settings: SshSettings, agent: Sequence[AgentKey]) -> None:
        self.passed: list[str] = []
        self.tried: list[str] = []
        self._settings = settings
        self._agent = {key.blob: key for key in agent}

    def __iter__(self) -> Iterator[paramiko.PKey]:
        """Yields the keys; each is read only when it is its turn."""
        files = self._files()
        offered: set[bytes] = set()
        named = [(path, blob) for path in self._settings.certificates if (blob := self._public(Path(path)))]
        ours = [(path, blob) for path, blob in files if blob in self._agent]
        others = [(f"{key.comment or 'a key'} of the agent", blob) for blob, key in self._agent.items()]
        known = {blob for _, blob in files}
        rest = [] if self._settings.only_identities else [other for other in others if other[1] not in known]
        for label, blob in (*named, *ours, *rest, *files):
            if blob in offered or not self._accepted(label, blob):
                continue
            offered.add(blob)
            try:
                key = self._key(label, blob, files)
            except KeyFileError as error:
                self.passed.append(f"{label} ({error})")
                continue
            self.tried.append(label)
            yield key

    def _files(self) -> list[tuple[str, bytes]]:
        """Returns each file's public key, followed by the certificate beside it where no certificate is named."""
        found: list[tuple[str, bytes]] = []
        for name in self._settings.identities:
            path = Path(name)
            if not path.is_file() and not path.with_name(f"{path.name}.pub").is_file():
                continue
            try:
                blob = self._public(path.with_name(f"{path.name}.pub")) or self._public(path)
                found.append((name, blob or private_key(path).asbytes()))
            except KeyFileError as error:
                self.passed.append(f"{name} ({error})")
                continue
            beside = path.with_name(f"{path.name}-cert.pub")
            if not self._settings.certificates and (certificate := self._public(beside)):
                found.append((str(beside), certificate))
        return found

    def _public(self, path: Path) -> bytes:
        """Returns the public key of the file; empty: there is none."""
        try:
            fields = path.read_text("utf-8", "replace").split(None, 2)
            blob = base64.b64decode(fields[1], validate=True)
            return blob if host_certificate.kind_of(blob) == fields[0] else b""
        except (OSError, ValueError, IndexError, binascii.Error):
            return b""

    def _accepted(self, label: str, blob: bytes) -> bool:
        kind = host_certificate.kind_of(blob)
        end = CERTIFICATE if kind.endswith(CERTIFICATE) else ""
        plain = kind.removesuffix(CERTIFICATE)
        names = [
            f"{algorithm}{end}"
            for algorithm in (("rsa-sha2-512", "rsa-sha2-256") if plain == "ssh-rsa" else (plain,))
        ]
        if not any(name in self._settings.key_algorithms for name in names):
            self.passed.append(f"{label} (PubkeyAcceptedAlgorithms has not {kind})")
            return False
        try:
            bits = host_certificate.rsa_bits(blob)
        except ValueError:
            return True
        if bits is not None and bits < self._settings.rsa_bits:
            self.passed.append(f"{label} (has {bits} bits; RequiredRSASize is {self._settings.rsa_bits})")
            return False
        return True

    def _key(self, label: str, blob: bytes, files: Sequence[tuple[str, bytes]]) -> paramiko.PKey:
        """Returns the key that signs for this public key or certificate. Raises KeyFileError."""
        bare = host_certificate.bare(blob)
        signer = self._agent.get(blob) or self._agent.get(bare)
        if signer is not None:
            return _Signer(signer, blob)
        path = next((path for path, file in files if file == bare), label)
        key = private_key(Path(path))
        if key.asbytes() != bare:
            raise KeyFileError("its private key is missing")
        key.public_blob = PublicBlob(host_certificate.kind_of(blob), blob) if blob != bare else None
        return key


def private_key(path: Path) -> paramiko.PKey:
    """Reads a private key. Raises KeyFileError where ssh would not accept the file either, or the library cannot read
    it."""
    try:
        about = path.stat()
        if about.st_uid == os.getuid() and stat.S_IMODE(about.st_mode) & 0o077:
            raise KeyFileError("others can read it: chmod 600")
        content = path.read_bytes()
    except OSError as error:
        raise KeyFileError(error.strerror or type(error).__name__) from None
    try:
        try:
            loaded = load_ssh_private_key(content, None)
        except ValueError:
            loaded = load_pem_private_key(content, None)  # type: ignore[assignment]
        for kind, made in _CLASSES:
            if isinstance(loaded, kind):
                # The key is converted to one format: the library does not read all formats.
                plain = loaded.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
                return made.from_private_key(io.StringIO(plain.decode()))
    except (TypeError, paramiko.PasswordRequiredException):
        raise KeyFileError("it has a passphrase: add it to the agent") from None
    except (ValueError, UnsupportedAlgorithm, paramiko.SSHException) as error:
        raise KeyFileError(f"it cannot be read: {error}") from None
    raise KeyFileError("keys of this kind work only with an agent")


_CLASSES: tuple[tuple[type, type[paramiko.PKey]], ...] = (
    (rsa.RSAPrivateKey, paramiko.RSAKey),
    (ed25519.Ed25519PrivateKey, paramiko.Ed25519Key),
    (ec.EllipticCurvePrivateKey, paramiko.ECDSAKey),
)
