"""Asks Ansible for the hosts of an inventory, by a playbook of one task that writes their variables to a file."""

from __future__ import annotations

import asyncio
import codecs
import os
import sys
from collections.abc import Sequence
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
from msgspec import Struct

from fleet.core.records.errors import UsageError
from fleet.core.text.environment import for_others
from fleet.core.text.untrusted import UnreadableError, decode
from fleet.machines.host import shown
from fleet.system import programs

SECONDS = 120.0
"""Seconds that Ansible may take to read an inventory; a script may ask a cloud's API."""
MOST_BYTES = 16 << 20
_SAID_MOST = 1 << 16
"""The most bytes of Ansible's errors that are read."""


class AnsibleInventory(Struct, frozen=True):
    """The hosts as Ansible reports them."""

    hosts: dict[str, dict[str, Any]]
    """The variables of each host as a play has them, by the host's name."""
    unfilled: dict[str, tuple[str, ...]] = {}
    """Variables whose template refers to an undefined value, by the host's name."""


async def ask(path: Path, names: Sequence[str], secret: Sequence[str]) -> AnsibleInventory:
    """Asks Ansible for the hosts of an inventory.

    `names` are the wanted variables; for those in `secret` only their presence is returned.

    Raises UsageError where Ansible is missing or cannot read the inventory, and where fleet cannot read the answer.
    """
    if find_spec("ansible") is None:
        raise UsageError(
            f"{path} is an Ansible inventory, and Ansible is not installed", "pip install 'fleet[playbooks]'"
        )
    with TemporaryDirectory(prefix="fleet-inventory-") as folder:
        into = Path(folder) / "hosts.json"
        code, printed = await _play(path, into, names, secret)
        if code != 0:
            raise UsageError(
                f"{path} cannot be read by Ansible: {printed or f'exit {code}'}",
                "save the file without the byte order mark at its beginning: Ansible reads no INI with one"
                if await asyncio.to_thread(_is_marked, path)
                else f"ansible-inventory -i {path} --list",
            )
        content = await asyncio.to_thread(_beginning, into)
    if len(content) > MOST_BYTES:
        raise UsageError(f"{path} has more than {MOST_BYTES >> 20} MiB of host variables")
    try:
        return decode(content, AnsibleInventory)
    except UnreadableError as error:
        # Such as a number that JSON cannot express (.nan).
        raise UsageError(f"{path} has a host variable that cannot be read: {error}") from None


def _is_marked(path: Path) -> bool:
    """Returns whether the inventory is a file with a byte order mark."""
    if not path.is_file():
        return False
    with path.open("rb") as opened:
        return opened.read(3) == codecs.BOM_UTF8


def _beginning(file: Path) -> bytes:
    with file.open("rb") as opened:
        return opened.read(MOST_BYTES + 1)


def folder_of(path: Path) -> Path:
    """Returns the folder of the inventory, in which Ansible reads an ansible.cfg."""
    return path if path.is_dir() else path.parent


def _argv(path: Path, into: Path, names: Sequence[str], secret: Sequence[str]) -> tuple[str, ...]:
    playbook = Path(str(files("fleet.machines").joinpath("playbooks"))) / "read-inventory.yaml"
    variables = {"fleet_into": str(into), "fleet_names": names, "fleet_secret": secret}
    program = (sys.executable, "-P", "-m", "ansible", "playbook", str(playbook))
    return (*program, "-i", str(path.absolute()), "-e", msgspec.json.encode(variables).decode())


async def _play(path: Path, into: Path, names: Sequence[str], secret: Sequence[str]) -> tuple[int, str]:
    """Runs the playbook that writes the file `into`. Returns the exit code and Ansible's errors."""
    environ = for_others(os.environ) | _settings(into.parent)
    try:
        # An ansible.cfg beside the inventory counts.
        done = await programs.run(
            _argv(path, into, names, secret), environ, SECONDS, programs.last(_SAID_MOST), folder_of(path)
        )
    except TimeoutError:
        return -1, f"it has not ended after {SECONDS:.0f} s"
    return done.code, _errors(done.err.decode("utf-8", "replace"))


def _settings(folder: Path) -> dict[str, str]:
    return {
        "LC_ALL": "C.UTF-8",
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_FORCE_COLOR": "0",
        "ANSIBLE_RETRY_FILES_ENABLED": "False",
        "ANSIBLE_LOCAL_TEMP": str(folder / "tmp"),
        "ANSIBLE_REMOTE_TEMP": str(folder / "tmp"),
        # A source that cannot be read is an error, not an inventory with fewer hosts.
        "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "True",
        "ANSIBLE_INVENTORY_UNPARSED_FAILED": "True",
        "ANSIBLE_RUN_TAGS": "all",
        "ANSIBLE_SKIP_TAGS": "",
    }


def _errors(printed: str) -> str:
    """Returns the errors on one line, without secrets."""
    lines = [line for line in printed.splitlines() if "[WARNING]" not in line and "[DEPRECATION" not in line]
    return shown(" ".join(" ".join(lines).split()))
