"""Converts Ansible's inventories (INI, YAML, scripts, folders) to fleet's: Ansible itself reads them, with groups and
templates.

docs/hosts.md lists the variables that count. Source of their meaning: ansible.builtin.ssh of ansible-core 2.19.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeVar

from fleet.config.document import forms, network_forms
from fleet.config.document.findings import Findings, SourcePlace
from fleet.config.document.fragment import Block, Fragment, Items, Scalar, is_nothing
from fleet.config.document.fragment import KeyEntry as Pair
from fleet.config.document.reader import Reader
from fleet.hosts.inventory.ansible_run import AnsibleInventory, folder_of
from fleet.hosts.inventory.inventory import (
    ADDRESS,
    SCRIPT,
    USER,
    WHERE,
    HookPlace,
    HostEntry,
    HostHook,
    HostInventory,
    duplicates,
    raising_all,
)
from fleet.machines.host import shown
from fleet.machines.ssh.configuration.keywords import LEFT_ALONE

T = TypeVar("T")

GROUP = "group.fleet.internal/"
"""The prefix of labels for groups: a host has a label with this prefix and the group's name for each of its groups,
with the value `true`."""

_SSH = ("ansible_ssh_common_args", "ansible_ssh_extra_args", "ansible_ssh_args")
PASSWORDS = (
    *("ansible_password", "ansible_ssh_pass", "ansible_ssh_password", "ansible_ssh_private_key_passphrase"),
    *("ansible_become_password", "ansible_become_pass"),
)
_ONLY: Mapping[str, frozenset[str]] = {
    "ansible_connection": frozenset(("ssh", "ansible.builtin.ssh", "smart", "paramiko", "paramiko_ssh")),
    "ansible_become_method": frozenset(("sudo", "ansible.builtin.sudo")),
    "ansible_become_user": frozenset(("root",)),
    "ansible_shell_type": frozenset(("sh", "ansible.builtin.sh")),
}
"""Variables with the values that fleet supports; other values would reach a host in another way than fleet does."""
_LIKE_FLEET = LEFT_ALONE | {"connecttimeout", "serveraliveinterval"}
"""Options of ssh that change neither which host or user is connected nor how that is verified."""
_QUIET = frozenset(("-C", "-q", "-v", "-T"))
"""Arguments of ssh that make no difference for fleet."""
NAMES = (
    *(
        "ansible_host",
        "ansible_ssh_host",
        "ansible_port",
        "ansible_ssh_port",
        "ansible_user",
        "ansible_ssh_user",
    ),
    *("ansible_ssh_private_key_file", "ansible_private_key_file", *_SSH, *_ONLY),
    *("fleet_zone", "fleet_site", "fleet_labels", "fleet_source", "fleet_cordoned"),
    *(f"fleet_{hook}{part}" for hook in ("before", "after", "ready") for part in ("", "_on", "_timeout")),
    "group_names",
)
"""The variables that Ansible is asked for. For passwords only whether they are set is asked."""


def is_groups(document: Block) -> bool:
    """Returns whether a YAML document is Ansible's: groups, each a mapping, or the settings of an inventory plugin.
    fleet's own inventory has a list of hosts."""
    if "plugin" in document.entries:
        return True
    return not {"hosts", "ssh", "defaults"} & document.entries.keys() and all(
        isinstance(entry.value, Block) or is_nothing(entry.value) for entry in document.entries.values()
    )


def inventory(path: Path, listed: AnsibleInventory) -> HostInventory:
    """Returns the inventory from the hosts that Ansible reported. Raises ConfigError with all mistakes, each with host
    and variable."""
    findings = Findings()
    with raising_all(path, findings):
        found = _hosts(path, listed, findings)
    return HostInventory(hosts=found)


def _hosts(path: Path, listed: AnsibleInventory, findings: Findings) -> tuple[HostEntry, ...]:
    folder = str(folder_of(path.absolute()))
    found = []
    for name, variables in listed.hosts.items():
        block = Block(0, {key: Pair(0, _fragment(value)) for key, value in variables.items()})
        reader = Reader(block, str(path), findings, f"hosts.{name}")
        for variable in listed.unfilled.get(name, ()):
            reader.problem("expected a value, found a template with an undefined variable", variable)
        found.append(_entry(name, reader, folder))
    for name, other in duplicates(found):
        findings.problem(
            SourcePlace(str(path), 0, f"hosts.{name}"),
            f"expected an address of its own, found that of {other}",
        )
    if not found:
        findings.problem(
            SourcePlace(str(path), 0), "expected an inventory with at least one host, found none"
        )
    return tuple(found)


def _entry(name: str, reader: Reader, folder: str) -> HostEntry:
    _refuse_other_ways(reader)
    try:
        forms.NAME.read(name)
    except ValueError:
        reader.problem(f"expected {forms.NAME_WORDS} as the host's name")
    return HostEntry(
        name=name,
        address=_first_of(reader, ("ansible_host", "ansible_ssh_host"), ADDRESS, ""),
        user=_first_of(reader, ("ansible_user", "ansible_ssh_user"), USER, ""),
        port=_first_of(reader, ("ansible_port", "ansible_ssh_port"), network_forms.PORT, 0),
        identity=_first_of(
            reader, ("ansible_ssh_private_key_file", "ansible_private_key_file"), forms.TEXT, ""
        ),
        zone=reader.value("fleet_zone", forms.LABEL_TEXT, ""),
        site=reader.value("fleet_site", forms.LABEL_TEXT, ""),
        labels=_groups(reader) | reader.pairs("fleet_labels", forms.LABEL_KEY, forms.LABEL_TEXT),
        source=reader.value("fleet_source", network_forms.SOURCE, ""),
        cordoned=reader.flag("fleet_cordoned", False),
        before=_hook(reader, "before", folder),
        after=_hook(reader, "after", folder),
        ready=_hook(reader, "ready", folder),
    )


def _first_of(reader: Reader, keys: tuple[str, str], form: forms.ValueForm[T], default: T) -> T:
    """Returns the value of a variable with two names, of which the first takes precedence."""
    return reader.value(next((key for key in keys if reader.has(key)), keys[0]), form, default)


def _groups(reader: Reader) -> dict[str, str]:
    """Returns a label for each group whose name is valid in a label; the group `ungrouped` has none."""
    names = reader.values("group_names", forms.TEXT)
    return {
        GROUP + name: "true"
        for name in names
        if name != "ungrouped" and re.fullmatch(forms.LABEL, GROUP + name)
    }


def _hook(reader: Reader, name: str, folder: str) -> HostHook | None:
    run = reader.value(f"fleet_{name}", SCRIPT, "")
    on: HookPlace = reader.value(f"fleet_{name}_on", forms.choice(WHERE), WHERE["host"])
    timeout = reader.value(f"fleet_{name}_timeout", forms.seconds(1), 30 if name == "ready" else 300)
    return HostHook(run, on, timeout, folder if on == "controller" else "") if run else None


def _refuse_other_ways(reader: Reader) -> None:
    """Adds a problem for each variable by which Ansible would reach the host in another way than fleet, or as another
    user: such a host must not be worked on."""
    for key, known in _ONLY.items():
        found = reader.value(key, forms.TEXT, "") if reader.has(key) else ""
        if found and found not in known:
            reader.problem(
                f"expected {min(known)}: fleet reaches hosts by ssh and sudo, found {shown(found)!r}", key
            )
    for key in PASSWORDS:
        if reader.has(key):
            reader.problem(
                "expected no password: fleet logs in with a key, and needs sudo without a password", key
            )
    for key in _SSH:
        for option in _unsupported_options(reader.value(key, forms.TEXT, "")) if reader.has(key) else ():
            reader.problem(
                f"expected {shown(option)} in the ssh configuration, where ssh, Ansible and fleet find it",
                key,
            )


def _unsupported_options(arguments: str) -> Iterator[str]:
    """Yields the arguments of ssh that change which host or user is connected, or how that is verified."""
    try:
        options = shlex.split(arguments)
    except ValueError:
        yield arguments
        return
    while options:
        option = options.pop(0)
        if option in _QUIET:
            continue
        if len(option) == 2 and options and not options[0].startswith("-"):
            option += f" {options.pop(0)}"
        keyword = option.removeprefix("-o").strip().replace("=", " ").split(" ")[0]
        if not option.startswith("-o") or keyword.lower() not in _LIKE_FLEET:
            yield option


def _fragment(value: object) -> Fragment:
    match value:
        case dict():
            return Block(0, {str(key): Pair(0, _fragment(entry)) for key, entry in value.items()})
        case list():
            return Items(0, tuple(_fragment(entry) for entry in value))
        case None:
            return Scalar(0, "", "nothing")
        case bool():
            return Scalar(0, str(value).lower(), "boolean")
        case int() | float():
            return Scalar(0, str(value), "number")
    return Scalar(0, str(value))
