"""Agents of fake nodes on a real API server, in a process that is killed at bad moments."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from msgspec.structs import replace

from fleet.agent.runner import run_agent
from fleet.cli.main import run
from fleet.core.objects.machine import ETC_MOST, NAME_MOST, EtcChanges
from fleet.kube.client.credentials import CredentialSource
from fleet.kube.client.transport import Transport
from fleet.lab import Lab
from fleet.lab.fake_nodes.agents import ApiNode
from fleet.lab.fake_nodes.machine import FakeMachine, MachineDurations
from fleet.machines.agent.agent import AgentIntervals
from fleet.machines.families.family import Observation
from fleet.system.clock import WallClock
from tests.cluster.conftest import require_lab
from tests.cluster.installed import installed
from tests.cluster.rest import Cluster, Json
from tests.cluster.tokens import agent_pod, kubeconfig_with, token
from tests.cluster.watching import Watched

NODES = "/api/v1/nodes"
MACHINES = "/apis/fleet.internal/v1/machines"
NEW = {
    "version": "44.20261101.3.0",
    "digest": "sha256:new",
    "referenceDigest": "sha256:index",
    "kernel": "6.12.9",
}


class Environment:
    """A lab with fleet installed, and the process of its nodes' agents. Each test has two nodes of its own."""

    def __init__(self, lab: Lab, nodes: Watched, machines: Watched) -> None:
        self.cluster = Cluster(lab.kubeconfig)
        self.lab = lab
        self.nodes = nodes
        self.machines = machines
        self.name = ""
        self.other = ""
        self._process: subprocess.Popen[bytes] | None = None

    def add_nodes(self) -> None:
        self.name, self.other = self.lab.add_nodes(2)
        for name in (self.name, self.other):
            self.machines.until(name, lambda machine: machine.get("status", {}).get("bootID"))

    def running(self) -> bool:
        return self._process is not None

    def start(self) -> None:
        command = [sys.executable, "-m", "fleet.lab.fake_nodes.agents", str(self.lab.kubeconfig)]
        self._process = subprocess.Popen(command, env={**os.environ, "PYTHONUNBUFFERED": "1"})

    def end(self, with_signal: signal.Signals) -> int:
        """The exit code, negative for a signal."""
        assert self._process is not None
        self._process.send_signal(with_signal)
        process, self._process = self._process, None
        return process.wait(60)

    def stop(self) -> None:
        if self._process is not None:
            assert self.end(signal.SIGTERM) == 0

    def annotate(self, **annotations: str | None) -> None:
        changes = {f"lab.fleet.internal/{key.replace('_', '-')}": value for key, value in annotations.items()}
        self.cluster.patch(f"{NODES}/{self.name}", {"metadata": {"annotations": changes}})

    def ask(self, action: str, token: str, release: Json = NEW) -> None:
        spec = {"action": action, "token": token, "release": release}
        self.cluster.patch(f"{MACHINES}/{self.name}", {"spec": spec})

    def answer(self, token: str, state: str) -> Json:
        """The machine, once its agent has answered this token so."""
        return self.machines.until(
            self.name, lambda machine: self._word(machine, token).get("state") == state
        )

    def stage(self, token: str = "t-stage") -> None:
        self.ask("stage", token)
        self.answer(token, "done")

    def boot_ids(self) -> list[str]:
        """Of this node, in their order, without repeats in sequence."""
        ids: list[str] = []
        for node in self.nodes.versions(self.name):
            boot_id = node["status"]["nodeInfo"]["bootID"]
            if not ids or ids[-1] != boot_id:
                ids.append(boot_id)
        return ids

    def until_made_again(self, uid: str) -> None:
        """A Machine of another uid is there, and its agent has reported."""
        self.machines.until(
            self.name,
            lambda machine: machine["metadata"]["uid"] != uid and machine.get("status", {}).get("bootID"),
        )

    def until_node(self, ready: str, version: str) -> Json:
        return self.nodes.until(
            self.name,
            lambda node: (
                readiness(node) == ready
                and node["status"]["nodeInfo"]["osImage"] == f"Simulated OS {version}"
            ),
        )

    @staticmethod
    def _word(machine: Json, token: str) -> Json:
        work: Json = machine.get("status", {}).get("work") or {}
        return work if work.get("token") == token else {}


def readiness(node: Json) -> str:
    conditions = node["status"].get("conditions", [])
    return next((str(each["status"]) for each in conditions if each["type"] == "Ready"), "")


@pytest.fixture(scope="module")
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    require_lab(request.config)
    lab = Lab.up(tmp_path_factory.mktemp("lab") / "agents", tied=True, progress=print)
    cluster = Cluster(lab.kubeconfig)
    with ExitStack() as stack:
        stack.callback(lab.down)
        stack.enter_context(installed(lab.kubeconfig))
        nodes = stack.enter_context(Watched.of(cluster, NODES))
        machines = stack.enter_context(Watched.of(cluster, MACHINES))
        made = Environment(lab, nodes, machines)
        stack.callback(made.stop)
        yield made


@pytest.fixture
def testbed(shared: Environment) -> Environment:
    if not shared.running():
        shared.start()
    shared.add_nodes()
    return shared


def test_a_node_is_staged_and_rebooted_into_the_release(testbed: Environment) -> None:
    old = testbed.nodes.versions(testbed.name)[-1]["status"]["nodeInfo"]
    testbed.stage()
    machine = testbed.machines.versions(testbed.name)[-1]["status"]
    assert (machine["staged"], machine["bootID"]) == (NEW, old["bootID"])
    assert 0 < max(percents(testbed)[:-1]) < 100
    testbed.ask("reboot", "t-reboot")
    testbed.nodes.until(testbed.name, lambda node: readiness(node) == "Unknown")
    node = testbed.until_node("True", NEW["version"])
    machine = testbed.answer("t-reboot", "done")["status"]
    assert machine["booted"] == NEW
    assert machine["rollback"]["version"] == old["osImage"].removeprefix("Simulated OS ")
    assert machine["bootID"] == node["status"]["nodeInfo"]["bootID"] != old["bootID"]
    assert node["status"]["nodeInfo"]["kernelVersion"] == machine["kernel"] == NEW["kernel"]
    assert node["status"]["nodeInfo"]["kubeletVersion"] == old["kubeletVersion"]
    assert "lab.fleet.internal/rebooting" not in node["metadata"]["annotations"]
    assert len(testbed.boot_ids()) == 2
    assert len({each["status"]["nodeInfo"]["bootID"] for each in testbed.nodes.versions(testbed.other)}) == 1


def percents(testbed: Environment) -> list[int]:
    works = [each.get("status", {}).get("work") for each in testbed.machines.versions(testbed.name)]
    return [work.get("percent", 0) for work in works if work]


def test_agent_killed_while_staging_starts_the_staging_again(testbed: Environment) -> None:
    testbed.annotate(stage_ms="4000")
    testbed.ask("stage", "t-stage")
    testbed.machines.until(
        testbed.name, lambda machine: (machine["status"].get("work") or {}).get("percent", 0) > 0
    )
    assert testbed.end(signal.SIGKILL) == -signal.SIGKILL
    assert testbed.machines.versions(testbed.name)[-1]["status"]["work"]["state"] == "working"
    testbed.annotate(stage_ms="100")
    testbed.start()
    assert testbed.answer("t-stage", "done")["status"]["staged"] == NEW
    assert len(testbed.boot_ids()) == 1


def test_agent_killed_during_a_reboot_reboots_the_machine_once(testbed: Environment) -> None:
    testbed.stage()
    testbed.annotate(reboot_ms="1500")
    testbed.ask("reboot", "t-reboot")
    testbed.nodes.until(testbed.name, lambda node: readiness(node) == "Unknown")
    assert testbed.end(signal.SIGKILL) == -signal.SIGKILL
    assert len(testbed.boot_ids()) == 1
    testbed.start()
    assert testbed.answer("t-reboot", "done")["status"]["booted"] == NEW
    testbed.until_node("True", NEW["version"])
    assert len(testbed.boot_ids()) == 2


def test_agent_killed_between_report_and_reboot_still_reboots_once(testbed: Environment) -> None:
    """The state that such a kill leaves behind: the status has the answer with the boot id, and the machine is up."""
    testbed.stage()
    assert testbed.end(signal.SIGKILL) == -signal.SIGKILL
    work = {"token": "t-reboot", "state": "working", "bootID": testbed.boot_ids()[-1]}
    testbed.ask("reboot", "t-reboot")
    testbed.cluster.patch(f"{MACHINES}/{testbed.name}/status", {"status": {"work": work}})
    testbed.start()
    assert testbed.answer("t-reboot", "done")["status"]["booted"] == NEW
    assert len(testbed.boot_ids()) == 2


def test_restart_after_everything_is_done_changes_nothing(testbed: Environment) -> None:
    testbed.stage()
    testbed.ask("reboot", "t-reboot")
    testbed.answer("t-reboot", "done")
    testbed.until_node("True", NEW["version"])
    assert testbed.end(signal.SIGTERM) == 0
    before = len(testbed.machines.versions(testbed.name))
    # The agents of this node and of another start together; that the other has worked shows that they are up.
    testbed.start()
    other = {"spec": {"action": "stage", "token": "t-other", "release": NEW}}
    testbed.cluster.patch(f"{MACHINES}/{testbed.other}", other)
    testbed.machines.until(
        testbed.other, lambda machine: (machine["status"].get("work") or {}).get("state") == "done"
    )
    assert len(testbed.machines.versions(testbed.name)) == before
    assert len(testbed.boot_ids()) == 2


def test_staging_can_fail_once_and_then_succeed_with_another_token(testbed: Environment) -> None:
    testbed.annotate(fail="stage-fails:once")
    testbed.ask("stage", "t-1")
    machine = testbed.answer("t-1", "failed")
    assert "No space left on device" in machine["status"]["work"]["message"]
    assert "staged" not in machine["status"]
    testbed.stage("t-2")
    assert len(testbed.boot_ids()) == 1


def test_a_node_can_boot_the_old_version(testbed: Environment) -> None:
    old = testbed.machines.versions(testbed.name)[-1]["status"]["booted"]["version"]
    testbed.stage()
    testbed.annotate(fail="old-version")
    testbed.ask("reboot", "t-reboot")
    machine = testbed.answer("t-reboot", "done")["status"]
    assert machine["booted"]["version"] == old
    assert machine["work"]["message"] == f"booted {old}"
    testbed.until_node("True", old)
    assert len(testbed.boot_ids()) == 2


def test_a_node_can_stay_away_until_its_fault_is_cleared(testbed: Environment) -> None:
    testbed.stage()
    testbed.annotate(fail="never-back", reboot_ms="100")
    testbed.ask("reboot", "t-reboot")
    testbed.nodes.until(testbed.name, lambda node: readiness(node) == "Unknown")
    # Another node reboots in the meantime, which takes longer than this one's reboot would.
    testbed.cluster.patch(
        f"{MACHINES}/{testbed.other}", {"spec": {"action": "stage", "token": "o-1", "release": NEW}}
    )
    testbed.machines.until(testbed.other, lambda machine: machine["status"].get("staged") == NEW)
    node = testbed.nodes.versions(testbed.name)[-1]
    assert readiness(node) == "Unknown" and len(testbed.boot_ids()) == 1
    testbed.annotate(fail=None)
    testbed.answer("t-reboot", "done")
    testbed.until_node("True", NEW["version"])
    assert len(testbed.boot_ids()) == 2


def test_a_node_can_boot_the_release_and_not_become_ready(testbed: Environment) -> None:
    testbed.stage()
    testbed.annotate(fail="not-ready")
    testbed.ask("reboot", "t-reboot")
    assert testbed.answer("t-reboot", "done")["status"]["booted"] == NEW
    testbed.until_node("False", NEW["version"])
    testbed.annotate(fail=None)
    testbed.until_node("True", NEW["version"])
    assert len(testbed.boot_ids()) == 2


def test_user_reads_the_log_of_the_last_boot(
    testbed: Environment, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = ["--home", str(tmp_path)]
    add = ["cluster", "add", "lab", "--kubeconfig", str(testbed.lab.kubeconfig), "--site", "s"]
    assert run([*home, *add]) == 0
    assert run([*home, "node", "logs", testbed.name, "--last-boot"]) == 1
    assert "no earlier boot" in capsys.readouterr().err
    testbed.stage()
    testbed.annotate(fail="old-version")
    testbed.ask("reboot", "t-reboot")
    testbed.answer("t-reboot", "done")
    assert run([*home, "node", "logs", testbed.name, "--last-boot"]) == 0
    assert "Failed to start app-gateway.service" in capsys.readouterr().out
    left = testbed.machines.until(testbed.name, lambda machine: "log" not in machine["status"])
    assert "log" not in left["spec"] and left["spec"]["token"] == "t-reboot"


def test_fake_node_reports_failed_units(testbed: Environment) -> None:
    testbed.annotate(failed_units="a.service,b.service")
    testbed.machines.until(
        testbed.name,
        lambda machine: (
            machine["status"].get("units") == {"state": "degraded", "failed": ["a.service", "b.service"]}
        ),
    )
    testbed.annotate(failed_units=None)
    testbed.machines.until(
        testbed.name, lambda machine: machine["status"].get("units") == {"state": "running"}
    )


def test_added_and_removed_nodes_are_simulated(testbed: Environment) -> None:
    testbed.cluster.delete(f"{NODES}/{testbed.other}")
    testbed.cluster.delete(f"{MACHINES}/{testbed.other}")
    testbed.stage()
    testbed.machines.until_gone(testbed.other)
    testbed.add_nodes()
    testbed.stage("t-added")


def test_agents_wait_for_an_api_server_that_restarts_without_its_watch_history(testbed: Environment) -> None:
    """Watches go on from versions that etcd has no more: 410 Gone, and all is listed again."""
    testbed.lab.stop_apiserver()
    testbed.lab.compact_etcd()
    testbed.lab.start_apiserver()
    testbed.stage()
    testbed.ask("reboot", "t-reboot")
    testbed.answer("t-reboot", "done")
    assert len(testbed.boot_ids()) == 2


def test_deleted_machine_is_created_again(testbed: Environment) -> None:
    uid = testbed.machines.versions(testbed.name)[-1]["metadata"]["uid"]
    testbed.cluster.delete(f"{MACHINES}/{testbed.name}")
    testbed.until_made_again(uid)


LONGEST = EtcChanges(tuple(f"M {number:03d}{'x' * (NAME_MOST - 5)}" for number in range(ETC_MOST)), 5)


class MachineWithEtc(FakeMachine):
    """A fake machine with as many changed files in /etc as a Machine may report."""

    async def observe(self) -> Observation:
        return replace(await super().observe(), etc=LONGEST)


def test_agent_works_with_the_token_of_its_own_pod(testbed: Environment, tmp_path: Path) -> None:
    """As in a cluster: what it may do is what its ClusterRole and the admission policy let it do."""
    testbed.stop()
    uid = testbed.machines.versions(testbed.name)[-1]["metadata"]["uid"]
    bearer = token(testbed.cluster, agent_pod(testbed.cluster, testbed.name))
    identity = CredentialSource(kubeconfig_with(testbed.lab.kubeconfig, bearer, tmp_path / "agent"))
    testbed.cluster.delete(f"{MACHINES}/{testbed.name}")

    async def story() -> None:
        clock, stop = WallClock(), asyncio.Event()
        admin = Transport(CredentialSource(testbed.lab.kubeconfig), clock)
        machine = MachineWithEtc(ApiNode(admin, testbed.name), MachineDurations(), clock.now)
        agent = asyncio.create_task(
            run_agent(testbed.name, machine, identity, AgentIntervals(progress=0.2), stop)
        )
        try:
            await asyncio.to_thread(testbed.until_made_again, uid)
            await asyncio.to_thread(testbed.stage)
        finally:
            stop.set()
            await agent
            await admin.close()

    asyncio.run(story())
    status = testbed.machines.versions(testbed.name)[-1]["status"]
    assert status["staged"] == NEW
    assert status["etc"] == {"changed": list(LONGEST.changed), "more": LONGEST.more}
