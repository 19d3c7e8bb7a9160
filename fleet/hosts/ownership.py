"""The owner of a host: a file on the host itself, by which two fleets with the same host in their inventories notice
each other.

A cluster has a Lease that its controllers renew; a host has only this file. It does not expire: the fleet that acts
first owns the host until an operator gives the host to another fleet. Link(2) creates the file, so if two fleets claim
the host at once, one succeeds.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct

from fleet.core.objects.machine import NAME_MOST
from fleet.core.text.untrusted import UnreadableError, decode
from fleet.machines.errors import MachineError
from fleet.machines.host import Host, checked

PATH = "/var/lib/fleet/claim"
TAKE = f"""
umask 022 && mkdir -p /var/lib/fleet && new="{PATH}.$$" && printf '%s\\n' "$1" >"$new" || exit 1
if [ "$2" = over ]; then mv -f "$new" {PATH} || exit 1; else ln "$new" {PATH} 2>/dev/null; rm -f "$new"; fi
cat {PATH}
"""
"""A shell script with two arguments: the claim, and `over` where an existing claim is replaced."""


class Claim(Struct, frozen=True):
    fleet: str
    """The name of the database, which all controllers of the fleet share."""
    by: str = ""
    """The home of the claiming fleet, to show to users."""

    @property
    def message(self) -> str:
        return f"{self.by or 'another fleet'} has claimed it"


def parse(text: str) -> Claim | None:
    """Returns the claim on a host. None: the host is not claimed. A claim that fleet did not write counts too."""
    if not text.strip():
        return None
    try:
        found = decode(text, Claim)
    except UnreadableError:
        return Claim("", f"whoever wrote {PATH}")
    return Claim(found.fleet[:NAME_MOST], found.by[:NAME_MOST])


async def take(host: Host, own: Claim, over: bool = False) -> Claim:
    """Claims the host if it is not claimed, or replaces an earlier claim with `over`. Returns the claim that holds
    now.

    Raises as `Host.run` does, and MachineError where the file is empty after it was written.
    """
    text = await checked(
        host, ("sh", "-c", TAKE, "sh", msgspec.json.encode(own).decode(), "over" if over else "")
    )
    found = parse(text)
    if found is None:
        raise MachineError(f"{PATH} is empty after it was written")
    return found
