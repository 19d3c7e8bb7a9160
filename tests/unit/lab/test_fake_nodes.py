"""The simulated operating system on a Node object that holds state."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from fleet.core.releases.release import Release
from fleet.lab.fake_nodes import node as fake
from fleet.lab.fake_nodes.machine import FakeMachine, MachineDurations
from fleet.lab.fake_nodes.node import FakeNode
from fleet.machines.errors import MachineError

OLD, NEW = Release("1.0", kernel="6.1"), Release("2.0", "sha256:02", "6.2")
NOW = datetime(2026, 11, 1, tzinfo=UTC)


class NodeInMemory:
    """Patches as the API server does where a simulated machine can see it: null deletes, conditions merge by type."""

    def __init__(self, annotations: Mapping[str, str] | None = None) -> None:
        self.object: dict[str, Any] = {
            "metadata": {"name": "n-1", "resourceVersion": "1", "annotations": dict(annotations or {})},
            "status": {
                "nodeInfo": {"bootID": "b1", "osImage": "Simulated OS 1.0", "kernelVersion": "6.1"},
                "conditions": [{"type": "Ready", "status": "True"}],
            },
        }
        self.others_write = 0
        """How often somebody else's write comes between a read and the patch that follows it."""
        self.boots = 0

    async def read(self) -> FakeNode:
        return msgspec.json.decode(json.dumps(self.object), type=FakeNode)

    async def change(self, change: Callable[[FakeNode], Mapping[str, object] | None]) -> bool:
        while (patch := change(await self.read())) is not None:
            if self._patched(patch):
                return True
        return False

    def _patched(self, patch: Mapping[str, object]) -> bool:
        change: Any = json.loads(json.dumps(patch))
        if self.others_write:
            self.others_write -= 1
            self._written()
        if change["metadata"]["resourceVersion"] != self.object["metadata"]["resourceVersion"]:
            return False
        self._written()
        for key, value in change["metadata"]["annotations"].items():
            self.annotate(key, value)
        info = change["status"].get("nodeInfo", {})
        self.boots += info.get("bootID", self.boot_id) != self.boot_id
        self.object["status"]["nodeInfo"].update(info)
        if "conditions" in change["status"]:
            self.object["status"]["conditions"] = change["status"]["conditions"]
        return True

    def annotate(self, key: str, value: str | None) -> None:
        annotations = self.object["metadata"]["annotations"]
        if value is None:
            annotations.pop(key, None)
        else:
            annotations[key] = value

    def _written(self) -> None:
        self.object["metadata"]["resourceVersion"] += "1"

    @property
    def annotations(self) -> dict[str, str]:
        found: dict[str, str] = self.object["metadata"]["annotations"]
        return found

    @property
    def boot_id(self) -> str:
        return str(self.object["status"]["nodeInfo"]["bootID"])

    @property
    def image(self) -> str:
        return str(self.object["status"]["nodeInfo"]["osImage"])

    @property
    def ready(self) -> str:
        return str(self.object["status"]["conditions"][0]["status"])


Tell = Callable[[NodeInMemory, FakeMachine], Awaitable[None]]


def story(scenario: Tell, **annotations: str) -> None:
    node = NodeInMemory({fake.PREFIX + key.replace("_", "-"): value for key, value in annotations.items()})
    asyncio.run(asyncio.wait_for(_told(scenario, node), 10))


async def _told(scenario: Tell, node: NodeInMemory) -> None:
    await scenario(node, FakeMachine(node, MachineDurations(stage=0.01, reboot=0.0), lambda: NOW))


async def stage(machine: FakeMachine) -> list[int]:
    percents: list[int] = []
    await machine.stage(NEW, percents.append)
    return percents


def test_new_machine_has_the_facts_of_its_node() -> None:
    async def scenario(node: NodeInMemory, machine: FakeMachine) -> None:
        seen = await machine.observe()
        assert (seen.booted, seen.staged, seen.boot_id, seen.kernel) == (OLD, None, "b1", "6.1")

    story(scenario)


def test_stage_and_reboot_change_what_a_real_machine_changes() -> None:
    async def scenario(node: NodeInMemory, machine: FakeMachine) -> None:
        percents = await stage(machine)
        assert percents == sorted(percents) and (percents[0], percents[-1]) == (0, 100)
        assert (node.image, node.boot_id) == ("Simulated OS 1.0", "b1")
        await machine.reboot()
        assert (node.ready, node.boot_id) == ("Unknown", "b1")
        assert fake.REBOOTING in node.annotations
        assert await machine.come_up()
        assert (node.image, node.ready, node.boots) == ("Simulated OS 2.0", "True", 1)
        assert not {fake.REBOOTING, fake.BOOT} & set(node.annotations)
        seen = await machine.observe()
        assert (seen.booted, seen.staged, seen.rollback, seen.kernel) == (NEW, None, OLD, "6.2")

    story(scenario)


def test_reboot_requested_twice_happens_once() -> None:
    async def scenario(node: NodeInMemory, machine: FakeMachine) -> None:
        await machine.reboot()
        to_come = (await node.read()).boot
        await machine.reboot()
        assert (await node.read()).boot == to_come
        assert [await machine.come_up(), await machine.come_up()] == [True, False]
        assert node.boots == 1

    story(scenario)


def test_boot_id_does_not_depend_on_the_process_that_boots_the_machine() -> None:
    async def scenario(node: NodeInMemory, machine: FakeMachine) -> None:
        await machine.reboot()
        other = FakeMachine(node, MachineDurations(), lambda: NOW)
        await asyncio.gather(machine.come_up(), other.come_up())
        assert node.boots == 1

    story(scenario)


def test_reboot_takes_its_time_even_if_its_process_restarts() -> None:
    async def scenario(node: NodeInMemory, machine: FakeMachine) -> None:
        await machine.reboot()
        boot = (await node.read()).boot
        assert boot is not None and (boot.due - NOW).total_seconds() == 90

    story(scenario, reboot_ms="90000")


def test_concurrent_writes_lose_nothing() -> None:
    async def scenario(node: NodeInMemory, machine: FakeMachine) -> None:
        node.others_write = 5
        await stage(machine)
        assert (await machine.observe()).staged == NEW

    story(scenario)


def test_rollback_boots_the_previous_deployment() -> None:
    async def scenario(node: NodeInMemory, machine: FakeMachine) -> None:
        with pytest.raises(MachineError, match="no rollback deployment"):
            await machine.roll_back()
        await stage(machine)
        await machine.reboot()
        await machine.come_up()
        await machine.roll_back()
        await machine.roll_back()
        await machine.reboot()
        await machine.come_up()
        seen = await machine.observe()
        assert (seen.booted, seen.rollback, node.image) == (OLD, NEW, "Simulated OS 1.0")

    story(scenario)


@pytest.mark.parametrize(("fail", "times"), [("stage-fails", 3), ("stage-fails:once", 1)])
def test_staging_can_fail(fail: str, times: int) -> None:
    async def scenario(node: NodeInMemory, machine: FakeMachine) -> None:
        for _ in range(times):
            with pytest.raises(MachineError, match="No space left on device"):
                await stage(machine)
        assert (await machine.observe()).staged is None
        if fail.endswith(":once"):
            await stage(machine)
            assert (await machine.observe()).staged == NEW

    story(scenario, fail=fail)


def test_old_version_can_boot_once() -> None:
    async def scenario(node: NodeInMemory, machine: FakeMachine) -> None:
        await stage(machine)
        await machine.reboot()
        await machine.come_up()
        seen = await machine.observe()
        assert (seen.booted, seen.rollback, seen.staged, node.boots) == (OLD, NEW, None, 1)
        await stage(machine)
        await machine.reboot()
        await machine.come_up()
        assert node.image == "Simulated OS 2.0"

    story(scenario, fail="old-version:once")


def test_machine_that_never_comes_back_does_once_the_fault_is_removed() -> None:
    async def scenario(node: NodeInMemory, machine: FakeMachine) -> None:
        await machine.reboot()
        assert not await machine.come_up()
        assert (node.boot_id, node.ready) == ("b1", "Unknown")
        node.annotate(fake.FAIL, None)
        assert await machine.come_up()
        assert (node.boots, node.ready) == (1, "True")

    story(scenario, fail="never-back")


def test_unready_kubelet_is_ready_once_the_fault_is_removed() -> None:
    async def scenario(node: NodeInMemory, machine: FakeMachine) -> None:
        await stage(machine)
        await machine.reboot()
        await machine.come_up()
        assert (node.image, node.ready, node.boots) == ("Simulated OS 2.0", "False", 1)
        assert fake.REBOOTING in node.annotations
        assert not await machine.become_ready()
        node.annotate(fake.FAIL, None)
        assert await machine.become_ready()
        assert fake.REBOOTING not in node.annotations

    story(scenario, fail="not-ready")


@pytest.mark.parametrize(
    ("annotations", "word"),
    [({"fail": "explode"}, "known are stage-fails"), ({"stage_ms": "soon"}, "not milliseconds")],
)
def test_unknown_fault_annotation_is_reported(annotations: dict[str, str], word: str) -> None:
    async def scenario(node: NodeInMemory, machine: FakeMachine) -> None:
        with pytest.raises(MachineError, match=word):
            await stage(machine)

    story(scenario, **annotations)
