"""Facts of a host, independent of its operating system: its boot, the state of its systemd, and its identity."""

from __future__ import annotations

from msgspec import Struct

from fleet.core.objects.machine import NAME_MOST
from fleet.hosts import ownership
from fleet.hosts.ownership import Claim
from fleet.machines.errors import MachineError
from fleet.machines.families.shared import os_release
from fleet.machines.host import Host, checked

_SCRIPT = """
echo "boot_id=$(cat /proc/sys/kernel/random/boot_id)"
echo "machine_id=$(cat /etc/machine-id)"
echo "kernel=$(cat /proc/sys/kernel/osrelease)"
echo "machine=$(uname -m)"
echo "state=$(systemctl is-system-running)"
echo "claim=$(cat /var/lib/fleet/claim 2>/dev/null)"
echo "os-release"
cat /etc/os-release
"""
ARCHITECTURES = {
    "x86_64": "amd64",
    "aarch64": "arm64",
    "armv7l": "arm",
    "i686": "386",
    "ppc64le": "ppc64le",
    "s390x": "s390x",
    "riscv64": "riscv64",
    "loongarch64": "loong64",
}
"""Architectures as `uname -m` prints them, with their names in Go and Kubernetes."""
UP = ("running", "degraded")
"""States of a systemd that has finished booting; `degraded`: a unit has failed."""


class HostFacts(Struct, frozen=True):
    boot_id: str
    machine_id: str
    kernel: str
    state: str
    """The state as `systemctl is-system-running` prints it."""
    os_image: str = ""
    claim: Claim | None = None
    architecture: str = ""
    """The architecture in Kubernetes' spelling; empty: unknown to the host or to fleet."""

    @property
    def unready(self) -> str:
        """Returns why the host is not up; empty: the host is up. Failed units do not count here: the engine judges
        them by the agent's report."""
        return "" if self.state in UP else f"systemd is {self.state or 'silent'}"


def parse(text: str) -> HostFacts:
    """Reads the output of the script. Raises MachineError where the output is incomplete."""
    facts, marker, release = text.partition("os-release\n")
    lines = [line.partition("=") for line in facts.splitlines() if "=" in line]
    found = {key: value for key, _, value in lines}
    if not marker or not found.get("boot_id") or not found.get("machine_id"):
        raise MachineError(f"the observation of the host was interrupted: {text[-300:]!r}")
    for name in ("boot_id", "machine_id"):
        # These identify the host: shortened, either could equal another host's.
        if len(found[name]) > NAME_MOST:
            raise MachineError(f"the host reports a {name} of {len(found[name])} characters")
    return HostFacts(
        found["boot_id"],
        found["machine_id"],
        found.get("kernel", "")[:NAME_MOST],
        found.get("state", "")[:NAME_MOST],
        os_release.parse(release).get("PRETTY_NAME", "")[:NAME_MOST],
        ownership.parse(found.get("claim", "")),
        ARCHITECTURES.get(found.get("machine", ""), ""),
    )


async def read_facts(host: Host) -> HostFacts:
    """Reads the facts of a host. Raises FleetError where the host is not reached, or is no host under systemd."""
    return parse(await checked(host, ("sh", "-c", _SCRIPT), 30.0))
