"""Updaters of a distribution's own that reboot a machine by themselves: noticed and said, never fought."""

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


async def active(host: Host, units: Sequence[str] = tuple(UNITS)) -> tuple[str, ...]:
    """Those that are at work on the machine. The exit code only tells whether all are."""
    if not units:
        return ()
    ran = await host.run(("systemctl", "is-active", *units))
    return parse_active(units, ran.stdout)


async def refuse_others(host: Host, units: Sequence[str]) -> None:
    """Raises MachineError where one of them is at work: it might reboot the machine when fleet would not."""
    at_work = await active(host, units)
    if at_work:
        names = ", ".join(UNITS[unit] for unit in at_work)
        raise MachineError(
            f"{names} upgrades and reboots this machine by itself; fleet leaves it alone until that is off: "
            f"systemctl disable --now {' '.join(at_work)}"
        )
