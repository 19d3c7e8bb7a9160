"""The blockers of nodes from the start of a rollout on, before the engine has asked for them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from msgspec.structs import replace

from fleet.core.cluster.snapshot import Snapshot
from fleet.core.engine.engine import Engine
from fleet.core.objects.node import CORDON_ANNOTATION, NodeRef
from fleet.core.records.held import Held
from fleet.core.records.reasons.reason import Reason
from fleet.core.rollout.commands import RolloutAborted
from fleet.core.rollout.event import ClusterLost, ClusterSynced, Upserted
from fleet.core.rollout.goal import Goal, Start
from fleet.core.rollout.rollout import Rollout
from fleet.core.rollout.steps import Step
from fleet.drivers.foresight import AGAIN, FRESH, PAUSE, Foresight
from fleet.lab.simulation.builders import NEW, START, a_node, a_policy, a_pool, a_snapshot
from tests.unit.app.homes import small_cluster


class Board:
    """An engine on one cluster, and the blockers that are shown of it."""

    def __init__(self, snapshot: Snapshot | None = None) -> None:
        self.snapshot = snapshot or small_cluster()
        self.engine = Engine({"east": "fra"})
        self.foresight = Foresight(self.engine)
        self.now = START
        self.held: dict[str, tuple[Held, ...]] = {}
        goals = tuple(
            Goal(NodeRef("east", node.name), node.uid, "workers", canary=node.name == "n-1")
            for node in self.snapshot.nodes
        )
        policy = a_policy(a_pool(canaries=1))
        self.engine.add(Rollout("r-1", Start("p-1", NEW, policy, goals), START, "ada"))

    def sync(self) -> None:
        for thing in self.snapshot.objects():
            self.engine.observe(Upserted("east", thing), self.now)
        self.engine.observe(ClusterSynced("east", "v1.36.3"), self.now)

    def turn(self, after: timedelta = PAUSE) -> Mapping[NodeRef, tuple[Held, ...]]:
        self.now += after
        news = self.foresight.changed_reasons(self.engine.decide(self.now), self.now)
        self.held |= {ref.name: reasons for ref, reasons in news.items()}
        return news

    def reasons(self, name: str) -> list[Reason]:
        return [held.reason for held in self.held.get(name, ())]

    def step(self, name: str) -> Step:
        return self.engine.rollouts["r-1"].runs[NodeRef("east", name)].step


def test_reasons_that_need_an_operator_are_shown_before_their_turn() -> None:
    board = Board()
    board.turn()
    assert {held.reason for reasons in board.held.values() for held in reasons} == {Reason.UNREACHABLE}, (
        "nobody has seen the cluster yet"
    )
    board.sync()
    board.turn()
    assert {board.step(name) for name in ("n-2", "n-3", "n-4")} == {Step.PENDING}, "the canary comes first"
    assert board.reasons("n-2") == [Reason.FOREIGN_CORDON]
    assert board.reasons("n-3") == [Reason.BUDGET_NEVER]
    assert not board.reasons("n-1") and not board.reasons("n-4"), "the canary's turn is nothing to mend"
    assert not board.turn(), "nothing is new"


def test_resolved_and_new_reasons_are_shown() -> None:
    board = Board()
    board.sync()
    board.turn()
    cordoned, open_ = board.snapshot.nodes[1], board.snapshot.nodes[3]
    board.engine.observe(Upserted("east", replace(cordoned, unschedulable=False)), board.now)
    board.engine.observe(Upserted("east", replace(open_, unschedulable=True)), board.now)
    assert not board.turn(PAUSE / 2), "it looks ahead now and then"
    board.turn()
    assert not board.reasons("n-2")
    assert board.reasons("n-4") == [Reason.FOREIGN_CORDON]


def test_node_whose_run_has_ended_is_no_longer_held() -> None:
    board = Board()
    board.sync()
    board.turn()
    board.engine.command(RolloutAborted(rollout="r-1"), board.now, "ada")
    board.turn()
    assert board.step("n-2") is Step.CANCELLED
    assert not any(board.held.values())


def test_reasons_of_the_engine_are_shown_beside_them() -> None:
    board = Board()
    board.sync()
    board.turn()
    board.engine.observe(ClusterLost("east", "connection refused"), board.now)
    board.turn()
    assert Reason.UNREACHABLE in board.reasons("n-1")


def test_cluster_led_by_another_controller_is_not_called_unreachable() -> None:
    board = Board()
    board.turn()
    (unread,) = board.held["n-1"]
    assert unread.params["why"], "it says that nobody has read it yet"
    board.sync()
    board.turn()
    board.engine.observe(ClusterLost("east", "led by fleet@b", led_by_another=True), board.now)
    board.turn()
    (held,) = board.held["n-1"]
    assert (held.reason, held.params["why"]) == (Reason.LED_BY_ANOTHER, "led by fleet@b")
    board.engine.observe(ClusterLost("east", "connection refused"), board.now)
    board.turn()
    assert board.reasons("n-1") == [Reason.UNREACHABLE]


def test_cordon_of_an_unknown_rollout_is_no_failed_run_to_release() -> None:
    board = Board()
    board.snapshot = replace(
        board.snapshot,
        nodes=tuple(
            replace(node, unschedulable=True, annotations={CORDON_ANNOTATION: "r-9"})
            if node.name == "n-4"
            else node
            for node in board.snapshot.nodes
        ),
    )
    board.sync()
    board.turn()
    (held,) = board.held["n-4"]
    assert (held.reason, held.params["by"]) == (Reason.OTHER_CORDON, "r-9")


def test_thousands_of_nodes_are_checked_a_few_at_a_time() -> None:
    nodes = [a_node(f"m-{number}", unschedulable=True) for number in range(FRESH + AGAIN)]
    board = Board(a_snapshot([a_node("n-1"), *nodes]))
    board.sync()
    reported = [sum(map(bool, board.turn().values())) for _ in range(3)]
    assert reported == [FRESH - 1, AGAIN + 1, 0], "with the canary, which nothing holds"
