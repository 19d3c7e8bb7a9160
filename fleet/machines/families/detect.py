"""Which family a machine's operating system is of: by what it says of itself, and by what it has booted."""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from fleet.machines.errors import MachineError
from fleet.machines.families import (
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
from fleet.machines.families.family import Family
from fleet.machines.host import Host, Ran, checked

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
for each in etc run usr/lib; do test -e "/$each/rauc/system.conf" && echo rauc-configured; done
echo end
"""
"""RAUC looks for its configuration in all three folders (src/context.c); older versions look in /etc alone."""


class Signs(Struct, frozen=True):
    os_release: dict[str, str]
    commands: frozenset[str] = frozenset()
    facts: frozenset[str] = frozenset()
    """`ostree-booted`, `rauc-configured`, `bootc-booted`."""
    bootc_failed: str = ""
    """Why what bootc has booted is not known: what it printed where it failed, or what of it is not understood."""


def parse_signs(os_release: str, text: str) -> Signs:
    """Raises MachineError where the script's answer is not whole."""
    lines = text.split("\n")
    if "end" not in lines:
        raise MachineError(f"the look at the machine broke off: {text[-300:]!r}")
    has = frozenset(line.removeprefix("has ") for line in lines if line.startswith("has "))
    facts = frozenset(line for line in lines if line.endswith(("-booted", "-configured")))
    return Signs(osrelease.parse(os_release), has, facts)


def family_of(signs: Signs) -> str:
    """Raises MachineError with what was seen where it is none that fleet knows, or bootc does not tell what it booted."""
    ident = signs.os_release.get("ID", "")
    has, facts = signs.commands, signs.facts
    if ident == "talos":
        return talos.OS
    if ident == "bottlerocket" or "apiclient" in has:
        return bottlerocket.OS
    if ident == "flatcar" and "update_engine_client" in has:
        return flatcar.OS
    if is_coreos(signs):
        return rpm_ostree.OS
    if "bootc-booted" in facts:
        return bootc.OS
    if "ostree-booted" in facts:
        if signs.bootc_failed:
            raise MachineError(
                f"bootc does not tell whether it has booted this machine: {signs.bootc_failed}. "
                "Mend it, or have an agent that is told the family (FLEET_OS, or its --os)"
            )
        if "rpm-ostree" in has:
            return rpm_ostree.OS
        if "ostree" in has:
            return ostree.OS
    if {"transactional-update", "snapper"} <= has:
        return transactional.OS
    if "rauc" in has and "rauc-configured" in facts:
        return rauc.OS
    seen = ", ".join(
        [f"ID={ident or '?'}", *sorted(facts), *sorted(has), *filter(None, [signs.bootc_failed])]
    )
    raise MachineError(
        f"no immutable operating system that fleet knows ({', '.join(FAMILIES)}); it saw {seen}"
    )


async def detect(host: Host) -> str:
    """The family of the machine that the host leads to."""
    os_release = await checked(host, ("cat", "/etc/os-release"))
    signs = parse_signs(os_release, await checked(host, ("sh", "-c", _SCRIPT, "sh", *COMMANDS)))
    if asks_bootc(signs):
        signs = with_bootc(signs, await host.run(bootc.STATUS))
    return family_of(signs)


def asks_bootc(signs: Signs) -> bool:
    """Only bootc can tell whether it has booted the machine."""
    return "bootc" in signs.commands and not is_coreos(signs)


def is_coreos(signs: Signs) -> bool:
    """Fedora CoreOS ships bootc too, but its deployments are rpm-ostree's until a person switches them."""
    coreos = signs.os_release.get("VARIANT_ID") == "coreos"
    return coreos and "ostree-booted" in signs.facts and "rpm-ostree" in signs.commands


def with_bootc(signs: Signs, ran: Ran) -> Signs:
    """With what `bootc status` told: it matters only on a machine that bootc may have booted."""
    if not ran.good:
        return replace(signs, bootc_failed=ran.words)
    try:
        told = bootc.is_bootc(bootc.parse(ran.stdout))
    except MachineError as error:
        return replace(signs, bootc_failed=error.message)
    return replace(signs, facts=signs.facts | {"bootc-booted"}) if told else signs


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
