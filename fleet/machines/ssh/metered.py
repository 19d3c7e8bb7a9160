"""A connection to an untrusted machine with a limit on the bytes that its ssh library reads, which has no limit of its
own.

An ssh packet begins with its length, and the library waits for that many bytes, whatever they are. Before the greeting
ends a line may go on for ever. And the other side may send data at any time without being asked.
"""

from __future__ import annotations

from typing import Any

import paramiko

PACKET_MOST = 320 * 1024
"""The most bytes of one packet. RFC 4253, section 6.1, requires 35,000 to be accepted; OpenSSH accepts 256 KiB."""
GREETING_MOST = 1024 * 1024
"""The most bytes before the login, and between two commands."""
COMMAND_MOST = 64 * 1024 * 1024
"""The most bytes while one command runs."""


class Metered:
    """A connection with the interface of a socket and a limit on the bytes that are read. `way` is a socket or a
    channel, used by this object alone from now on."""

    def __init__(self, way: Any) -> None:
        self._way = way
        self._allowed = self._left = GREETING_MOST

    def allow(self, count: int) -> None:
        """Allows the other side to send this many bytes from now on."""
        self._allowed = self._left = count

    def recv(self, count: int) -> bytes:
        """Reads from the line. Raises SSHException for a packet that would be too long, before any of it is read, and
        for too many bytes."""
        if count > PACKET_MOST:
            raise paramiko.SSHException(f"it announces a packet of {count} bytes")
        found: bytes = self._way.recv(count)
        self._left -= len(found)
        if self._left < 0:
            raise paramiko.SSHException(f"it sends more than {self._allowed >> 20} MiB")
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._way, name)
