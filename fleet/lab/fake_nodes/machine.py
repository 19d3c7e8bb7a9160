"""The operating system of the lab's fake nodes: a reboot changes on the Node object what a real reboot changes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol
from uuid import uuid4

from msgspec import Struct

from fleet.core.releases.release import Release
from fleet.lab.fake_nodes import node as fake
from fleet.lab.fake_nodes.node import (
    REBOOT_MS,
    STAGE_MS,
    FakeBoot,
    FakeDisk,
    FakeNode,
    FakeNodeFault,
    NodePatch,
)
from fleet.machines.agent.boot_log import LINES
from fleet.machines.errors import MachineError
from fleet.machines.families.family import Observation
from fleet.machines.progress import ReportPercent

OS = "simulated"
_PROGRESS_STEPS = 10
"""How many times a staging reports its progress."""


class MachineDurations(Struct, frozen=True):
    """Durations of a simulated machine, in seconds, unless its node's annotations give other values."""

    stage: float = 1.0
    reboot: float = 3.0


class NodeObject(Protocol):
    """One fake node's Node in an API server."""

    async def read(self) -> FakeNode:
        """Returns the Node as it is now. Raises FleetError."""
        ...

    async def change(self, change: Callable[[FakeNode], NodePatch | None]) -> bool:
        """Writes the patch that `change` returns for the newest state, and calls it again after a conflict with
        another writer.

        Returns False where `change` returns None. Raises FleetError.
        """
        ...


class FakeMachine:
    """The Family of one fake node, and its power button."""

    def __init__(self, node: NodeObject, settings: MachineDurations, now: Callable[[], datetime]) -> None:
        self._node = node
        self._settings = settings
        self._now = now

    async def observe(self) -> Observation:
        node = await self._node.read()
        disk, info = node.disk, node.status.node_info
        return Observation(
            OS, disk.booted, info.boot_id, info.kernel, disk.staged, disk.rollback, units=node.units
        )

    async def last_boot(self, unit: str = "", lines: int = LINES, known: str = "") -> str:
        """Returns the log as `BootLogReader.last_boot` does: a simulated machine keeps its log on its Node."""
        text = (await self._node.read()).annotations.get(fake.LOG)
        if text is None:
            raise MachineError("the machine's journal has no earlier boot (simulated)")
        return "".join([line for line in text.splitlines(keepends=True) if unit in line][-lines:])

    async def stage(self, release: Release, progress: ReportPercent, token: str = "") -> None:
        """Stages the release, as `Family.stage` does."""
        node = await self._node.read()
        seconds = node.seconds(STAGE_MS, self._settings.stage)
        for step in range(_PROGRESS_STEPS):
            progress(step * 100 // _PROGRESS_STEPS)
            await asyncio.sleep(seconds / _PROGRESS_STEPS)
            if node.fault is FakeNodeFault.STAGE_FAILS and step == _PROGRESS_STEPS // 2:
                await self._node.change(fake.fault_spent)
                raise MachineError(f"error: pulling {release.version}: No space left on device (simulated)")
        await self._node.change(lambda now: _with_staged(now, release))
        progress(100)

    async def roll_back(self) -> None:
        await self._node.change(_with_rollback_staged)

    async def mark_good(self) -> None:
        """Does nothing: a simulated machine has no boot loader that counts boots."""

    async def reboot(self) -> None:
        await self._node.change(self._switched_off)

    async def come_up(self) -> bool:
        """Waits until the current reboot is over and boots the machine. Returns False where the machine is up, or
        stays down."""
        node = await self._node.read()
        if node.boot is None:
            return False
        await asyncio.sleep(max(0.0, (node.boot.due - self._now()).total_seconds()))
        return await self._node.change(self._switched_on)

    async def become_ready(self) -> bool:
        """Makes a machine Ready that booted NotReady, once its fault has been removed. Returns False where nothing
        changed."""
        return await self._node.change(fake.ready_again)

    def _switched_off(self, node: FakeNode) -> NodePatch | None:
        if node.boot is not None:
            return None
        seconds = node.seconds(REBOOT_MS, self._settings.reboot)
        now = self._now()
        return fake.going_down(node, FakeBoot(str(uuid4()), now + timedelta(seconds=seconds)), now)

    def _switched_on(self, node: FakeNode) -> NodePatch | None:
        if node.boot is None or node.fault is FakeNodeFault.NEVER_BACK:
            return None
        return fake.booted(node, node.boot, self._now())


def _with_staged(node: FakeNode, release: Release) -> NodePatch:
    return fake.written(node, FakeDisk(node.disk.booted, release, node.disk.rollback))


def _with_rollback_staged(node: FakeNode) -> NodePatch | None:
    disk = node.disk
    if disk.rollback is None:
        raise MachineError("error: no rollback deployment found (simulated)")
    if disk.staged == disk.rollback:
        return None
    return fake.written(node, FakeDisk(disk.booted, disk.rollback, disk.rollback))
