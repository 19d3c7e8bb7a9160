"""Two real hosts in a fleet, one of which is to have bad luck."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from fleet.core.objects.machine import Work
from fleet.hosts.record import HostRecords
from fleet.lab.machines import LabMachines
from fleet.machines.job import unit_of
from tests.machines.host import Host
from tests.machines.test_hosts import BLOCKS, Fleet

VICTIM, OTHER = NAMES = ("till-1", "till-2")
"""The first is the canary: while it is at work nobody else is."""


class Scene:
    """A rollout over three hosts, by a controller that runs as long as the scene."""

    def __init__(self, machines: LabMachines, folder: Path) -> None:
        self.machines = machines
        self.fleet = Fleet(machines, folder)
        self.hosts = [Host(machines, name) for name in NAMES]
        self.victim = Host(machines, VICTIM)
        self.rollout = ""
        self._records = HostRecords(folder / "hosts" / "tills")

    def wait(self, condition: Callable[[], object], what: str, seconds: float = 150) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"{what}: not after {seconds:.0f} s\n{self.reported()}"
            time.sleep(0.1)  # noqa: TID251 - between two looks at the condition

    def reported(self) -> str:
        """The explanation of the victim, and what each host reports of itself."""
        look = "hostname; systemctl is-system-running; systemctl --failed --no-legend; journalctl -b -p err -n 20 -o cat"
        message = [self.machines.run(host.name, look) for host in self.hosts]
        return "\n".join(
            [self.fleet.run("explain", VICTIM), *(each.stdout + each.stderr for each in message)]
        )

    @contextmanager
    def rolling(self, *versions: str) -> Iterator[subprocess.Popen[bytes]]:
        """From the first of these releases to the last one."""
        self.fleet.offer(self.machines, *versions)
        self.fleet.json("sync")
        ident = self.fleet.plan()
        controller = self.fleet.popen("rollout", "start", ident, "--foreground")
        try:
            yield controller
        finally:
            controller.kill()
            controller.communicate()

    def work(self, action: str) -> Work | None:
        """The answer of the victim's agent about this action; None while there is none."""
        work = self._records.read(VICTIM).machine.work
        return work if work is not None and f"/{action}/" in work.token else None

    def word(self, action: str) -> Work:
        """That it is at work on this."""
        word = self.work(action)
        assert word is not None and word.state == "working", word
        return word

    @contextmanager
    def cut_off(self) -> Iterator[None]:
        """Once it is noticed that the victim is not reached any more."""
        self.machines.cut_network(VICTIM)
        try:
            self.wait(lambda: not self.reached(), "that it is not reached is not noticed")
            yield
        finally:
            self.machines.restore_network(VICTIM)

    def reached(self) -> bool:
        return self._records.read(VICTIM).node.ready is not None

    def booted_by_the_loader(self) -> int:
        """How often the victim's boot loader has booted it, reached or not."""
        return self.machines.log(VICTIM).read_text(errors="replace").count("booting ")

    def finished(self, controller: subprocess.Popen[bytes], version: str) -> None:
        """The rollout has succeeded, and every host runs that release."""
        out, err = controller.communicate(timeout=240)
        assert controller.returncode == 0, f"{out.decode()}\n{err.decode()}\n{self.reported()}"
        commit = self.machines.commits()[version]
        assert [host.booted() for host in self.hosts] == [commit] * len(NAMES)


def boots(host: Host) -> int:
    return len(host.run("journalctl --list-boots --quiet").splitlines())


def started(host: Host, token: str) -> int:
    """How often the job of this token was started, over all boots."""
    lines = host.run(f"journalctl --quiet -o cat --unit={unit_of(token)} | grep -c ^Started || true")
    return int(lines)


@contextmanager
def two_machines(folder: Path) -> Iterator[LabMachines]:
    up = LabMachines.up(folder, NAMES, tied=True, progress=print)
    try:
        yield up
    finally:
        for name in NAMES:
            up.cut_power(name)
        up.down()


def added(machines: LabMachines, folder: Path) -> Scene:
    """Both hosts are up, and in a fleet, in no cluster of Kubernetes."""
    found = Scene(machines, folder)
    for host in found.hosts:
        host.wait_until_good()
    found.fleet.policy.write_text(BLOCKS[1].replace("soak: 10s", "soak: 1s"))
    hosts = "".join(line for line in BLOCKS[0].splitlines(keepends=True) if "till-3" not in line)
    (found.fleet.folder / "hosts.yaml").write_text(hosts)
    found.fleet.offer(machines, "1.0")
    found.fleet.run("cluster", "add", "tills", "--hosts", "hosts.yaml", "--site", "fra")
    return found
