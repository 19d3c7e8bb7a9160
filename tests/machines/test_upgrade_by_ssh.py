"""A real host with an OSTree root is upgraded and rolled back over ssh: its own systemd, its own reboots."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from fleet.core.objects.machine import Ask, Machine, Units
from fleet.core.releases.release import Release
from fleet.lab.machines import LabMachines
from fleet.machines import competing_updaters
from fleet.machines.access import SshAccess, SshAddress
from fleet.machines.agent.agent import AgentIntervals
from fleet.machines.agent.boot_log import JournalctlBootLog
from fleet.machines.agent.remote import RemoteAgent
from fleet.machines.errors import MachineError
from fleet.machines.families.detect import detect
from fleet.machines.families.ostree import Ostree
from fleet.machines.job import finish, unit_of
from fleet.machines.ssh.host import Limit, Ssh
from tests.machines.host import Host
from tests.unit.agent.world import ApiServer


@pytest.fixture(scope="module")
def host(machines: LabMachines) -> Host:
    found = Host(machines, "w1")
    found.wait_until_good()
    return found


def release(host: Host, version: str) -> Release:
    return Release(version, f"sha256:{host.machines.commits()[version]}")


def over_ssh(host: Host, scenario: Callable[[Ssh], Awaitable[None]]) -> None:
    async def run() -> None:
        ssh = Ssh(SshAddress(host.name), SshAccess(config=str(host.machines.ssh_config)), Limit())
        try:
            await scenario(ssh)
        finally:
            await ssh.close()

    asyncio.run(run())


def test_plain_ostree_host_is_recognised_and_no_other_updater_is_active(host: Host) -> None:
    async def scenario(ssh: Ssh) -> None:
        assert await detect(ssh) == "ostree"
        assert await competing_updaters.find_competing_updaters(ssh) == ()
        seen = await Ostree(ssh).observe()
        assert seen.booted.digest == release(host, "1.0").digest
        assert seen.boot_id == host.boot_id()

    over_ssh(host, scenario)


def test_reboot_scheduled_by_a_user_is_reported_and_left_alone(host: Host) -> None:
    """`shutdown` of a real systemd: nothing but its file shows it."""

    async def scenario(ssh: Ssh) -> None:
        (found,) = await competing_updaters.find_competing_updaters(ssh)
        assert found.kind == competing_updaters.SCHEDULED
        assert "a reboot is scheduled for 20" in found.message and "new disk" in found.message
        boot = (await Ostree(ssh).observe()).boot_id
        for act in (Ostree(ssh).stage(release(host, "1.1"), lambda _: None), Ostree(ssh).reboot()):
            with pytest.raises(MachineError, match=r"a reboot is scheduled.*shutdown -c"):
                await act
        seen = await Ostree(ssh).observe()
        assert (seen.boot_id, seen.staged) == (boot, None)

    host.run("shutdown -r +600 'new disk'")
    try:
        over_ssh(host, scenario)
    finally:
        host.run("shutdown -c")

    async def gone(ssh: Ssh) -> None:
        assert await competing_updaters.find_competing_updaters(ssh) == ()

    over_ssh(host, gone)


def test_job_ends_with_its_exit_code_and_leaves_nothing(host: Host) -> None:
    async def scenario(ssh: Ssh) -> None:
        good = await finish(ssh, "job/1", ("sh", "-c", "echo out; echo err >&2"))
        assert (good.code, good.stdout, good.stderr) == (0, "out\n", "err\n")
        bad = await finish(ssh, "job/2", ("sh", "-c", "echo no space >&2; exit 7"))
        assert (bad.code, bad.stderr) == (7, "no space\n")
        killed = await finish(ssh, "job/3", ("sh", "-c", "kill -9 $$"))
        assert killed.code == -9

    over_ssh(host, scenario)
    units = " ".join(unit_of(f"job/{number}") for number in (1, 2, 3))
    assert host.run(f"ls /run/fleet; systemctl list-units --all --no-legend {units}") == ""


def test_job_continues_without_the_connection_and_is_found_again(host: Host) -> None:
    argv = ("sh", "-c", "echo begun >>/run/begun; while ! test -e /run/go; do sleep 0.1; done; echo ended")

    async def begin(ssh: Ssh) -> None:
        work = asyncio.create_task(finish(ssh, "job/long", argv))
        async with asyncio.timeout(30):
            while not (await ssh.run(("test", "-e", "/run/begun"))).succeeded:  # noqa: ASYNC110 - a file of the host
                await asyncio.sleep(0.1)
        work.cancel()
        await asyncio.wait({work})

    async def end(ssh: Ssh) -> None:
        assert (await ssh.run(("systemctl", "is-active", unit_of("job/long")))).stdout == "active\n"
        work = asyncio.create_task(finish(ssh, "job/long", argv))
        await ssh.run(("touch", "/run/go"))
        assert (await work).stdout == "ended\n"

    over_ssh(host, begin)
    over_ssh(host, end)
    assert host.run("cat /run/begun") == "begun"


def test_remote_agent_stages_reboots_and_rolls_back(host: Host) -> None:
    old, new = release(host, "1.0"), release(host, "1.1")
    seconds = 300
    host.run("echo changed >/etc/fleet-mark")

    async def scenario(ssh: Ssh) -> None:
        api = ApiServer(Machine(host.name))
        agent = asyncio.create_task(RemoteAgent(api, Ostree(ssh), AgentIntervals(), look=0.5).run())
        try:
            for number, wanted in enumerate((new, old)):
                before = (await api.until(lambda machine: machine.reported, seconds)).boot_id
                for action in (Ask.STAGE, Ask.REBOOT):
                    token = f"r-{number}/{host.name}/{action}/0"
                    await api.ask(action, token, wanted)
                    machine = await api.until(lambda machine, token=token: _ended(machine, token), seconds)  # type: ignore[misc]
                    answer = machine.answer(token)
                    assert answer is not None
                    assert answer.state == "done", answer.message
                assert machine.boot_id != before
                assert machine.booted is not None
                assert machine.booted.digest == wanted.digest
                assert machine.etc is not None
                assert "A fleet-mark" in machine.etc.changed
        finally:
            agent.cancel()
            await asyncio.wait({agent})

    over_ssh(host, scenario)
    host.wait_until_good()
    assert host.version() == "1.0"


def _ended(machine: Machine, token: str) -> bool:
    answer = machine.answer(token)
    return answer is not None and answer.state != "working"


def test_failed_unit_and_log_of_the_previous_boot_are_reported(host: Host) -> None:
    async def scenario(ssh: Ssh) -> None:
        assert (await Ostree(ssh).observe()).units == Units("running")
        await ssh.run(("systemd-run", "--unit=app-gateway", "--service-type=oneshot", "false"))
        assert (await Ostree(ssh).observe()).units == Units("degraded", ("app-gateway.service",))
        await ssh.run(("systemctl", "reset-failed", "app-gateway.service"))
        assert "systemd" in await JournalctlBootLog(ssh).last_boot(lines=50)

    over_ssh(host, scenario)
