"""An agent's own Machine, read from an API server that at times answers with invalid objects."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from fleet.core.objects.machine import EtcChanges, Machine
from fleet.core.records.errors import FleetError
from fleet.core.releases.release import Release
from fleet.kube.actions.machine_client import PATH, MachineInformer, decoded, status
from fleet.kube.client.credentials import CredentialSource
from fleet.kube.client.transport import Transport
from fleet.kube.kinds.machine import MACHINE, machine_of
from tests.kube_fake.server import ApiServer
from tests.kube_fake.world import QuickClock, write_kubeconfig


class TellingClock(QuickClock):
    """A clock that reports when it was slept on."""

    def __init__(self) -> None:
        super().__init__()
        self.used = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        self.used.set()
        await super().sleep(seconds)


def merged(patch: object) -> object:
    """What a merge patch makes of nothing (RFC 7386)."""
    if not isinstance(patch, dict):
        return patch
    return {key: merged(value) for key, value in patch.items() if value is not None}


def test_unreadable_machine_is_waited_for(tmp_path: Path) -> None:
    async def story() -> None:
        async with asyncio.timeout(20), ApiServer() as server:
            clock = TellingClock()
            transport = Transport(
                CredentialSource(write_kubeconfig(tmp_path / "kubeconfig", server.url)), clock
            )
            machines = MachineInformer(transport, clock, "n-1")
            await server.put(PATH, {"metadata": {"name": "n-1"}, "status": {"bootID": ["?"]}})
            watching = asyncio.create_task(machines.run())
            with pytest.raises(FleetError, match="cannot be read"):
                await machines.client("n-1").read()
            await clock.used.wait()
            assert not watching.done()
            await server.put(PATH, {"metadata": {"name": "n-1"}, "status": {"bootID": "b-1"}})
            async for machine in machines.client("n-1").watch():
                assert machine.boot_id == "b-1"
                break
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            await transport.close()

    asyncio.run(story())


@pytest.mark.parametrize(
    "booted",
    [
        Release("44.2", "sha256:aa", "6.2.0", reference_digest="sha256:11"),
        Release("44.2", "sha256:aa"),
        Release("", "sha256:aa", reference_digest="sha256:11"),
    ],
)
def test_controller_reads_releases_as_the_agent_reports_them(booted: Release) -> None:
    results = status(Machine("n-1", os="bootc", boot_id="b-1", booted=booted, reported=True))
    found = decoded(msgspec.json.encode({"metadata": {"name": "n-1"}, "status": merged(results)}))
    assert found.booted == booted


def test_older_agent_reports_no_image_reference() -> None:
    results = {"booted": {"version": "44.2", "digest": "sha256:aa"}}
    found = decoded(msgspec.json.encode({"metadata": {"name": "n-1"}, "status": results}))
    assert found.booted == Release("44.2", "sha256:aa")


@pytest.mark.parametrize("etc", [None, EtcChanges(), EtcChanges(("M ssh/sshd_config",), 3)])
def test_nothing_changed_in_etc_is_told_apart_from_nothing_known(etc: EtcChanges | None) -> None:
    sent = merged(status(Machine("n-1", boot_id="b", etc=etc)))
    body = msgspec.json.encode({"metadata": {"name": "n-1"}, "status": sent})
    assert machine_of(MACHINE.decode(body)).etc == etc
