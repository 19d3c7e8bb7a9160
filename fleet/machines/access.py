"""The address of a machine, and the parts of a user's ssh configuration that are used to reach it."""

from __future__ import annotations

from msgspec import Struct

from fleet.core.records.errors import UsageError


class SshAddress(Struct, frozen=True):
    """The address of a machine. Empty fields are looked up in the ssh configuration under `host`."""

    host: str
    user: str = ""
    port: int = 0

    def __str__(self) -> str:
        user = f"{self.user}@" if self.user else ""
        host = f"[{self.host}]" if self.port and ":" in self.host else self.host
        return f"{user}{host}{f':{self.port}' if self.port else ''}"


class SshAccess(Struct, frozen=True):
    """The ssh settings for machines. Paths may begin with `~`."""

    config: str = ""
    """An ssh configuration that is read alone, as with `ssh -F`. Empty: the user's own and the system's, as ssh reads
    them."""
    identity: str = ""
    """A private key, as with `ssh -i`, in addition to those of the configuration and the agent."""
    sudo: bool = True
    """True if users other than root become root by `sudo -n`."""


def address_of(text: str) -> SshAddress:
    """Parses `user@host:port` in the form of ProxyJump; an IPv6 address with a port is in brackets.

    Raises UsageError for a text that is no address.
    """
    user, at, place = text.strip().rpartition("@")
    if place.startswith("["):
        host, bracket, rest = place[1:].partition("]")
        good = bool(bracket) and (not rest or rest.startswith(":"))
        colon, port = rest[:1], rest[1:]
    elif place.count(":") == 1:
        host, colon, port = place.partition(":")
        good = True
    else:
        host, colon, port, good = place, "", "", True
    number = int(port) if port.isascii() and port.isdigit() else 0
    if (
        not good
        or not host
        or host.startswith("-")
        or (at and not user)
        or (colon and not 0 < number < 65536)
    ):
        raise UsageError(
            f"{text!r} is not an ssh address", "such as core@n-1.example:22, or [2001:db8::1]:22"
        )
    return SshAddress(host, user, number)
