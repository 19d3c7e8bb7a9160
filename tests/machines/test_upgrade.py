"""fleet's own code for plain OSTree, over ssh, on a machine that really boots another operating system."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from fleet.core.errors import UnreachableError
from fleet.core.release import Release
from fleet.lab.machines import Machines
from fleet.machines.os.detect import detect, family
from fleet.machines.os.family import MachineError, Observation
from fleet.machines.os.ostree import Ostree
from fleet.machines.ssh import Access, Address, Limit, Ssh


async def observed_after_reboot(system: Ostree, before: str, seconds: float = 240) -> Observation:
    deadline = time.monotonic() + seconds
    while True:
        try:
            seen = await system.observe()
            if seen.boot_id != before:
                return seen
        except (UnreachableError, MachineError):
            pass  # on its way down: /boot is unmounted while ssh still answers, and ostree says so; then nothing answers
        assert time.monotonic() < deadline, "the machine does not come back"
        await asyncio.sleep(0.2)


def reach(machines: Machines, name: str) -> Ssh:
    known = str(machines.directory / "ssh" / "known_hosts")
    access = Access(config=str(machines.ssh_config), known_hosts=(known,), agent=False)
    return Ssh(Address(name), access, Limit())


def on(machines: Machines, tell: Callable[[Ssh], Awaitable[None]]) -> None:
    async def run() -> None:
        host = reach(machines, "w1")
        try:
            await tell(host)
        finally:
            await host.close()

    asyncio.run(run())


def test_a_release_is_staged_booted_and_rolled_back_over_ssh(machines: Machines) -> None:
    first, second = (Release(each, f"sha256:{machines.commits()[each]}") for each in ("1.0", "1.1"))

    async def tell(host: Ssh) -> None:
        found = family(await detect(host), host)
        assert isinstance(found, Ostree)
        before = await found.observe()
        assert (before.booted, before.staged, before.rollback) == (first, None, None)

        percents: list[int] = []
        await found.stage(second, percents.append, "stage/1")
        staged = await found.observe()
        assert (staged.booted, staged.staged, staged.boot_id) == (first, second, before.boot_id)
        assert percents[-1] == 100

        await found.reboot()
        after = await observed_after_reboot(found, before.boot_id)
        assert (after.booted, after.staged, after.rollback) == (second, None, first)

        await found.roll_back()
        assert (await found.observe()).boots_next() == first
        await found.reboot()
        back = await observed_after_reboot(found, after.boot_id)
        assert back.booted == first

    on(machines, tell)
