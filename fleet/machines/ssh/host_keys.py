"""Trusted host keys: known_hosts files are read as by OpenSSH (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT"), and keys are
verified as by OpenSSH (check_host_key() in sshconnect.c, hostfile.c). Unknown keys are refused; none is ever added.
Pure."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from msgspec import Struct

from fleet.machines.ssh import host_certificate
from fleet.machines.ssh.configuration.patterns import listed
from fleet.machines.ssh.host_certificate import CERTIFICATE, CertificateError, kind_of

SSH_PORT = 22
_RSA = ("rsa-sha2-512", "rsa-sha2-256")
_KRL = b"SSHKRL\n"


Marker = Literal["", "@cert-authority", "@revoked"]
HostKeyMatch = Literal["known", "new", "changed", "revoked"]


class UnknownKeyError(Exception):
    """Raised where the key of a machine is not to be trusted."""

    def __init__(self, message: str, hint: str, found: HostKeyMatch) -> None:
        super().__init__(message)
        self.hint = hint
        self.found = found


class KnownHostsLine(Struct, frozen=True):
    """One line of known_hosts."""

    patterns: str
    kind: str
    key: bytes
    marker: Marker = ""

    def names(self, place: str) -> bool:
        """Returns whether the line is about this host: `name`, or `[name]:port` where the port is not 22."""
        if self.patterns.startswith("|"):
            return _hashed(self.patterns, place)
        return listed(self.patterns.lower().split(","), place)


class KnownHostKeys(Struct, frozen=True):
    """Everything that is known of one host before it shows a key."""

    entries: tuple[KnownHostsLine, ...]
    """The lines of all known_hosts files."""
    name: str
    """The host's name in lower case, or its HostKeyAlias, for which no port counts."""
    port: int = SSH_PORT
    """The port; 22 where `name` is an alias."""
    ip: str = ""
    """With CheckHostIP, the address of the host; empty: the address is not checked."""
    rsa_bits: int = 1024
    ca_algorithms: tuple[str, ...] = ()
    revoked: tuple[bytes, ...] = ()
    """The keys of RevokedHostKeys."""
    notes: tuple[str, ...] = ()
    """Settings with which ssh would trust more, and which are not followed."""

    def about(self, place: str) -> tuple[KnownHostsLine, ...]:
        return tuple(entry for entry in self.entries if entry.names(place))


def parse(text: str) -> tuple[KnownHostsLine, ...]:
    """Parses a known_hosts file. Lines that are no entries are skipped, as by OpenSSH."""
    return tuple(entry for line in text.split("\n") if (entry := _entry(line.strip(" \t\r"))) is not None)


def _entry(line: str) -> KnownHostsLine | None:
    marker: Marker = ""
    if line.startswith("@"):
        # OpenSSH ends a marker at the line's first blank, wherever that is, and at a tab only where there is no blank.
        first, blank, rest = line.partition(" ") if " " in line else line.partition("\t")
        if not blank or first not in ("@cert-authority", "@revoked"):
            return None
        marker, line = first, rest.lstrip(" \t")  # type: ignore[assignment]
    fields = re.split("[ \t]+", line, maxsplit=3)
    if len(fields) < 3 or line.startswith(("#", "@")):
        return None
    try:
        key = base64.b64decode(fields[2], validate=True)
        if kind_of(key) != fields[1]:
            return None
    except (ValueError, binascii.Error):
        return None
    return KnownHostsLine(fields[0], fields[1], key, marker)


def place(host: str, port: int) -> str:
    """Returns the host's name in known_hosts: `name`, or `[name]:port` where the port is not 22."""
    return host if port == SSH_PORT else f"[{host}]:{port}"


def revoked_keys(content: bytes) -> tuple[bytes, ...]:
    """Parses a file of RevokedHostKeys: one public key a line. Raises ValueError for a binary list, which is not
    supported."""
    if content.startswith(_KRL):
        raise ValueError(
            "it is a binary list (KRL), which fleet does not read: list the public keys, one a line"
        )
    found: list[bytes] = []
    for line in content.decode("utf-8", "replace").split("\n"):
        fields = line.split()
        if fields and not fields[0].startswith("#"):
            found.append(base64.b64decode(fields[1] if len(fields) > 1 else "-", validate=True))
    return tuple(found)


def algorithms(known: KnownHostKeys, wanted: Sequence[str]) -> tuple[str, ...]:
    """Returns the order in which a host is asked for its keys: known ones first, as in order_hostkeyalgs() of
    sshconnect2.c."""
    about = known.about(place(known.name, known.port))
    revoked = {entry.key for entry in about if entry.marker == "@revoked"}
    firsts = {entry.kind: entry.key for entry in reversed(about) if not entry.marker}
    kinds = {
        algorithm for kind, key in firsts.items() if key not in revoked for algorithm in _algorithms(kind)
    }
    if wanted and _plain(wanted[0]) in kinds:
        return tuple(wanted)
    authority = any(entry.marker == "@cert-authority" for entry in about)
    first = [
        algorithm
        for algorithm in wanted
        if (authority and algorithm.endswith(CERTIFICATE)) or _plain(algorithm) in kinds
    ]
    return (*first, *(algorithm for algorithm in wanted if algorithm not in first))


def judge(known: KnownHostKeys, shown: bytes, now: datetime) -> None:
    """Raises UnknownKeyError unless the key or certificate that the host showed (as on the wire) is to be trusted."""
    bits = host_certificate.rsa_bits(shown)
    if bits is not None and bits < known.rsa_bits:
        raise UnknownKeyError(
            f"its RSA host key has {bits} bits, fewer than RequiredRSASize {known.rsa_bits}",
            "generate a longer one on the machine",
            "revoked",
        )
    parts = (shown, host_certificate.bare(shown), host_certificate.authority(shown))
    if any(part in known.revoked for part in parts if part):
        raise UnknownKeyError(
            "its host key is among the RevokedHostKeys", "generate a new one on the machine", "revoked"
        )
    reasons: list[str] = []
    found = _judged(known, known.port, shown, now, reasons)
    if found == "known" and known.ip and not shown_as_certificate(shown):
        if _match(known.about(place(known.ip, known.port)), host_certificate.bare(shown), shown) in (
            "changed",
            "revoked",
        ):
            raise UnknownKeyError(
                f"its host key is not the one that is known for its address {known.ip} (CheckHostIP)",
                _look(known, "changed"),
                "changed",
            )
        return
    if found != "known":
        raise _refusal(known, shown, found, reasons)


def shown_as_certificate(shown: bytes) -> bool:
    return kind_of(shown).endswith(CERTIFICATE)


def _judged(known: KnownHostKeys, port: int, shown: bytes, now: datetime, reasons: list[str]) -> HostKeyMatch:
    """Returns whether the key is known, new, changed or revoked. A host that is unknown on its port may be known
    without a port; a certificate that is not trusted still contains a key."""
    about = known.about(place(known.name, port))
    bare = host_certificate.bare(shown)
    elsewhere: HostKeyMatch = "new"
    for what in (shown, bare) if shown_as_certificate(shown) else (bare,):
        found = _match(about, bare, what)
        if found == "known" and what != bare:
            try:
                host_certificate.check(what, known.name, now, known.ca_algorithms)
            except CertificateError as error:
                reasons.append(str(error))
                continue
        if found == "new" and port != SSH_PORT:
            elsewhere = _judged(known, SSH_PORT, what, now, reasons)
            if elsewhere == "known":
                return "known"
        if found in ("known", "revoked") or what == bare:
            return "revoked" if found == "new" and elsewhere == "revoked" else found
    return "new"


def _match(about: Sequence[KnownHostsLine], bare: bytes, what: bytes) -> HostKeyMatch:
    """Returns the match of `what`: the certificate, whose authority must be known, or the bare key. A certificate of
    another authority proves nothing about the host."""
    authority = host_certificate.authority(what)
    if any(entry.key in (bare, authority) for entry in about if entry.marker == "@revoked"):
        return "revoked"
    marker = "@cert-authority" if authority else ""
    keys = [entry.key for entry in about if entry.marker == marker]
    if (authority or bare) in keys:
        return "known"
    return "changed" if keys and not authority else "new"


def _refusal(
    known: KnownHostKeys, shown: bytes, found: HostKeyMatch, reasons: Sequence[str]
) -> UnknownKeyError:
    bare = host_certificate.bare(shown)
    seen = f"{kind_of(bare)} {fingerprint(bare)}"
    why = f"; {'; '.join(dict.fromkeys(reasons))}" if reasons else ""
    if known.notes:
        why += f"; {', '.join(known.notes)} is not supported: fleet trusts only known keys"
    if found == "revoked":
        return UnknownKeyError(
            f"its host key is revoked in known_hosts: {seen}", "generate a new one on the machine", found
        )
    what = "is not the known one" if found == "changed" else "is not in known_hosts"
    return UnknownKeyError(f"its host key {what}: it shows {seen}{why}", _look(known, found), found)


def _look(known: KnownHostKeys, found: HostKeyMatch) -> str:
    """Returns the remedy, which never makes fleet trust an unverified host."""
    name = place(known.name, known.port)
    compare = (
        "compare the fingerprint with the machine's own, on its console or from its installation "
        "(ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub)"
    )
    if found == "changed":
        return (
            f"another machine may answer there, or it was reinstalled: {compare}; only if they are the same, remove "
            f"the old line (ssh-keygen -R '{name}') and write the new one"
        )
    return f"{compare}; only if they are the same, write the line `{name} KEY` into known_hosts"


def _algorithms(kind: str) -> tuple[str, ...]:
    return _RSA if kind == "ssh-rsa" else (kind,)


def _plain(algorithm: str) -> str:
    return algorithm.removesuffix(CERTIFICATE)


def _hashed(pattern: str, name: str) -> bool:
    try:
        _, one, salt, digest = pattern.split("|")
        wanted = base64.b64decode(digest)
        # The format requires SHA-1; the hashed name is not secret.
        made = hmac.new(base64.b64decode(salt), name.encode(), hashlib.sha1).digest()
    except (ValueError, binascii.Error):
        return False
    return one == "1" and hmac.compare_digest(made, wanted)


def fingerprint(blob: bytes) -> str:
    """Returns the fingerprint as `ssh-keygen -l` prints it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
