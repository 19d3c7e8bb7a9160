"""A virtual machine is upgraded by fleet from one kernel to another, and `uname -r` says so.

In software, without KVM: each boot takes a minute or more. Not in `make test`; `make qemu` runs it.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fleet.lab.machines import requirements
from fleet.lab.machines.images import kernels
from fleet.lab.machines.vm import NAME, Vm

OLD, NEW = kernels.VERSIONS
LIMIT = 5400
"""Seconds for everything, building included, on a computer that has much else to do."""


class Fleet:
    """The command in a folder of its own, whose user has the machine in `~/.ssh/config`."""

    def __init__(self, vm: Vm, folder: Path) -> None:
        self._folder = folder
        self._home = folder / "user"
        (self._home / ".ssh").mkdir(parents=True)
        (self._home / ".ssh/config").write_text(vm.ssh_config.read_text())
        inventory = f"defaults:\n  labels: {{pool: tills}}\nhosts:\n  - {{name: {NAME}, zone: a}}\n"
        (folder / "hosts.yaml").write_text(inventory)
        (folder / "fleet.yaml").write_text(_policy(vm.releases))

    def run(self, *arguments: str) -> str:
        environment = {**os.environ, "HOME": str(self._home), "COLUMNS": "120", "NO_COLOR": "1"}
        environment.pop("SSH_AUTH_SOCK", None)
        argv = [sys.executable, "-m", "fleet.cli", *arguments]
        done = subprocess.run(
            argv,
            cwd=self._folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=LIMIT,
        )
        assert done.returncode == 0, (
            f"fleet {shlex.join(arguments)}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        )
        return done.stdout

    def json(self, *arguments: str) -> Any:
        return json.loads(self.run(*arguments, "-o", "json"))


def _policy(releases: kernels.KernelReleases) -> str:
    """The release's kernel is in it: a boot into another one proves nothing."""
    known = "".join(
        f'      - {{version: "{each}", digest: "sha256:{releases.commits[each]}", kernel: "{releases.kernels[each]}"}}\n'
        for each in (OLD, NEW)
    )
    return (
        f"streams:\n  - name: stable\n    releases:\n{known}"
        "pools:\n  - name: tills\n    selector: {matchLabels: {pool: tills}}\n    stream: stable\n"
        "    soak: 10s\n    stage: {timeout: 30m}\n    reboot: {timeout: 30m}\n"
    )


@pytest.fixture(scope="module")
def vm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vm]:
    if lacking := requirements.lacking_for_vm():
        reason = f"no virtual machine here: this computer lacks {'; '.join(lacking)}"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    up = Vm.up(tmp_path_factory.mktemp("qemu") / "vm", progress=print)
    try:
        yield up
    finally:
        up.down()


@pytest.mark.timeout(LIMIT)
def test_kernel_changes_with_the_rollout(vm: Vm, tmp_path: Path) -> None:
    old, new = (vm.releases.kernels[each] for each in (OLD, NEW))
    assert old != new
    assert _said(vm, "uname -r") == old
    boot = _said(vm, "cat /proc/sys/kernel/random/boot_id")
    fleet = Fleet(vm, tmp_path)
    fleet.run("cluster", "add", "tills", "--hosts", "hosts.yaml", "--site", "here")
    assert old in json.dumps(fleet.json("status"))
    plan = fleet.json("plan", "--pool", "tills")["plan_id"]
    fleet.run("rollout", "start", plan, "--foreground")
    assert _said(vm, "uname -r") == new
    assert _said(vm, "cat /proc/sys/kernel/random/boot_id") != boot
    assert _said(vm, "awk -F'\"' '/^VERSION_ID/ { print $2 }' /usr/lib/os-release") == NEW
    fleet.run("sync")
    assert new in json.dumps(fleet.json("explain", NAME)), "the inventory has it"
    report = json.dumps(fleet.json("report", "r-1"))
    assert f'"kernel": "{new}"' in report, "and so has the proof"
    listed = _said(vm, "ostree admin status")
    assert vm.releases.commits[OLD] in listed, "the old release is still there to go back to"


def _said(vm: Vm, command: str) -> str:
    done = vm.run(command)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout.strip()
