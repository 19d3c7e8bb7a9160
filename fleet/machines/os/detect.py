"""Which family a machine's operating system is of: by what it says of itself, and by what it has booted."""

from __future__ import annotations

from msgspec import Struct

from fleet.machines.host import Host, checked
from fleet.machines.os import (
    bootc,
    bottlerocket,
    flatcar,
    osrelease,
    ostree,
    rauc,
    rpm_ostree,
    talos,
    transactional,
)
from fleet.machines.os.family import Family, MachineError

FAMILIES = (
    bootc.OS,
    bottlerocket.OS,
    flatcar.OS,
    ostree.OS,
    rauc.OS,
    rpm_ostree.OS,
    talos.OS,
    transactional.OS,
)
COMMANDS = (
    "rpm-ostree",
    "bootc",
    "ostree",
    "rauc",
    "update_engine_client",
    "transactional-update",
    "snapper",
    "apiclient",
)
_SCRIPT = """
for each in "$@"; do command -v "$each" >/dev/null 2>&1 && echo "has $each"; done
test -e /run/ostree-booted && echo ostree-booted
test -e /etc/rauc/system.conf && echo rauc-configured
if command -v bootc >/dev/null 2>&1; then
  bootc status --format json --format-version 1 2>/dev/null | grep -q '"booted":{"image":{' && echo bootc-booted
fi
echo end
"""


class Signs(Struct, frozen=True):
    os_release: dict[str, str]
    commands: frozenset[str] = frozenset()
    facts: frozenset[str] = frozenset()
    """`ostree-booted`, `rauc-configured`, `bootc-booted`."""


def parse_signs(os_release: str, text: str) -> Signs:
    """Raises MachineError where the script's answer is not whole."""
    lines = text.split("\n")
    if "end" not in lines:
        raise MachineError(f"the look at the machine broke off: {text!r}")
    has = frozenset(line.removeprefix("has ") for line in lines if line.startswith("has "))
    facts = frozenset(line for line in lines if line.endswith(("-booted", "-configured")))
    return Signs(osrelease.parse(os_release), has, facts)


def family_of(signs: Signs) -> str:
    """Raises MachineError with what was seen where it is none that fleet knows."""
    ident, variant = signs.os_release.get("ID", ""), signs.os_release.get("VARIANT_ID", "")
    has, facts = signs.commands, signs.facts
    if ident == "talos":
        return talos.OS
    if ident == "bottlerocket" or "apiclient" in has:
        return bottlerocket.OS
    if ident == "flatcar" and "update_engine_client" in has:
        return flatcar.OS
    if "ostree-booted" in facts:
        # Fedora CoreOS ships bootc too, but its deployments are rpm-ostree's until a person switches them.
        if "rpm-ostree" in has and (variant == "coreos" or "bootc-booted" not in facts):
            return rpm_ostree.OS
        if "bootc-booted" in facts:
            return bootc.OS
        if "ostree" in has:
            return ostree.OS
    if {"transactional-update", "snapper"} <= has:
        return transactional.OS
    if "rauc" in has and "rauc-configured" in facts:
        return rauc.OS
    seen = ", ".join([f"ID={ident or '?'}", *sorted(facts), *sorted(has)])
    raise MachineError(
        f"no immutable operating system that fleet knows ({', '.join(FAMILIES)}); it saw {seen}"
    )


async def detect(host: Host) -> str:
    """The family of the machine that the host leads to."""
    os_release = await checked(host, ("cat", "/etc/os-release"))
    return family_of(parse_signs(os_release, await checked(host, ("sh", "-c", _SCRIPT, "sh", *COMMANDS))))


def family(name: str, host: Host, source: str = "", node: str = "") -> Family:
    """Its Family on that host. Raises MachineError for a name that is none of FAMILIES."""
    match name:
        case rpm_ostree.OS:
            return rpm_ostree.RpmOstree(host, source)
        case bootc.OS:
            return bootc.Bootc(host)
        case ostree.OS:
            return ostree.Ostree(host)
        case flatcar.OS:
            return flatcar.Flatcar(host)
        case rauc.OS:
            return rauc.Rauc(host, source)
        case transactional.OS:
            return transactional.TransactionalUpdate(host, source)
        case bottlerocket.OS:
            return bottlerocket.Bottlerocket(host)
        case talos.OS:
            return talos.Talos(host, node, source)
    raise MachineError(f"no operating system {name!r}; known are {', '.join(FAMILIES)}")
