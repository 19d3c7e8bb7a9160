"""What goes wrong around a host at the worst moments, and what becomes of its upgrade: judged by the journal and the host.

Real OSTree hosts in no cluster, driven over ssh. Each fault strikes in the middle of what it disturbs: the server of
releases stands still between what a release is made of and its files, or the machine is between two boots.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fleet.lab.machines import LabMachines
from fleet.lab.machines.images.disk import Disk
from tests.machines.two_hosts import VICTIM, Scene, added, boots, started, two_machines


@pytest.fixture(scope="module")
def machines(may_run_machines: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabMachines]:
    with two_machines(tmp_path_factory.mktemp("machines") / "m") as up:
        yield up


@pytest.fixture(scope="module")
def scene(machines: LabMachines, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return added(machines, tmp_path_factory.mktemp("fleet"))


def test_network_partition_during_staging_and_reboot_only_delays_them(
    scene: Scene, machines: LabMachines
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


def test_host_that_loses_power_while_staging_boots_the_old_release_and_stages_again(
    scene: Scene, machines: LabMachines
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
