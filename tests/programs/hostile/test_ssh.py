"""ssh servers that misbehave at each point of a connection fail by themselves, within bounds, and delay no other
host."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import pytest

from fleet.core.records.errors import FleetError, UnreachableError
from fleet.machines.access import SshAccess, SshAddress
from fleet.machines.host import MOST, CommandResult
from fleet.machines.ssh.host import Limit, Ssh
from tests.hostile_ssh import KINDS, hosts
from tests.unit.machines.fakehost import until

T = TypeVar("T")

MESSAGE = {
    "greets for ever": "it sends more than 1 MiB",
    "greets by the byte": "no answer within 2 s",
    "a packet without end": "it announces a packet of 107374",
    "ends no command": "has not ended after 2 s",
}
SLOW = 2
"""Seconds after which it is given up on who lets the time pass."""
MOST_SECONDS = 60
"""For who does not: so slow no machine is."""
SILENT = ("silent", "greets by the byte")
"""Kinds with which there is no connection before the time is up."""
ENDLESS = ("no answer to a command", "ends no command")
"""Kinds with which no command ends before the time is up."""


def well(argv: Sequence[str]) -> CommandResult:
    return CommandResult(tuple(argv), 0, "well\n")


def test_healthy_host_answers(tmp_path: Path) -> None:
    """Otherwise the tests below would prove nothing."""

    async def story(config: Path) -> None:
        host = Ssh(SshAddress("n-0"), SshAccess(config=str(config), sudo=False), Limit())
        try:
            assert (await host.run(("true",))).stdout == "well\n"
        finally:
            await host.close()

    with hosts(tmp_path, [""], [well], connect_seconds=MOST_SECONDS) as config:
        asyncio.run(story(config))


@pytest.mark.parametrize("kind", KINDS)
def test_host_of_each_kind_fails_alone(tmp_path: Path, kind: str) -> None:
    async def story(config: Path) -> str:
        host = Ssh(SshAddress("n-0"), SshAccess(config=str(config), sudo=False), Limit())
        try:
            ran = await host.run(("true",), SLOW if kind in ENDLESS else MOST_SECONDS)
            assert len(ran.stdout) <= MOST
            return ran.stdout[-5:]
        except FleetError as refused:
            assert len(refused.message) < 1000
            return refused.message
        finally:
            await host.close()

    seconds = SLOW if kind in SILENT else MOST_SECONDS
    with hosts(tmp_path, [kind], [well], [b"\xff" * (2 * MOST)], seconds) as config:
        tracemalloc.start()
        try:
            message = asyncio.run(story(config))
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert MESSAGE.get(kind, "") in message
    assert peak < (16 * MOST if kind.startswith("prints") else MOST)
    assert ("\ufffd" in message) == (kind == "prints garbage")


class Counted(Limit):
    """Knows how many commands have come to it, and have a place or wait for one."""

    come = 0

    async def run(self, doubtful: bool, call: Callable[[], T]) -> T:
        self.come += 1
        return await super().run(doubtful, call)


def never_give_up(config: Path) -> None:
    """From here on no host fails because the time is up."""
    config.write_text(config.read_text().replace(f"ConnectTimeout {SLOW}", f"ConnectTimeout {MOST_SECONDS}"))


def test_silent_hosts_take_at_most_half_of_the_connections(tmp_path: Path) -> None:
    """Of two connections one is left for healthy hosts, however many are silent."""

    async def story(config: Path) -> None:
        limit, access = Counted(2), SshAccess(config=str(config), sudo=False)
        all_of_them = [Ssh(SshAddress(f"n-{index}"), access, limit) for index in range(3)]
        silent, healthy = all_of_them[:2], all_of_them[2]
        try:
            for failed in await asyncio.gather(
                *(each.run(("true",)) for each in silent), return_exceptions=True
            ):
                assert isinstance(failed, UnreachableError)
            never_give_up(config)
            come = limit.come
            again = [asyncio.create_task(each.run(("true",))) for each in silent]
            await until(lambda: limit.come == come + len(again))
            ran = await healthy.run(("true",))
            assert ran.stdout == "well\n"
            # None of the silent ones has had its time yet: nobody has waited for them.
            assert not any(each.done() for each in again)
            for each in again:
                each.cancel()
            await asyncio.gather(*again, return_exceptions=True)
        finally:
            await asyncio.gather(*(each.close() for each in all_of_them))

    with hosts(tmp_path, ["silent", "silent", ""], [well] * 3, connect_seconds=SLOW) as config:
        asyncio.run(story(config))
