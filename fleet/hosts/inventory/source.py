"""The current inventory, fleet's own or Ansible's, read again when it has changed."""

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
from fleet.hosts.inventory.inventory import HostInventory, raising_all, read, text

SCRIPT_SECONDS = 60
"""Seconds after which an inventory from a program is read again, since no file changes with it."""
MOST_FILES = 10_000
"""The most files of a folder that are checked for changes."""

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
    """Returns the inventory in fleet's own format. None where it is Ansible's: a folder, a program, groups in YAML, or
    a file name that is not YAML's. Raises as `load` does."""
    if path.is_dir() or _is_program(path):
        return None
    findings = Findings()
    document = compose(text(path), str(path), findings)
    if isinstance(document, Block):
        if ansible.is_groups(document):
            return None
    elif path.suffix not in _YAML:
        return None
    with raising_all(path, findings):
        return read(document, path, findings)


def _is_program(path: Path) -> bool:
    if not path.is_file() or not os.access(path, os.X_OK):
        return False
    with path.open("rb") as file:
        return file.read(4).startswith((b"#!", b"\x7fELF"))


def _state(path: Path) -> FileStates:
    """Returns the state of the inventory's files, which differs after each change."""
    looks = tuple(sorted(_look(path)))
    if any(is_program for *_, is_program in looks):
        return (*looks, int(time.monotonic() // SCRIPT_SECONDS))
    return looks


def _look(path: Path) -> Iterator[tuple[str, int, int, int, bool]]:
    """Yields for each file that counts its name, modification time, size, inode, and whether it is an executable
    inventory."""
    whole = path.is_dir()
    beside = () if whole else tuple(path.parent / name for name in ("group_vars", "host_vars", "ansible.cfg"))
    seen = 0
    for root in (path, *beside):
        for file in (root, *(root.rglob("*") if root.is_dir() else ())):
            if (seen := seen + 1) > MOST_FILES:
                return
            try:
                found = file.stat()
            except OSError:
                continue
            is_program = (whole or file == path) and _is_program(file)
            yield str(file), found.st_mtime_ns, found.st_size, found.st_ino, is_program
