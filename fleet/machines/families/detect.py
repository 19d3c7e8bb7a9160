"""Detects the family of a machine's operating system, by its os-release and by what it has booted."""

from __future__ import annotations

from fleet.machines.errors import MachineError
from fleet.machines.families import registry
from fleet.machines.families.shared import os_release
from fleet.machines.families.signs import Signs
from fleet.machines.host import Host, checked

_SCRIPT = """
for each in "$@"; do
  case "$each" in
    *=*) test -e "${each#*=}" && echo "is ${each%%=*}" ;;
    *) command -v "$each" >/dev/null 2>&1 && echo "has $each" ;;
  esac
done
echo end
"""
"""A script whose arguments are names of programs, and FACT=PATH for files."""


def _arguments() -> tuple[str, ...]:
    """Returns the arguments of the script: the programs and files of every family."""
    programs = [program for family in registry.ALL for program in family.programs]
    files = [
        f"{fact}={path}" for family in registry.ALL for fact, paths in family.files.items() for path in paths
    ]
    return tuple(dict.fromkeys([*programs, *files]))


def parse_signs(os_release_text: str, text: str) -> Signs:
    """Parses the output of the script. Raises MachineError where it broke off before its end."""
    lines = text.split("\n")
    if "end" not in lines:
        raise MachineError(f"the detection on the machine was interrupted: {text[-300:]!r}")
    has = frozenset(line.removeprefix("has ") for line in lines if line.startswith("has "))
    facts = frozenset(line.removeprefix("is ") for line in lines if line.startswith("is "))
    return Signs(os_release.parse(os_release_text), has, facts)


def family_of(signs: Signs) -> str:
    """Returns the name of the first family that recognizes the machine.

    Raises MachineError with the signs where none does, and where a family cannot decide.
    """
    for family in registry.ALL:
        if family.recognizes(signs):
            return family.name
    ident = signs.os_release.get("ID", "") or "?"
    seen = [f"ID={ident}", *sorted(signs.facts), *sorted(signs.programs), *signs.probe_errors.values()]
    raise MachineError(
        f"no immutable operating system that fleet knows ({', '.join(registry.FAMILIES)}); it found {', '.join(seen)}"
    )


async def detect(host: Host) -> str:
    """Returns the name of the family of the host's machine. Raises as `family_of` and `Host.run` do."""
    release = await checked(host, ("cat", "/etc/os-release"))
    signs = parse_signs(release, await checked(host, ("sh", "-c", _SCRIPT, "sh", *_arguments())))
    for family in registry.ALL:
        if family.probe is not None:
            signs = await family.probe(host, signs)
    return family_of(signs)
