"""Others that reboot a machine by themselves: noticed and said, never fought.

A distribution's own updaters are units of its systemd. kured and Flatcar's update operator come as pods, whose
processes the machine sees.
"""

from __future__ import annotations

from collections.abc import Sequence

from fleet.machines.host import Host
from fleet.machines.os.family import MachineError

UNITS = {
    "zincati.service": "Zincati (Fedora CoreOS)",
    "locksmithd.service": "locksmith (Flatcar)",
    "rpm-ostreed-automatic.timer": "rpm-ostree's automatic updates",
    "bootc-fetch-apply-updates.timer": "bootc's automatic updates",
    "transactional-update.timer": "transactional-update's timer",
    "rebootmgr.service": "rebootmgr (openSUSE)",
}
PODS = {
    "kured": "kured",
    "update-agent": "Flatcar's update operator (update-agent)",
}
"""By the name of their process on the node."""
LOOK = ("sh", "-c", "cat /proc/[0-9]*/comm 2>/dev/null")
KNOWN_STATES = frozenset(
    {"active", "inactive", "failed", "activating", "deactivating", "reloading", "unknown"}
)


def parse_active(units: Sequence[str], text: str) -> tuple[str, ...]:
    """Those of the units that are at work, by what `systemctl is-active UNITS` printed: a state a line."""
    states = text.split()
    if len(states) != len(units) or not KNOWN_STATES.issuperset(states):
        raise MachineError(f"systemctl is-active {' '.join(units)} printed {text!r}")
    return tuple(
        unit
        for unit, state in zip(units, states, strict=True)
        if state in ("active", "activating", "reloading")
    )


def parse_pods(text: str) -> tuple[str, ...]:
    """Those of PODS that are at work, by the names of all processes, one a line."""
    names = {line.strip() for line in text.splitlines()}
    if not names - {""}:
        raise MachineError(f"the machine names no process: {text!r}")
    return tuple(name for name in PODS if name in names)


async def pods(host: Host) -> tuple[str, ...]:
    """Those that are at work on the machine. A process that ends meanwhile makes another exit code, and no matter."""
    ran = await host.run(LOOK)
    if not ran.stdout:
        raise MachineError(ran.words)
    return parse_pods(ran.stdout)


async def active(host: Host, units: Sequence[str] = tuple(UNITS)) -> tuple[str, ...]:
    """Those that are at work on the machine. The exit code only tells whether all are."""
    if not units:
        return ()
    ran = await host.run(("systemctl", "is-active", *units))
    return parse_active(units, ran.stdout)


async def refuse_others(host: Host, units: Sequence[str]) -> None:
    """Raises MachineError where one of them, or of PODS, is at work: it might reboot the machine when fleet would not."""
    at_work = await active(host, units)
    if at_work:
        names = ", ".join(UNITS[unit] for unit in at_work)
        raise MachineError(
            f"{names} upgrades and reboots this machine by itself; fleet leaves it alone until that is off: "
            f"systemctl disable --now {' '.join(at_work)}"
        )
    in_pods = await pods(host)
    if in_pods:
        names = ", ".join(PODS[name] for name in in_pods)
        raise MachineError(
            f"{names} reboots this machine by itself; fleet leaves it alone until its DaemonSet has no pod here"
        )
