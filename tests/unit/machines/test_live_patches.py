"""Live patches of the kernel, as the kernel's own files name them."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path

from msgspec.structs import replace

from fleet.core.objects.machine import LIVE_PATCHES_MOST, Machine
from fleet.core.releases.release import Release
from fleet.kube.actions.machine_client import status
from fleet.kube.kinds.machine import MACHINE, machine_of
from fleet.machines.agent.status import described
from fleet.machines.families.family import Observation
from fleet.machines.families.shared.shell import LIVE_PATCHES, live_patches
from tests.unit.machines.fakehost import FakeHost

SEEN = Observation("bootc", Release("1"), "boot-1", "6.1.0")


def printed(folder: Path) -> str:
    script = LIVE_PATCHES.replace("/sys/kernel/livepatch", str(folder))
    return subprocess.run(["sh", "-c", script], check=True, capture_output=True, text=True).stdout


def test_only_enabled_patches_are_printed(tmp_path: Path) -> None:
    assert printed(tmp_path / "missing") == printed(tmp_path) == ""
    for name, enabled in (("kpatch_5_14_0_427_1_2", "1\n"), ("lkp_Ubuntu_5_4", "0\n"), ("livepatch_odd", "")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "enabled").write_text(enabled)
    assert printed(tmp_path) == "kpatch_5_14_0_427_1_2\n"


def test_lines_that_are_no_module_are_left_out() -> None:
    host = FakeHost()
    host.live_patches = ["kpatch_b", "kpatch_a", "kpatch_a", "sh: not found", "", "x" * 300]
    assert asyncio.run(live_patches(host)) == ("kpatch_a", "kpatch_b")


def test_agent_reports_live_patches_within_the_bounds_of_the_schema() -> None:
    many = tuple(f"patch_{number:03}" for number in range(100))
    machine = described(Machine("n-1"), replace(SEEN, live_patches=many), None)
    assert machine.live_patches == many[:LIVE_PATCHES_MOST]
    assert status(machine)["livePatches"] == list(many[:LIVE_PATCHES_MOST])
    assert status(described(Machine("n-1"), SEEN, None))["livePatches"] is None


def test_live_patches_are_read_from_a_machine() -> None:
    text = b'{"metadata": {"name": "n-1"}, "status": {"os": "bootc", "livePatches": ["kpatch_a"]}}'
    assert machine_of(MACHINE.decode(text)).live_patches == ("kpatch_a",)
