"""Compares kernel command lines, without the arguments that differ from machine to machine by design."""

from __future__ import annotations

_OWN = frozenset(
    [
        "BOOT_IMAGE",
        "boot",
        "bootid",
        "dm-mod.create",
        "hostname",
        "ifname",
        "initrd",
        "ip",
        "luks.name",
        "luks.uuid",
        "mount.usr",
        "ostree",
        "rauc.slot",
        "rd.luks.name",
        "rd.luks.uuid",
        "rd.md.uuid",
        "rd.znet",
        "resume",
        "resume_offset",
        "root",
        "systemd.machine_id",
        "uuid",
        "verity.usr",
        "verity.usrhash",
        "usrhash",
        "roothash",
    ]
)
"""Names whose values are a machine's own: its disks, its addresses, its slot, the deployment that it booted. Sources:
kernel-command-line(7), dracut.cmdline(7), and the boot loader entries of ostree, Flatcar and RAUC."""


def shared_arguments(line: str) -> tuple[str, ...]:
    """Returns the arguments that machines of one pool are expected to share, sorted: the order of most arguments has no
    meaning, and a machine's own are left out."""
    return tuple(sorted(word for word in line.split() if word.partition("=")[0] not in _OWN))


def differences(expected: str, found: str) -> str:
    """Returns what `found` has more and less than `expected`, both with blanks between their arguments, such as
    `+mitigations=off -quiet`."""
    wanted, own = set(expected.split()), set(found.split())
    more = [f"+{word}" for word in sorted(own - wanted)]
    return " ".join([*more, *(f"-{word}" for word in sorted(wanted - own))])
