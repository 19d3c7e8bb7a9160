"""The inventory as it is now, fleet's own or Ansible's: read anew when it has changed."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from pathlib import Path

from fleet.config.document.findings import Findings
from fleet.config.document.fragment import Block, compose
from fleet.hosts.inventory import ansible
from fleet.hosts.inventory.ansible_run import ask
from fleet.hosts.inventory.inventory import HostInventory, all_told, read, text

SCRIPT_SECONDS = 60
"""After which an inventory that a program tells is asked for anew: no file of it changes."""
MOST_FILES = 10_000
"""Of a folder, that are looked at for changes."""

_YAML = (".yaml", ".yml", ".json")

FileStates = tuple[object, ...]


class InventorySource:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._state: FileStates = ()
        self._known: HostInventory | None = None
        self._reading = asyncio.Lock()

    async def now(self) -> HostInventory:
        """Returns the inventory as it is now. Raises UsageError where it cannot be read, and ConfigError with its
        mistakes."""
        async with self._reading:
            state = await asyncio.to_thread(_state, self._path)
            if self._known is None or state != self._state:
                self._known = None
                self._known = await load(self._path)
                self._state = state
            return self._known


async def load(path: Path) -> HostInventory:
    """Reads an inventory. Raises UsageError where the file cannot be read, and ConfigError with all mistakes, each with
    file, line and key."""
    own = await asyncio.to_thread(_own, path)
    return own or ansible.inventory(path, await ask(path, ansible.NAMES, ansible.PASSWORDS))


def _own(path: Path) -> HostInventory | None:
    """None where it is Ansible's: a folder, a program, groups in YAML, or no YAML by its name. Raises as `load`."""
    if path.is_dir() or _is_program(path):
        return None
    findings = Findings()
    document = compose(text(path), str(path), findings)
    if isinstance(document, Block):
        if ansible.is_groups(document):
            return None
    elif path.suffix not in _YAML:
        return None
    with all_told(path, findings):
        return read(document, path, findings)


def _is_program(path: Path) -> bool:
    if not path.is_file() or not os.access(path, os.X_OK):
        return False
    with path.open("rb") as file:
        return file.read(4).startswith((b"#!", b"\x7fELF"))


def _state(path: Path) -> FileStates:
    """Another one when something was changed."""
    looks = tuple(sorted(_look(path)))
    if any(asked for *_, asked in looks):
        return (*looks, int(time.monotonic() // SCRIPT_SECONDS))
    return looks


def _look(path: Path) -> Iterator[tuple[str, int, int, int, bool]]:
    """Of each file that counts: its name, when it was changed, size, inode, and whether it is a program that is asked."""
    whole = path.is_dir()
    beside = () if whole else tuple(path.parent / each for each in ("group_vars", "host_vars", "ansible.cfg"))
    seen = 0
    for root in (path, *beside):
        for file in (root, *(root.rglob("*") if root.is_dir() else ())):
            if (seen := seen + 1) > MOST_FILES:
                return
            try:
                found = file.stat()
            except OSError:
                continue
            asked = (whole or file == path) and _is_program(file)
            yield str(file), found.st_mtime_ns, found.st_size, found.st_ino, asked
