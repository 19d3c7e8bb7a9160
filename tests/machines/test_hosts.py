"""Real OSTree hosts in no cluster, upgraded over ssh: five of them, each reached in another way, as the README says; three
with the controller killed again and again, and with a release that does not boot."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fleet.lab.machines import LabMachines
from fleet.lab.machines.computer.command import run
from tests.machines import setups
from tests.machines.host import Host, powered
from tests.machines.sshd import Sshd, sshd

NAMES = ("till-1", "till-2", "till-3", "till-4", "till-5")
README_HAS = 3
"""So many of them."""
README = Path(__file__).parents[2] / "README.md"
SECTION = README.read_text().partition("## Hosts without Kubernetes")[2].partition("\n## ")[0]
BLOCKS = re.findall(r"```\w*\n(.*?)```", SECTION, re.DOTALL)
MORE = "  - {name: till-4, zone: a}\n  - {name: till-5, zone: b}\n"
"""Behind the README's inventory."""
BROKEN = "1.4"


class Fleet:
    """The command in a folder of its own, whose user has the hosts in `~/.ssh/config`."""

    def __init__(self, machines: LabMachines, folder: Path, jump: Sshd | None = None) -> None:
        """`jump`: each of five hosts is reached in another way, one of them through this server."""
        self.all = [Host(machines, each.name) for each in machines.all]
        self.hosts = self.all[:README_HAS]
        self.folder = folder
        self._home = folder / "user"
        (self._home / ".ssh").mkdir(parents=True)
        if jump is not None:
            setups.write(self._home / ".ssh", self.all, jump)
        else:
            (self._home / ".ssh/config").write_text(machines.ssh_config.read_text())
        self.policy = folder / "fleet.yaml"

    def popen(self, *arguments: str) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "HOME": str(self._home), "COLUMNS": "100", "NO_COLOR": "1"}
        environment.pop("SSH_AUTH_SOCK", None)
        argv = [sys.executable, "-m", "fleet.cli", *arguments]
        return subprocess.Popen(
            argv, cwd=self.folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def run(self, *arguments: str, code: int = 0) -> str:
        process = self.popen(*arguments)
        out, err = (text.decode() for text in process.communicate(timeout=400))
        assert process.returncode == code, (
            f"fleet {shlex.join(arguments)}: {process.returncode}\n{out}\n{err}"
        )
        return out

    def json(self, *arguments: str, code: int = 0) -> Any:
        return json.loads(self.run(*arguments, "-o", "json", code=code))

    def offer(self, machines: LabMachines, *versions: str) -> None:
        """The policy's releases are these, with the digests that they have here."""
        found = dict(machines.commits()) | _more(machines)
        lines = [f'      - {{version: "{each}", digest: "sha256:{found[each]}"}}\n' for each in versions]
        releases = re.compile(r"      - \{version: .*\}\n(      - \{version: .*\}\n)*")
        text = self.policy.read_text() if self.policy.exists() else BLOCKS[1]
        self.policy.write_text(releases.sub("".join(lines), text, count=1))

    def boots(self) -> list[str]:
        return [host.boot_id() for host in self.all]

    def plan(self) -> str:
        ident: str = self.json("plan", "--pool", "tills")["plan_id"]
        return ident


def _more(machines: LabMachines) -> dict[str, str]:
    refs = run("ostree", f"--repo={machines.repository}", "refs").split()
    ref = f"fleet-lab/{BROKEN}"
    return {BROKEN: run("ostree", f"--repo={machines.repository}", "rev-parse", ref)} if ref in refs else {}


@pytest.fixture(scope="module")
def machines(may_run_machines: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabMachines]:
    with powered(tmp_path_factory.mktemp("machines") / "m", NAMES) as up:
        yield up


@pytest.fixture(scope="module")
def fleet(machines: LabMachines, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with sshd(tmp_path_factory.mktemp("jump")) as jump:
        found = Fleet(machines, tmp_path_factory.mktemp("fleet"), jump)
        for host in found.all:
            host.wait_until_good()
        yield found


def test_the_five_commands_of_the_readme_upgrade_them(fleet: Fleet, machines: LabMachines) -> None:
    (fleet.folder / "hosts.yaml").write_text(BLOCKS[0] + MORE)
    fleet.offer(machines, "1.0", "1.1")
    before = fleet.boots()
    commands = [shlex.split(line, comments=True)[1:] for line in BLOCKS[2].splitlines()]
    assert len(commands) == 5
    message, ident = "", "p-9c41"
    for arguments in commands:
        message = fleet.run(*[ident if word == "p-9c41" else word for word in arguments])
        if planned := re.search(r"Start it: fleet rollout start (p-\w+)", message):
            ident = planned.group(1)
    assert "All 5 nodes run 1.1, each proven by a new boot" in message
    assert [host.version() for host in fleet.all] == ["1.1"] * 5
    assert [host.booted() for host in fleet.all] == [machines.commits()["1.1"]] * 5
    assert not set(before) & set(fleet.boots())
    assert all(host.run("ls /run/out-of-service 2>&1 || true").endswith("directory") for host in fleet.all)


def test_controller_killed_repeatedly_reboots_each_host_once(fleet: Fleet, machines: LabMachines) -> None:
    inventory = fleet.folder / "hosts.yaml"
    slow = BLOCKS[0].replace("touch /run/out-of-service", "'echo $FLEET_NODE >>/var/hook; sleep 4'")
    inventory.write_text(slow)
    fleet.offer(machines, "1.0", "1.1", "1.2")
    fleet.json("sync")
    boots = [_count(host) for host in fleet.hosts]
    ident, killed = fleet.plan(), 0
    starting = fleet.popen("rollout", "start", ident)
    assert starting.wait(60) == 0, starting.communicate()
    _kill_leader(fleet)
    deadline = time.monotonic() + 300
    while (state := fleet.json("rollout", "status", "r-2")["state"]) not in ("finished", "halted"):
        assert time.monotonic() < deadline, state
        controller = fleet.popen("run", "--until-idle")
        try:
            controller.wait(5)
        except subprocess.TimeoutExpired:
            killed += 1
        controller.kill()
        controller.communicate()
    assert killed >= 4
    assert state == "finished"
    assert [host.version() for host in fleet.hosts] == ["1.2"] * 3
    assert [_count(host) for host in fleet.hosts] == [count + 1 for count in boots]
    hooks = [host.run("cat /var/hook").split() for host in fleet.hosts]
    assert hooks == [[host.name] for host in fleet.hosts], "the job of a hook is found again"


def test_release_that_does_not_boot_is_rolled_back_and_halts_the_rollout(
    fleet: Fleet, machines: LabMachines, tmp_path: Path
) -> None:
    _commit_broken(machines, tmp_path)
    fleet.offer(machines, "1.0", "1.1", "1.2", BROKEN)
    before_hook, after_hook = "touch /run/out-of-service", "rm -f /run/out-of-service"
    inventory = (
        BLOCKS[0].replace(before_hook, "echo out >/var/service").replace(after_hook, "echo in >/var/service")
    )
    (fleet.folder / "hosts.yaml").write_text(inventory)
    fleet.json("sync")
    before = fleet.boots()
    fleet.run("rollout", "start", fleet.plan(), "--watch", code=1)
    status = fleet.json("rollout", "status", "r-3")
    assert status["state"] == "halted"
    assert f"booted 1.2 instead of {BROKEN}: rolled back" in json.dumps(status)
    after = fleet.boots()
    touched = [name for name, old, new in zip(NAMES, before, after, strict=True) if old != new]
    assert touched == ["till-1"], "the rest is as it was"
    assert [host.version() for host in fleet.hosts] == ["1.2"] * 3
    report = fleet.run("report", "r-3")
    assert "rolled back" in report and "till-1 systemd-journald" in report, (
        "with the log of the boot that failed"
    )
    assert fleet.hosts[0].run("cat /var/service") == "out", "it stays out until a person has looked"
    fleet.run("rollout", "abort", "r-3")
    fleet.run("rollout", "release", "till-1")
    _until(lambda: fleet.hosts[0].run("cat /var/service") == "in", "it is back in service")


def _commit_broken(machines: LabMachines, folder: Path) -> None:
    """1.2 with a boot check that never succeeds, and a version of its own."""
    delta = folder / "delta/usr/lib"
    (delta / "fleet-lab").mkdir(parents=True)
    check = delta / "fleet-lab/boot-check"
    check.write_text("#!/bin/sh\nsystemctl reboot\n")
    check.chmod(0o755)
    release = f'ID=fleet-lab\nVERSION_ID="{BROKEN}"\nPRETTY_NAME="Fleet Lab OS {BROKEN}"\n'
    (delta / "os-release").write_text(release)
    run(
        *("ostree", f"--repo={machines.repository}", "commit", "--no-xattrs", "--no-bindings"),
        *(f"--branch=fleet-lab/{BROKEN}", f"--add-metadata-string=version={BROKEN}"),
        *("--tree=ref=fleet-lab/1.2", f"--tree=dir={folder / 'delta'}"),
    )
    run("ostree", f"--repo={machines.repository}", "summary", "--update")


def _kill_leader(fleet: Fleet) -> None:
    """The one that `rollout start` has put into the background: SIGKILL."""
    arguments = f"--home\0{fleet.folder}\0run"
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_text()
        except OSError:
            continue
        if arguments in line:
            os.kill(int(folder.name), signal.SIGKILL)
            return
    pytest.fail("no controller in the background")


def _count(host: Host) -> int:
    return len(host.run("journalctl --list-boots --quiet").splitlines())


def _until(condition: Callable[[], bool], what: str, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.2)  # noqa: TID251 - between two looks at the condition
