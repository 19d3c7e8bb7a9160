"""An agent works on a real host through the namespaces of the host's process 1, as its pod does where the chart gives it
capabilities in place of a privileged container: without any other right."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from fleet.core.releases.release import Release
from fleet.lab.machines import LabMachines
from fleet.lab.machines.computer import cgroups
from fleet.machines.families.detect import detect
from fleet.machines.families.ostree import Ostree
from fleet.machines.job import finish
from fleet.machines.local import CAPABILITIES, OF_PROGRAMS, Local, namespaces
from tests.machines.host import Host
from tests.machines.test_capabilities import limited


@pytest.fixture(scope="module")
def host(machines: LabMachines) -> Host:
    found = Host(machines, "w1")
    found.wait_until_good()
    return found


def local(host: Host) -> Local:
    """Process 1 of the host, among all processes of this computer."""
    container = next(each.container for each in host.machines.all if each.name == host.name)
    first = [pid for pid in cgroups.processes(container) if _number_inside(pid) == 1]
    assert len(first) == 1, f"processes 1 of {container}: {first}"
    return Local((*limited((*CAPABILITIES, *OF_PROGRAMS)), *namespaces(first[0])))


def _number_inside(pid: int) -> int:
    """Its number in the innermost namespace of processes that it is in; 0 where it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return 0
    numbers = next(line for line in status.splitlines() if line.startswith("NSpid:")).split()[1:]
    return int(numbers[-1]) if len(numbers) > 1 else 0


def test_programs_of_the_host_stage_a_release_and_reboot_into_it(host: Host) -> None:
    async def story() -> None:
        before = local(host)
        assert await detect(before) == "ostree"
        ran = await finish(before, "job/1", ("sh", "-c", "hostname; exit 3"))
        assert (ran.code, ran.stdout) == (3, "w1\n")

        machine = Ostree(before)
        seen = await machine.observe()
        assert seen.boot_id == host.boot_id()
        wanted = Release("1.1", f"sha256:{host.machines.commits()['1.1']}")
        percents: list[int] = []
        await machine.stage(wanted, percents.append, "r-1/w1/stage/0")
        assert percents[-1] == 100
        staged = (await machine.observe()).staged
        assert staged is not None
        assert staged.digest == wanted.digest

        await asyncio.to_thread(host.reboot, lambda: asyncio.run(machine.reboot()))
        upgraded = Ostree(local(host))
        after = await upgraded.observe()
        assert after.boot_id != seen.boot_id
        assert after.booted.digest == wanted.digest
        assert after.rollback is not None
        assert after.rollback.digest == seen.booted.digest

        await upgraded.roll_back()
        queued = (await upgraded.observe()).staged
        assert queued is not None and queued.digest == seen.booted.digest

    asyncio.run(story())
