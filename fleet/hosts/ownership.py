"""Whose a host is: a file on the host itself, by which two fleets whose inventories name it notice each other.

A cluster has a Lease that its controllers renew; a host has only this. It does not expire: whoever acts first has the
host until a person gives it to another fleet. Link(2) makes the file, so of two who come at once one gets it.
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
"""For a shell: the claim, and `over` where it is taken from whoever has it."""


class Claim(Struct, frozen=True):
    fleet: str
    """Names the database, and so all its controllers."""
    by: str = ""
    """Where that fleet is at home, for people."""

    @property
    def message(self) -> str:
        return f"{self.by or 'another fleet'} has claimed it"


def parse(text: str) -> Claim | None:
    """Reads the claim on a host. None: nobody has claimed the host. A claim that fleet did not write counts too."""
    if not text.strip():
        return None
    try:
        found = decode(text, Claim)
    except UnreadableError:
        return Claim("", f"whoever wrote {PATH}")
    return Claim(found.fleet[:NAME_MOST], found.by[:NAME_MOST])


async def take(host: Host, own: Claim, over: bool = False) -> Claim:
    """Claims the host where nobody has claimed it, or `over` an earlier claim. Returns the claim that holds now.

    Raises as `Host.run`, and MachineError where the file is empty after it was written."""
    text = await checked(
        host, ("sh", "-c", TAKE, "sh", msgspec.json.encode(own).decode(), "over" if over else "")
    )
    found = parse(text)
    if found is None:
        raise MachineError(f"{PATH} is empty after it was written")
    return found
