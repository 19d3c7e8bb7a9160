"""paramiko's side of one ssh connection, limited to the algorithms that the settings allow."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import paramiko

from fleet.machines.ssh.configuration.settings import SshSettings
from fleet.machines.ssh.host_certificate import CERTIFICATE
from fleet.machines.ssh.host_keys import KnownHostKeys, algorithms
from fleet.machines.ssh.metered import Metered

QUIET = "fleet.ssh-library"
"""The name of a logger that writes nothing: the library logs a traceback for each connection that breaks, and raises
the error too."""
logging.getLogger(QUIET).addHandler(logging.NullHandler())
logging.getLogger(QUIET).propagate = False


class LoginError(Exception):
    """Raised where the user was not let in, or cannot be with the current settings."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class SshTransport(paramiko.Transport):
    """A transport that keeps the host key as it was sent: from a certificate the library keeps the bare key only."""

    shown = b""

    def __init__(self, way: Any) -> None:
        """Makes the transport. `way` is a socket or a channel, used by this object alone from now on."""
        self._meter = Metered(way)
        super().__init__(self._meter)  # type: ignore[arg-type]
        self.set_log_channel(QUIET)

    def allow(self, count: int) -> None:
        """Allows the other side to send this many bytes from now on."""
        self._meter.allow(count)

    def ask_for(self, settings: SshSettings, known: KnownHostKeys) -> None:
        """Restricts the transport to the allowed algorithms. Raises LoginError where the library has none of them."""
        can = self.get_security_options()
        keys = algorithms(known, settings.host_key_algorithms)
        plain = can.key_types
        self._host_keys = _common(
            "HostKeyAlgorithms", keys, (*plain, *(f"{algorithm}{CERTIFICATE}" for algorithm in plain))
        )
        can.kex = _common("KexAlgorithms", settings.kex_algorithms, can.kex)
        can.ciphers = _common("Ciphers", settings.ciphers, can.ciphers)
        can.digests = _common("MACs", settings.macs, can.digests)
        self._preferred_pubkeys = tuple(
            dict.fromkeys(algorithm.removesuffix(CERTIFICATE) for algorithm in settings.key_algorithms)
        )

    @property
    def preferred_keys(self) -> tuple[str, ...]:
        """Returns the host key algorithms; the library would additionally ask for certificates of all of them."""
        return self._host_keys

    def _verify_key(self, host_key: bytes, sig: bytes) -> None:
        if self.shown not in (b"", host_key):
            raise paramiko.SSHException("its host key differs from the first one")
        self.shown = host_key
        super()._verify_key(host_key, sig)  # type: ignore[misc]


def _common(keyword: str, wanted: Sequence[str], known: Sequence[str]) -> tuple[str, ...]:
    found = tuple(algorithm for algorithm in wanted if algorithm in known)
    if not found:
        raise LoginError(
            f"{keyword}: none of {', '.join(wanted) or 'those that are left'} is known to fleet",
            "allow another one",
        )
    return found
