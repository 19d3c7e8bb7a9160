"""The controller's way by playbooks: real ansible-runner over a real ssh server, on a host that holds state."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec import convert

from fleet.core.objects.machine import EtcChanges, Units
from fleet.core.records.errors import UnreachableError
from fleet.core.releases.release import Release
from fleet.machines.access import SshAccess, SshAddress
from fleet.machines.ansible import play
from fleet.machines.ansible.connection import Login
from fleet.machines.ansible.events import TaskResult
from fleet.machines.ansible.playbook import PlaybookRules, Playbooks
from fleet.machines.errors import MachineError
from fleet.machines.job import unit_of
from fleet.machines.ssh.configuration.settings import printed
from fleet.machines.ssh.host import Limit
from tests.playbooks.box import Box, lacking, release

NEW = convert(release("2.0"), Release)
SECRET = "hunter2"


class Environment:
    """A host, and the playbooks that work on it."""

    def __init__(self, folder: Path, box: Box, **rules: Any) -> None:
        self.box = box
        self.notes: list[tuple[str, TaskResult]] = []
        self.percents: list[int] = []
        config = folder / "config"
        config.write_text(
            f"Host box\n  HostName 127.0.0.1\n  Port {box.sshd.port}\n  User root\n"
            f"  IdentityFile {box.sshd.user_key}\n  UserKnownHostsFile {box.sshd.known_hosts}\n"
        )
        self.folder = folder / "played"
        login = Login(SshAddress("box"), SshAccess(config=str(config)), Limit())
        rules = {"look_seconds": 0.3, "boot_seconds": 300} | rules
        self.machine = Playbooks(
            "box",
            login,
            self.folder,
            PlaybookRules(**rules),
            lambda step, what: self.notes.append((step, what)),
        )

    def staged(self) -> None:
        """It is, without a playbook."""
        self.box.save(
            deployments=[{**release("2.0"), "serial": 0, "staged": True}, *self.box.state()["deployments"]]
        )

    async def stage(self, token: str = "r-1/box/stage/0") -> None:
        await self.machine.stage(NEW, self.percents.append, token)

    def messages(self) -> list[str]:
        return [f"{step}: {what.task}: {what.result}" for step, what in self.notes]

    def running(self) -> list[str]:
        """Processes of its runs."""
        mark = f"AWX_ISOLATED_DATA_DIR={self.folder}/"
        found = []
        for each in Path("/proc").glob("[0-9]*/environ"):
            try:
                if mark in each.read_bytes().decode("utf-8", "replace"):
                    found.append((each.parent / "cmdline").read_text().replace("\0", " "))
            except OSError:
                continue
        return found


@contextmanager
def made(folder: Path, **rules: Any) -> Iterator[Environment]:
    missing = lacking()
    if missing:
        assert not os.environ.get("CI"), missing
        pytest.skip(missing)
    play.refuse_without()
    box = Box(folder, "ostree")
    testbed = Environment(folder, box, **rules)
    try:
        yield testbed
    finally:
        asyncio.run(testbed.machine.close())
        box.close()


def written(folder: Path, name: str, tasks: str) -> Path:
    path = folder / f"{name}.yml"
    path.write_text(f"- name: Mine\n  hosts: all\n  gather_facts: false\n  tasks:\n{tasks}")
    return path


def raises(kind: type[Exception], work: Callable[[], Awaitable[object]]) -> str:
    async def run() -> None:
        await work()

    with pytest.raises(kind) as caught:
        asyncio.run(run())
    return str(caught.value)


def test_output_of_a_machine_is_never_executed_by_the_controller(tmp_path: Path) -> None:
    """Ansible carries out what stands in {{ }}, on the controller. A machine may call what it has staged as it likes, and
    is known to have the release by its digest."""
    done = tmp_path / "carried-out"
    name = f"{{{{ lookup('pipe', 'touch {done}') }}}}"

    async def scenario(testbed: Environment) -> None:
        now = testbed.box.state()["deployments"][0]
        testbed.box.save(deployments=[{**release("2.0"), "version": name, "serial": 0, "staged": True}, now])
        seen = await testbed.machine.observe()
        assert seen.staged == Release(name, NEW.digest)
        await testbed.machine.reboot()
        assert testbed.box.booted() == name

    with made(tmp_path) as testbed:
        asyncio.run(scenario(testbed))
    assert not done.exists()


def test_stage_reboot_and_rollback_are_reported(tmp_path: Path) -> None:
    async def scenario(testbed: Environment) -> None:
        box, machine = testbed.box, testbed.machine
        seen = await machine.observe()
        assert (seen.os, seen.booted, seen.boot_id) == (
            "ostree",
            convert(release("1.0"), Release),
            box.boot_id(),
        )
        assert seen.units == Units("running") and seen.kernel and seen.kernel_arguments
        box.save(looks=3, printed="Receiving objects; 45% (1/2)\r")
        await testbed.stage()
        assert box.next() == "2.0" and testbed.percents[0] == 45 and testbed.percents[-1] == 100
        seen = await machine.observe()
        assert seen.staged == NEW
        await machine.reboot()
        assert machine.news.is_set()
        assert box.booted() == "2.0"
        assert "journal of --boot=-1" in await machine.last_boot()
        before = box.boot_id()
        await machine.observe()
        await machine.roll_back()
        assert (box.next(), box.boot_id()) == ("1.0", before), "the reboot is another's"
        assert [each for each in testbed.messages() if each.startswith("stage")] == [
            "stage: Show what changes: changed",
            "stage: Begin the job, where it does not run yet: changed",
        ]

    with made(tmp_path) as testbed:
        asyncio.run(scenario(testbed))
        assert not testbed.running()
        assert len(list((testbed.folder / "facts/artifacts").iterdir())) == 1, "rotated"
        assert not list(testbed.folder.rglob("command")), "the environment is in it"
        assert testbed.folder.joinpath("facts").stat().st_mode & 0o777 == 0o700
        assert not list(testbed.folder.rglob("boot-1.log")), "what a machine logs stays there"


def test_etc_is_compared_with_the_release_once_a_boot(tmp_path: Path) -> None:
    async def scenario(testbed: Environment) -> None:
        box, machine = testbed.box, testbed.machine
        box.save(etc=["M    ssh/sshd_config", "A    a b"])
        assert (await machine.observe()).etc == EtcChanges(("A a b", "M ssh/sshd_config"))
        box.save(etc=["A    a b"])
        await testbed.stage()
        assert (await machine.observe()).etc == EtcChanges(("A a b", "M ssh/sshd_config")), "not asked again"
        await machine.reboot()
        await machine.last_boot()
        assert (await machine.observe()).etc == EtcChanges(("A a b",))

    with made(tmp_path) as testbed:
        asyncio.run(scenario(testbed))


def test_etc_that_cannot_be_compared_is_unknown(tmp_path: Path) -> None:
    with made(tmp_path) as testbed:
        testbed.box.save(etc=None)
        assert asyncio.run(testbed.machine.observe()).etc is None


def test_reboot_into_the_old_release_is_reported_as_a_reboot(
    tmp_path: Path,
) -> None:
    async def scenario(testbed: Environment) -> None:
        testbed.staged()
        testbed.box.save(falls_back=True)
        before = testbed.box.boot_id()
        await testbed.machine.reboot()
        seen = await testbed.machine.observe()
        assert seen.boot_id != before and seen.booted.version == "1.0"

    with made(tmp_path) as testbed:
        asyncio.run(scenario(testbed))
        assert "reboot: Refuse another release than the wanted one: failed" in testbed.messages()


def test_cancelled_stage_leaves_no_job(tmp_path: Path) -> None:
    async def scenario(testbed: Environment) -> None:
        testbed.box.save(looks=10**6)
        staging = asyncio.create_task(testbed.stage())
        async with asyncio.timeout(120):
            while not testbed.box.state()["units"]:  # noqa: ASYNC110 - between two looks at the condition
                await asyncio.sleep(0.1)
        assert testbed.running()
        staging.cancel()
        await asyncio.wait({staging})
        assert not testbed.running()
        unit = unit_of("r-1/box/stage/0")
        assert list(testbed.box.state()["units"]) == [unit]
        testbed.box.save(looks=0, units={unit: testbed.box.state()["units"][unit] | {"looks": 0}})
        await testbed.stage()
        assert (testbed.box.next(), len(testbed.box.ran())) == ("2.0", 1)

    with made(tmp_path) as testbed:
        asyncio.run(scenario(testbed))


def test_failure_reports_the_task_and_its_message(tmp_path: Path) -> None:
    with made(tmp_path) as testbed:
        testbed.box.sshd.know(testbed.box.sshd.user_key)
        assert "Host key verification failed" in raises(UnreachableError, testbed.machine.observe)
        testbed.box.sshd.know(testbed.box.sshd.host_key)
        gone = Release("9.9", release("9.9")["digest"])
        message = raises(MachineError, lambda: testbed.machine.stage(gone, lambda _: None))
        assert message.startswith(
            "Refuse a job that failed, with its own words: failed: ostree admin upgrade"
        )
        assert "No such object" in message
        (testbed.box.folder / "run/ostree-booted").unlink()
        assert "this host is box" in raises(MachineError, testbed.machine.observe)
        testbed.box.sshd.stop()
        fresh = Environment(tmp_path, testbed.box).machine
        message = raises(UnreachableError, fresh.reboot)
        assert "Look at what the host has booted: unreachable" in message
        asyncio.run(fresh.close())


def test_playbooks_of_the_user_replace_fleets_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that only asks for the reboot: the connection that it cuts is no error, and the boot is waited for."""
    monkeypatch.setenv("FLEET_DATABASE", f"postgresql://fleet:{SECRET}@db/fleet")
    reboot = written(
        tmp_path, "reboot", "    - name: Go\n      ansible.builtin.raw: cat /dev/null && systemctl reboot\n"
    )
    verify = written(
        tmp_path,
        "verify",
        f"    - name: Log in\n      ansible.builtin.raw: echo {SECRET}; exit 3\n      no_log: true\n"
        "      ignore_errors: true\n"
        f"    - name: Ask\n      ansible.builtin.raw: echo token={SECRET} >&2; exit 4\n",
    )

    async def scenario(testbed: Environment) -> None:
        testbed.staged()
        before = testbed.box.boot_id()
        await testbed.machine.reboot()
        assert testbed.box.boot_id() != before and testbed.box.booted() == "2.0"

    with made(tmp_path, own={"reboot": reboot, "verify": verify}) as testbed:
        asyncio.run(scenario(testbed))
        message = raises(MachineError, testbed.machine.mark_good)
        assert message == "Ask: failed: exit 4: token=[hidden]"
        events = "".join(
            each.read_text() for each in testbed.folder.rglob("verify/artifacts/*/job_events/*.json")
        )
        assert "censored" in events
        assert "postgresql" not in "".join(
            each.read_text(errors="replace") for each in testbed.folder.rglob("*") if each.is_file()
        )


def test_reboot_that_does_not_happen_is_an_error(tmp_path: Path) -> None:
    idle = written(tmp_path, "reboot", "    - name: Rest\n      ansible.builtin.raw: echo resting\n")
    with made(tmp_path, own={"reboot": idle}, boot_seconds=1) as testbed:
        message = raises(MachineError, testbed.machine.reboot)
        assert "it has not booted again within 1 s" in message


def test_step_for_no_host_and_facts_without_a_release_are_errors(
    tmp_path: Path,
) -> None:
    none = tmp_path / "none.yml"
    none.write_text("- name: Mine\n  hosts: tills\n  tasks: [{raw: systemctl reboot}]\n")
    quiet = written(tmp_path, "facts", "    - name: Look\n      ansible.builtin.raw: echo looked\n")
    idle = written(tmp_path, "stage", "    - ansible.builtin.meta: end_play\n")
    with made(tmp_path, own={"reboot": none, "verify": none, "stage": idle}, boot_seconds=300) as testbed:
        message = raises(MachineError, testbed.stage)
        assert message == "the playbook stage succeeded, but nothing is staged, not 2.0"
        testbed.staged()
        for step in (testbed.machine.reboot, testbed.machine.mark_good):
            message = raises(MachineError, step)
            assert message.startswith("nothing was done: no play matches box") and "Mine" in message
        assert testbed.box.booted() == "1.0"
        other = Environment(tmp_path, testbed.box, own={"facts": quiet}).machine
        assert "has not set fleet_now" in raises(MachineError, other.observe)
        asyncio.run(other.close())


def test_ansible_cfg_changes_neither_host_key_checks_nor_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many users have these lines; arguments of ssh go before its configuration."""
    real = shutil.which("ssh")
    if real is None:
        pytest.skip("openssh-client is not installed")
    tried = tmp_path / "tried"
    program = tmp_path / "bin" / "ssh"
    program.parent.mkdir()
    program.write_text(f"""\
#!/bin/sh
case " $* " in *" -G "*) exec {real} "$@" ;; esac
{real} -G "$@" >{tried}
exit 255
""")
    program.chmod(0o755)
    (tmp_path / "ansible.cfg").write_text("""\
[defaults]
host_key_checking = False
remote_user = mallory
remote_port = 99
private_key_file = /another/key
become = True
[ssh_connection]
ssh_args = -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null
ssh_extra_args = -o HostKeyAlias=another
ssh_executable = /another/ssh
""")
    (tmp_path / "config").write_text(f"Host box\n  User core\n  UserKnownHostsFile {tmp_path}/known\n")
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    monkeypatch.setenv("ANSIBLE_CONFIG", str(tmp_path / "ansible.cfg"))
    monkeypatch.setenv("ANSIBLE_SSH_HOST_KEY_CHECKING", "False")
    login = Login(SshAddress("box"), SshAccess(config=str(tmp_path / "config"), sudo=False), Limit())

    async def look() -> None:
        machine = Playbooks("box", login, tmp_path / "played", PlaybookRules(), lambda step, what: None)
        with pytest.raises(UnreachableError):
            await machine.observe()
        await machine.close()

    asyncio.run(look())
    reported = printed(tried.read_text())
    assert reported.first("stricthostkeychecking") in ("true", "yes")
    assert reported.first("userknownhostsfile") == f"{tmp_path}/known"
    assert (reported.first("user"), reported.first("port")) == ("core", "22")
    assert "/another/key" not in reported.values["identityfile"]
    assert "hostkeyalias" not in reported.values
