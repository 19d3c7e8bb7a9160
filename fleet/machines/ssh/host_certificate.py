"""Parses and checks host certificates of OpenSSH in wire format. Format: PROTOCOL.certkeys of OpenSSH. Pure."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import datetime

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import ssh as openssh
from msgspec import Struct

CERTIFICATE = "-cert-v01@openssh.com"
_FIELDS = {
    "ssh-rsa": 2,
    "ecdsa-sha2-nistp256": 2,
    "ecdsa-sha2-nistp384": 2,
    "ecdsa-sha2-nistp521": 2,
    "ssh-ed25519": 1,
}
"""The number of fields in the public key of each type."""


class CertificateError(Exception):
    """Raised where the certificate does not prove the host's identity."""


class Certificate(Struct, frozen=True):
    """The fields of a certificate that are checked."""

    bare: bytes
    """The host's own key."""
    principals: tuple[str, ...]
    critical: bytes
    authority: bytes
    algorithm: str
    """The algorithm of the signature."""


class _Wire:
    """Reads strings of SSH's wire format (RFC 4251, section 5). Raises ValueError where there are none left."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def take(self, count: int) -> bytes:
        found = self._data[self._at : self._at + count]
        if len(found) != count:
            raise ValueError("a key that is cut short")
        self._at += count
        return found

    def text(self) -> bytes:
        return self.take(int.from_bytes(self.take(4)))

    @property
    def rest(self) -> bool:
        return self._at < len(self._data)


def kind_of(blob: bytes) -> str:
    """Returns the type of a key in wire format. Raises ValueError for bytes that are no key."""
    return _Wire(blob).text().decode("ascii")


def rsa_bits(blob: bytes) -> int | None:
    """Returns the number of bits of an RSA key; None for another key."""
    if kind_of(bare(blob)) != "ssh-rsa":
        return None
    wire = _Wire(bare(blob))
    wire.text()
    wire.text()
    return int.from_bytes(wire.text()).bit_length()


def bare(blob: bytes) -> bytes:
    """Returns the key in a certificate; a plain key is returned as it is."""
    found = _read(blob)
    return found.bare if found is not None else blob


def authority(blob: bytes) -> bytes:
    """Returns the key that signed a certificate; empty for a plain key."""
    found = _read(blob)
    return found.authority if found is not None else b""


def check(blob: bytes, host: str, now: datetime, algorithms: Sequence[str]) -> None:
    """Raises CertificateError unless the certificate is valid for this host now, and is signed by one of these
    algorithms."""
    found = _read(blob)
    if found is None:
        raise CertificateError("what it shows is not a certificate")
    text = f"{kind_of(blob)} {base64.b64encode(blob).decode()}".encode()
    try:
        certificate = openssh.load_ssh_public_identity(text)
        if not isinstance(certificate, openssh.SSHCertificate):
            raise CertificateError("what it shows is not a certificate")
        certificate.verify_cert_signature()
    except (ValueError, InvalidSignature, UnsupportedAlgorithm) as error:
        raise CertificateError(
            f"its host certificate is not valid: {error or 'the signature is wrong'}"
        ) from None
    if certificate.type is not openssh.SSHCertificateType.HOST:
        raise CertificateError("it shows the certificate of a user")
    if found.algorithm not in algorithms:
        raise CertificateError(
            f"its host certificate is signed by {found.algorithm}, which CASignatureAlgorithms lacks"
        )
    if found.critical:
        raise CertificateError("its host certificate has critical options, which fleet does not know")
    if found.principals and host not in found.principals:
        raise CertificateError(f"its host certificate is for {', '.join(found.principals)}, not {host}")
    if not certificate.valid_after <= now.timestamp() < certificate.valid_before:
        raise CertificateError("its host certificate is not valid now")


def _read(blob: bytes) -> Certificate | None:
    """Returns the certificate; None for a plain key. Raises ValueError for bytes that are neither."""
    kind = kind_of(blob)
    if not kind.endswith(CERTIFICATE):
        return None
    plain = kind.removesuffix(CERTIFICATE)
    if plain not in _FIELDS:
        raise ValueError(f"a certificate of a kind that fleet does not know: {kind}")
    wire = _Wire(blob)
    wire.text()
    wire.text()
    fields = [plain.encode(), *(wire.text() for _ in range(_FIELDS[plain]))]
    wire.take(8 + 4)
    wire.text()
    names, principals = _Wire(wire.text()), []
    while names.rest:
        principals.append(names.text().decode("utf-8", "replace"))
    wire.take(8 + 8)
    critical = wire.text()
    wire.text()
    wire.text()
    signer, signature = wire.text(), wire.text()
    own = b"".join(len(field).to_bytes(4) + field for field in fields)
    return Certificate(own, tuple(principals), critical, signer, kind_of(signature))
