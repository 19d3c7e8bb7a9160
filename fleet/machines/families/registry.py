"""The registry of OS families: one entry each, in the order in which detection asks them."""

from __future__ import annotations

from collections.abc import Mapping

from fleet.machines.errors import MachineError
from fleet.machines.families import (
    bootc,
    bottlerocket,
    flatcar,
    ostree,
    rauc,
    rpm_ostree,
    talos,
    transactional,
)
from fleet.machines.families.family import Family, OsFamily
from fleet.machines.host import Host

ALL: tuple[OsFamily, ...] = (
    talos.FAMILY,
    bottlerocket.FAMILY,
    flatcar.FAMILY,
    # bootc hosts have rpm-ostree and ostree too, and rpm-ostree hosts have ostree.
    bootc.FAMILY,
    rpm_ostree.FAMILY,
    ostree.FAMILY,
    transactional.FAMILY,
    rauc.FAMILY,
)
FAMILIES: Mapping[str, OsFamily] = {
    family.name: family for family in sorted(ALL, key=lambda family: family.name)
}


def connect(name: str, host: Host, source: str = "", node: str = "") -> Family:
    """Returns the Family of this name on that host. Raises MachineError for a name that is not in FAMILIES."""
    found = FAMILIES.get(name)
    if found is None:
        raise MachineError(f"no operating system {name!r}; known are {', '.join(FAMILIES)}")
    return found.connect(host, source, node)
