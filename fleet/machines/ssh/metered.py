"""A connection to a stranger, of which no more is read than was agreed: by its ssh library, which has no bound of its own.

Of an ssh packet its length comes first, and then so many bytes are waited for, whatever they are; before the greeting ends
a line may go on for ever; and whoever was asked nothing may speak all the time.
"""

from __future__ import annotations

from typing import Any

import paramiko

PACKET_MOST = 320 * 1024
"""Bytes of one packet. RFC 4253, section 6.1, wants 35,000 to be taken; OpenSSH takes 256 KiB."""
GREETING_MOST = 1024 * 1024
"""Bytes before the login, and between two commands."""
COMMAND_MOST = 64 * 1024 * 1024
"""Bytes while one command runs."""


class Metered:
    """Of the shape of a socket. `way`: a socket or a channel, this object's alone from now on."""

    def __init__(self, way: Any) -> None:
        self._way = way
        self._allowed = self._left = GREETING_MOST

    def allow(self, count: int) -> None:
        """Allows the other side so many bytes from now on."""
        self._allowed = self._left = count

    def recv(self, count: int) -> bytes:
        """Reads from the line. Raises SSHException for a packet that would be too long, before any of it is read,
        and for too
        many bytes."""
        if count > PACKET_MOST:
            raise paramiko.SSHException(f"it announces a packet of {count} bytes")
        found: bytes = self._way.recv(count)
        self._left -= len(found)
        if self._left < 0:
            raise paramiko.SSHException(f"it sends more than {self._allowed >> 20} MiB")
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._way, name)
