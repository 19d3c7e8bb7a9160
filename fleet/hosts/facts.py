"""What one look at a host tells, whatever its operating system: its boot, its systemd's state, who it is."""

from __future__ import annotations

from msgspec import Struct

from fleet.machines.host import Host, checked
from fleet.machines.os import osrelease
from fleet.machines.os.family import MachineError

_SCRIPT = """
echo "boot_id=$(cat /proc/sys/kernel/random/boot_id)"
echo "machine_id=$(cat /etc/machine-id)"
echo "kernel=$(cat /proc/sys/kernel/osrelease)"
echo "state=$(systemctl is-system-running)"
systemctl list-units --state=failed --plain --no-legend --no-pager | while read -r unit _; do echo "failed=$unit"; done
echo "os-release"
cat /etc/os-release
"""
UP = ("running", "degraded")
"""States of a systemd that has booted; `degraded`: a unit has failed."""


class Facts(Struct, frozen=True):
    boot_id: str
    machine_id: str
    kernel: str
    state: str
    """As `systemctl is-system-running` says it."""
    failed: tuple[str, ...] = ()
    """Units."""
    os_image: str = ""

    def unready(self, known: tuple[str, ...] | None) -> str:
        """Why it is not in order; empty: it is. `known`: units that had failed before, None: whatever has failed."""
        if self.state not in UP:
            return f"systemd is {self.state or 'silent'}"
        new = [unit for unit in self.failed if known is not None and unit not in known]
        return f"failed since: {', '.join(new)}" if new else ""


def parse(text: str) -> Facts:
    """Raises MachineError where the answer is not whole."""
    told, marker, release = text.partition("os-release\n")
    lines = [line.partition("=") for line in told.splitlines() if "=" in line]
    found = {key: value for key, _, value in lines if key != "failed"}
    if not marker or not found.get("boot_id") or not found.get("machine_id"):
        raise MachineError(f"the look at the host broke off: {text[-300:]!r}")
    return Facts(
        found["boot_id"],
        found["machine_id"],
        found.get("kernel", ""),
        found.get("state", ""),
        tuple(value for key, _, value in lines if key == "failed"),
        osrelease.parse(release).get("PRETTY_NAME", ""),
    )


async def look(host: Host) -> Facts:
    """Raises FleetError where it is not reached, or does not answer as a host under systemd."""
    return parse(await checked(host, ("sh", "-c", _SCRIPT), 30.0))
