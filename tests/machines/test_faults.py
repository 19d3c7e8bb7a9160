"""What goes wrong around a host at the worst moments, and what becomes of its upgrade: judged by the journal and the host.

Real OSTree hosts, driven over ssh: in no cluster first, then as nodes of one, by an agent each. Each fault strikes in the
middle of what it disturbs: the server of releases stands still between what a release is made of and its files, the
machine is between two boots, or a pod takes its time to end.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fleet.core.machine import Work
from fleet.hosts.record import Records
from fleet.lab.machines import Machines
from fleet.lab.machines.disk import Disk
from fleet.machines.job import unit_of
from tests.machines.host import Host
from tests.machines.joined import joined, slow_to_stop
from tests.machines.test_hosts import BLOCKS, Fleet

VICTIM, OTHER = NAMES = ("till-1", "till-2")
"""The first is the canary: while it is at work nobody else is."""
ENDS = 5
"""Seconds that a pod takes to end."""


class Scene:
    """A rollout over three hosts, by a controller that runs as long as the scene."""

    def __init__(self, machines: Machines, folder: Path) -> None:
        self.machines = machines
        self.fleet = Fleet(machines, folder)
        self.hosts = [Host(machines, name) for name in NAMES]
        self.victim = Host(machines, VICTIM)
        self.rollout = ""
        self._records = Records(folder / "hosts" / "tills")

    def wait(self, condition: Callable[[], object], what: str, seconds: float = 150) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"{what}: not after {seconds:.0f} s\n{self.told()}"
            time.sleep(0.1)  # noqa: TID251 - between two looks at the condition

    def told(self) -> str:
        """What fleet says of the victim, and what each host says of itself."""
        look = "hostname; systemctl is-system-running; systemctl --failed --no-legend; journalctl -b -p err -n 20 -o cat"
        said = [self.machines.run(host.name, look) for host in self.hosts]
        return "\n".join([self.fleet.run("explain", VICTIM), *(each.stdout + each.stderr for each in said)])

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
        """The word of the victim's agent about this action; None while it has said none."""
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
            self.machines.mend_network(VICTIM)

    def reached(self) -> bool:
        return self._records.read(VICTIM).node.ready is not None

    def booted_by_the_loader(self) -> int:
        """How often the victim's boot loader has booted it, reached or not."""
        return self.machines.log(VICTIM).read_text(errors="replace").count("booting ")

    def finished(self, controller: subprocess.Popen[bytes], version: str) -> None:
        """The rollout ended well, and every host runs that release."""
        out, err = controller.communicate(timeout=240)
        assert controller.returncode == 0, f"{out.decode()}\n{err.decode()}\n{self.told()}"
        commit = self.machines.commits()[version]
        assert [host.booted() for host in self.hosts] == [commit] * len(NAMES)


def boots(host: Host) -> int:
    return len(host.run("journalctl --list-boots --quiet").splitlines())


def started(host: Host, token: str) -> int:
    """How often the job of this token was started, over all boots."""
    lines = host.run(f"journalctl --quiet -o cat --unit={unit_of(token)} | grep -c ^Started || true")
    return int(lines)


@pytest.fixture(scope="module")
def machines(may_run_machines: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    up = Machines.up(tmp_path_factory.mktemp("machines") / "m", NAMES, tied=True, progress=print)
    try:
        yield up
    finally:
        for name in NAMES:
            up.cut_power(name)
        up.down()


@pytest.fixture(scope="module")
def scene(machines: Machines, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    found = Scene(machines, tmp_path_factory.mktemp("fleet"))
    for host in found.hosts:
        host.wait_until_good()
    found.fleet.policy.write_text(BLOCKS[1].replace("soak: 10s", "soak: 1s"))
    hosts = "".join(line for line in BLOCKS[0].splitlines(keepends=True) if "till-3" not in line)
    (found.fleet.folder / "hosts.yaml").write_text(hosts)
    found.fleet.offer(machines, "1.0")
    found.fleet.run("cluster", "add", "tills", "--hosts", "hosts.yaml", "--site", "fra")
    return found


def test_a_network_that_is_cut_in_the_middle_of_a_stage_and_of_a_reboot_only_delays_them(
    scene: Scene, machines: Machines
) -> None:
    before, disk = boots(scene.victim), Disk(machines.directory / VICTIM / "disk")
    machines.hold_releases()
    with scene.rolling("1.0", "1.1") as controller:
        scene.wait(lambda: scene.work("stage"), "nothing is staged")
        with scene.cut_off():
            staging = scene.word("stage")
        scene.wait(scene.reached, "it is not reached again")
        machines.let_releases_go()

        booted = scene.booted_by_the_loader()
        scene.wait(lambda: scene.booted_by_the_loader() > booted, "it does not go down")
        with scene.cut_off():
            scene.wait(lambda: disk.entries()[0] in disk.good(), "it does not boot")
            scene.word("reboot")
        scene.finished(controller, "1.1")
    assert started(scene.victim, staging.token) == 1, "the job is found again"
    assert boots(scene.victim) == before + 1


def test_a_host_whose_power_is_cut_while_it_writes_a_release_boots_the_old_one_and_starts_over(
    scene: Scene, machines: Machines
) -> None:
    before, old = boots(scene.victim), scene.victim.boot_id()
    machines.hold_releases()
    with scene.rolling("1.1", "1.2") as controller:
        scene.wait(lambda: scene.work("stage"), "nothing is staged")
        word = scene.word("stage")
        scene.wait(lambda: started(scene.victim, word.token) == 1, "the job does not begin")
        machines.cut_power(VICTIM)
        machines.power_on(VICTIM)
        machines.wait_until_reachable(VICTIM)
        assert scene.victim.boot_id() != old
        assert scene.victim.booted() == machines.commits()["1.1"], "the old tree, whole"
        scene.wait(lambda: started(scene.victim, word.token) == 2, "staging does not start over")
        machines.let_releases_go()
        scene.finished(controller, "1.2")
    assert boots(scene.victim) == before + 2, "after the power cut, and one by fleet"


def test_an_agent_that_is_killed_and_a_network_that_is_cut_in_the_middle_of_a_drain(
    scene: Scene, machines: Machines, tmp_path: Path
) -> None:
    with joined(machines, tmp_path, scene.wait) as cluster:
        fleet, before = cluster.fleet, boots(scene.victim)
        cluster.api.create("/apis/apps/v1/namespaces/default/deployments", slow_to_stop(VICTIM, ENDS))
        fleet.offer(machines, "1.2", "1.1")
        scene.wait(lambda: VICTIM in cluster.running(), "the pod does not run")
        fleet.json("sync")
        machines.hold_releases()
        controller = fleet.popen("rollout", "start", fleet.plan(), "--foreground")
        try:
            scene.wait(lambda: cluster.work(VICTIM, "stage"), "nothing is staged")
            staging = cluster.work(VICTIM, "stage")["token"]
            scene.wait(lambda: started(scene.victim, staging) == 1, "the job does not begin")
            cluster.kill_agent(VICTIM)
            machines.let_releases_go()
            cluster.start_agent(VICTIM)

            scene.wait(lambda: cluster.leaving(VICTIM), "nothing is evicted")
            machines.cut_network(VICTIM)
            scene.wait(lambda: cluster.silent_seconds(VICTIM) > 3 * ENDS, "its kubelet is heard of")
            assert cluster.leaving(VICTIM), "nobody has told that the pod is gone"
            assert not cluster.work(VICTIM, "reboot")
            machines.mend_network(VICTIM)

            scene.wait(lambda: cluster.work(VICTIM, "reboot"), "it is not rebooted")
            cluster.kill_agent(VICTIM)
            cluster.start_agent(VICTIM)
            out, err = controller.communicate(timeout=240)
            assert controller.returncode == 0, (
                f"{out.decode()}\n{err.decode()}\n{fleet.run('explain', VICTIM)}"
            )
        finally:
            controller.kill()
            controller.communicate()
        assert [host.booted() for host in scene.hosts] == [machines.commits()["1.1"]] * len(NAMES)
        assert started(scene.victim, staging) == 1, "the job is found again"
        assert boots(scene.victim) == before + 1
