"""The stored record of each host: its node with fleet's marks, and its machine. One file for each host, replaced as a
whole.

The record has what an API server would keep. If it is lost nothing is done twice: the engine sets its marks again, and
the host itself shows what it has booted, what is staged, and which job runs.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from fleet.core.objects.machine import Machine
from fleet.core.objects.node import Node
from fleet.core.records.errors import FleetError
from fleet.core.text.untrusted import UNREADABLE
from fleet.hosts.ownership import Claim


class HostRecord(Struct, frozen=True):
    node: Node
    """The node as it was last observed, with fleet's own marks."""
    machine: Machine
    hooked: str = ""
    """The rollout whose hook `before` has begun, and whose hook `after` has not succeeded yet."""
    claim: Claim | None = None
    """The claim on the host at the last observation; None: there was none."""

    @classmethod
    def empty(cls, name: str, uid: str = "") -> HostRecord:
        return cls(Node(name, uid, ready=None), Machine(name, uid))


class HostRecords:
    """The records of one cluster of hosts. `changed` is called with the name of each host whose record has changed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._waiting: dict[str, set[asyncio.Event]] = {}
        self.changed: Callable[[str], None] = lambda _: None

    def read(self, name: str) -> HostRecord:
        """Returns the record of a host, an empty one where nothing is known. Raises FleetError for a file that fleet
        did not write."""
        path = self._path(name)
        try:
            return msgspec.json.decode(path.read_bytes(), type=HostRecord)
        except FileNotFoundError:
            return HostRecord.empty(name)
        except (OSError, *UNREADABLE) as error:
            raise FleetError(
                f"{path} cannot be read: {error}", "remove it: fleet observes the host again"
            ) from None

    def change(self, name: str, how: Callable[[HostRecord], HostRecord]) -> HostRecord:
        """Writes the record that `how` returns, and returns it. Raises what `how` raises."""
        with self._locked():
            before = self.read(name)
            after = how(before)
            if after == before:
                return before
            if after.machine != before.machine:
                version = int(before.machine.resource_version or 0) + 1
                after = replace(after, machine=replace(after.machine, resource_version=str(version)))
            self._write(name, after)
        for event in self._waiting.get(name, ()):
            event.set()
        self.changed(name)
        return after

    def own(self, name: str) -> OwnRecord:
        return OwnRecord(self, name)

    @contextmanager
    def waiting(self, name: str) -> Iterator[asyncio.Event]:
        """Yields an event that is set at each change of the record."""
        event = asyncio.Event()
        self._waiting.setdefault(name, set()).add(event)
        try:
            yield event
        finally:
            self._waiting[name].discard(event)

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.json"

    def _write(self, name: str, record: HostRecord) -> None:
        path = self._path(name)
        fresh = path.with_suffix(".new")
        with fresh.open("wb") as file:
            file.write(msgspec.json.encode(record))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._folder.mkdir(parents=True, exist_ok=True)
        file = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
        finally:
            os.close(file)


class OwnRecord:
    """The Machine of one host, for its agent (`fleet.machines.agent.own_machine.OwnMachine`)."""

    def __init__(self, records: HostRecords, name: str) -> None:
        self._records = records
        self._name = name

    async def watch(self) -> AsyncIterator[Machine]:
        with self._records.waiting(self._name) as changed:
            while True:
                changed.clear()
                yield self._records.read(self._name).machine
                await changed.wait()

    async def read(self) -> Machine:
        return self._records.read(self._name).machine

    async def report(self, machine: Machine) -> Machine | None:
        """Writes the machine's status, as `OwnMachine.report` does."""

        class Other(Exception):
            """Raised where the machine has another version by now."""

        def told(record: HostRecord) -> HostRecord:
            if record.machine.resource_version != machine.resource_version:
                raise Other
            return replace(record, machine=machine)

        try:
            return self._records.change(self._name, told).machine
        except Other:
            return None
