"""Soft reboots: userspace restarts from `/run/nextroot`, while the kernel keeps running.

`ostree admin prepare-soft-reboot` and `bootc switch --soft-reboot` mount that root. After that `systemctl reboot`
performs a soft reboot by itself (systemd 254 and later; systemd's docs/ENVIRONMENT.md): the boot id stays, which is
fleet's proof of a boot, and so does the kernel. fleet always performs full reboots.
"""

from __future__ import annotations

from fleet.machines.errors import MachineError
from fleet.machines.host import Host

FULL_REBOOT = ("env", "SYSTEMCTL_SKIP_AUTO_SOFT_REBOOT=1", "systemctl", "reboot")
"""The command for a full reboot. Older versions of systemd do not know the variable, and ignore it."""
_LOOK = ("mountpoint", "-q", "/run/nextroot")


async def refuse_prepared(host: Host) -> None:
    """Raises MachineError where a soft reboot is prepared. Called before programs that reboot the machine by
    themselves."""
    if (await host.run(_LOOK)).succeeded:
        raise MachineError(
            "a soft reboot is prepared on this machine (/run/nextroot): its reboot would keep kernel and boot id. "
            "Undo it first: ostree admin prepare-soft-reboot --reset"
        )
