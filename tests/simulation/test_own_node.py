"""Histories in which the controllers are pods of a cluster that they upgrade: all faults, and the drains of their nodes."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

import pytest
from msgspec.structs import replace

from fleet.core.engine.decision import Decision
from fleet.core.engine.engine import Engine
from fleet.core.objects.node import NodeRef, Toleration
from fleet.core.objects.pod import Pod
from fleet.core.policy.treatment import CAPI_LABEL
from fleet.core.records.errors import StoreError
from fleet.core.records.held import Held
from fleet.core.rollout.action import AnyAction, Cordon, Evict, Reboot
from fleet.core.state.own_pod import DatabasePlace, OwnPod
from fleet.drivers.leadership import handing_over
from fleet.lab.simulation import history
from fleet.lab.simulation.builders import START, a_deployment
from fleet.lab.simulation.controller import ControllerProcess
from fleet.lab.simulation.history import History
from fleet.lab.simulation.scenario.scenario import Scenario, draw_scenario
from fleet.lab.simulation.world import Parts

SEEDS = range(1, 9)
NAME, NAMESPACE = "fleet-controller", "fleet-system"
REPLICAS = 2


class WatchedEngine(Engine):
    handing: Held | None = None

    def decide(self, now: Any) -> Decision:
        decision = super().decide(now)
        self.handing = handing_over(decision.held.values())
        return decision


class PodProcess(ControllerProcess):
    """A controller in a pod of the Deployment, which ends with its pod and hands over when it is to."""

    wrong: ClassVar[list[str]] = []
    """Leaders' own nodes that were cordoned, or leaders' pods that were evicted."""
    handed: ClassVar[list[str]] = []
    database: ClassVar[DatabasePlace] = "server"

    def __init__(self, world: Any, number: int, make: type[Engine]) -> None:
        pods = _pods(world)
        if not pods:
            raise StoreError("no pod of the controller is Ready")
        self.pod = pods[number % len(pods)]
        self.cluster = next(iter(world.models))
        own = OwnPod(self.cluster, NAMESPACE, self.pod.name, self.database)
        super().__init__(world, number, partial(WatchedEngine, own=own))  # type: ignore[arg-type]

    def turn(self) -> None:
        world: Any = self.world
        if all(pod.uid != self.pod.uid for pod in _pods(world)):
            self.alive = False
            world.log(f"{self.name} ends with its pod {self.pod.name}")
            world.later(world.at + 1.0, world._replace)
            return
        super().turn()
        if self.alive and not self.stopped and self.engine.handing is not None:  # type: ignore[attr-defined]
            self.alive = False
            self.handed.append(self.pod.node)
            world.log(f"{self.name} hands over")
            world.journal.take_over()
            world.later(world.at + 0.5, world._replace)

    def _send(self, actions: Any) -> None:
        self.wrong.extend(wrong for action in actions if (wrong := self._wrong(action)))
        super()._send(actions)

    def _on_own_node(self, action: AnyAction) -> bool:
        return action.node == NodeRef(self.cluster, self.pod.node)

    def _wrong(self, action: AnyAction) -> str:
        """Returns what must not happen, and does by this action; empty: nothing."""
        if not isinstance(action, Cordon) or not self._on_own_node(action):
            return ""
        alone = all(pod.node != self.pod.node for pod in _pods(self.world) if pod.uid != self.pod.uid)
        return action.node.name if alone else ""


class StayingProcess(PodProcess):
    """The only controller, which goes down and comes back with its node."""

    database = "volume"
    rebooted: ClassVar[list[str]] = []
    """Nodes that the controller on them has had rebooted."""

    def _wrong(self, action: AnyAction) -> str:
        if isinstance(action, Reboot) and self._on_own_node(action):
            self.rebooted.append(action.node.name)
        return action.pod.name if isinstance(action, Evict) and action.pod_uid == self.pod.uid else ""


def _pods(world: Any) -> list[Pod]:
    """The pods of the controller that run: Ready, on a node that is Ready."""
    snapshot = next(iter(world.models.values())).snapshot(START)
    ready = {node.name for node in snapshot.nodes if node.ready}
    return [
        pod
        for pod in snapshot.pods
        if pod.namespace == NAMESPACE and pod.ready and not pod.deleting and pod.node in ready
    ]


def with_controllers(seed: int) -> Scenario:
    """The scenario of the seed, with a Deployment of the controller in its first cluster."""
    scenario = draw_scenario(seed)
    first, *others = scenario.snapshots
    nodes = [node for node in first.nodes if node.ready and not node.unschedulable]
    workloads, pods = a_deployment(NAME, REPLICAS, nodes, NAMESPACE)
    grown = replace(first, workloads=(*first.workloads, *workloads), pods=(*first.pods, *pods))
    return replace(scenario, snapshots=(grown, *others))


def with_one_that_stays(seed: int) -> Scenario:
    """The scenario of the seed, with a single controller that a drain leaves on its node."""
    scenario = draw_scenario(seed)
    first, *others = scenario.snapshots
    nodes = [node for node in first.nodes if node.ready and not node.unschedulable]
    workloads, (pod,) = a_deployment(NAME, 1, nodes, NAMESPACE)
    cordons = Toleration("node.kubernetes.io/unschedulable", "Exists", effect="NoSchedule")
    pod = replace(pod, labels={**pod.labels, CAPI_LABEL: "skip"}, tolerations=(cordons,))
    grown = replace(first, workloads=(*first.workloads, *workloads), pods=(*first.pods, pod))
    return replace(scenario, snapshots=(grown, *others))


@pytest.mark.parametrize("seed", SEEDS)
def test_history_of_a_controller_that_goes_down_with_its_node_ends_well(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "draw_scenario", with_one_that_stays)
    monkeypatch.setattr(StayingProcess, "wrong", [])
    told = History(seed, parts=Parts(controller=StayingProcess))
    assert told.run() == [], "\n".join(told.world.lines[-30:])
    assert StayingProcess.wrong == []


def test_controller_reboots_its_own_node_in_some_of_the_histories(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "draw_scenario", with_one_that_stays)
    monkeypatch.setattr(StayingProcess, "rebooted", [])
    for seed in SEEDS:
        assert History(seed, faults=(), parts=Parts(controller=StayingProcess)).run() == []
    assert len(StayingProcess.rebooted) > len(SEEDS) / 2


@pytest.mark.parametrize("seed", SEEDS)
def test_history_of_controllers_that_upgrade_their_own_nodes_ends_well(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "draw_scenario", with_controllers)
    monkeypatch.setattr(PodProcess, "wrong", [])
    told = History(seed, parts=Parts(controller=PodProcess))
    assert told.run() == [], "\n".join(told.world.lines[-30:])
    assert PodProcess.wrong == []


def test_lead_is_handed_over_in_some_of_the_histories(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "draw_scenario", with_controllers)
    monkeypatch.setattr(PodProcess, "handed", [])
    for seed in SEEDS:
        History(seed, faults=(), parts=Parts(controller=PodProcess)).run()
    assert PodProcess.handed
