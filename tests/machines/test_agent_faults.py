"""Real hosts with real kubelets: an agent that is killed in the middle of a stage and of a reboot, a network that is cut in
the middle of a drain."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.lab.machines import Machines
from tests.machines.joined import joined, slow_to_stop
from tests.machines.scene import NAMES, VICTIM, Scene, added, boots, started, two_machines

ENDS = 5
"""Seconds that a pod takes to end."""


@pytest.fixture(scope="module")
def machines(may_run_machines: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    with two_machines(tmp_path_factory.mktemp("machines") / "m") as up:
        yield up


@pytest.fixture(scope="module")
def scene(machines: Machines, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return added(machines, tmp_path_factory.mktemp("fleet"))


def test_an_agent_that_is_killed_and_a_network_that_is_cut_in_the_middle_of_a_drain(
    scene: Scene, machines: Machines, tmp_path: Path
) -> None:
    with joined(machines, tmp_path, scene.wait) as cluster:
        fleet, before = cluster.fleet, boots(scene.victim)
        cluster.api.create("/apis/apps/v1/namespaces/default/deployments", slow_to_stop(VICTIM, ENDS))
        fleet.offer(machines, "1.0", "1.1")
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
