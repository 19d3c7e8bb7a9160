"""Silences in a real Alertmanager: made before the cordon, extended, removed, and found again after a crash."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from fleet.alertmanager.silence import EXTENDED_BELOW, LENGTH, Subject, creator
from fleet.core.objects.node import NodeRef
from fleet.core.policy.alerting.silence import SilenceRule
from fleet.core.records.journal import JournalRecord
from fleet.core.rollout.action import AnyAction, Cordon, Outcome, Result, Silence
from fleet.core.rollout.codec import to_record
from fleet.core.rollout.goal import Goal, Start
from fleet.core.rollout.replay import rollouts_of
from fleet.core.rollout.rollout import Rollout
from fleet.core.rollout.steps import Step
from fleet.drivers.alerting.silencer import Silencer
from fleet.drivers.controller import Controller
from fleet.drivers.pipeline import ClusterPipeline
from fleet.lab.simulation.builders import NEW, START, a_deployment, a_node, a_policy, a_snapshot
from fleet.model.behaviour import ClusterBehaviour
from fleet.simulated.clock import SimulatedClock
from fleet.simulated.cluster import SimulatedCluster, create
from fleet.store import ClusterRow, Store
from tests.gates.servers import Alerts, alertmanager, free_port, served, until
from tests.kube_fake.tls import self_signed

NODE = NodeRef("east", "n-1")
SPEED = 300.0
SECONDS = 60.0
"""Of the wall: longer than any of these rollouts should take on a slow machine."""


def wall() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 - Alertmanager's own clock


@pytest.fixture
def alerts(tmp_path: Path) -> Iterator[Alerts]:
    folder = tmp_path / "alertmanager"
    folder.mkdir()
    with alertmanager(folder) as url:
        yield Alerts(url)


def rule(url: str, **more: Any) -> SilenceRule:
    return SilenceRule(name="node", alertmanager=url, matchers={"node": "{node}"}, **more)


class World:
    """A database, a simulated cluster of three nodes, and the silencers and controllers that come and go."""

    def __init__(self, folder: Path, silence: SilenceRule) -> None:
        self.store = Store.open(folder / "fleet.db")
        self.rule = silence
        nodes = [a_node(f"n-{number}") for number in (1, 2, 10)]
        self.snapshot = a_snapshot(nodes, a_deployment("shop", 2, nodes))
        self.path = folder / "east.json"
        create(self.path, self.snapshot, ClusterBehaviour(stage=20, reboot=30), 1, START)
        self.store.clusters.add(ClusterRow(name="east", sites=("fra",), kind="simulated"))
        self.clock = SimulatedClock(START, SPEED)
        self.clock.run()
        policy = a_policy()
        pool = replace(policy.pools[0], silences=(silence,))
        goals = tuple(Goal(NodeRef("east", node.name), node.uid, "workers") for node in nodes)
        self.policy = replace(policy, pools=(pool,))
        self.start = Start("p-1", NEW, self.policy, goals)
        self.write(JournalRecord("command", "start", "r-1", detail=msgspec.to_builtins(self.start)))
        self.wall = wall()
        self.cordons: list[AnyAction] = []

    def write(self, *records: JournalRecord) -> None:
        self.store.journal.append(records, at=self.clock.now(), actor="ada@desk")

    @property
    def rollout(self) -> Rollout:
        return rollouts_of(self.store.journal.entries())["r-1"]

    @property
    def fleet(self) -> str:
        return next(iter(self.store.journal.entries())).hash[:16]

    def working(self, *steps: Step) -> Rollout:
        """Returns the rollout with its first node in this step, others pending."""
        rollout = Rollout("r-1", self.start, START, "ada@desk")
        for step in steps:
            rollout.runs[NODE] = replace(rollout.runs[NODE], step=step)
        return rollout

    def silencer(self, *rollouts: Rollout) -> Silencer:
        return Silencer(self.store.journal, lambda: rollouts, lambda: self.wall)

    def controller(self, first: Any = None) -> Controller:
        async def connect() -> Mapping[str, ClusterPipeline]:
            handlers = [] if first is None else [first]
            return {"east": ClusterPipeline(SimulatedCluster(self.path, self.clock), handlers=handlers)}

        return Controller(self.store, connect, lambda: {"east": "fra"}, self.clock, wall, print)

    def run(self, first: Any = None) -> None:
        asyncio.run(asyncio.wait_for(self.controller(first).run(until_idle=True), SECONDS))


@pytest.fixture
def world(tmp_path: Path, alerts: Alerts) -> Iterator[World]:
    made = World(tmp_path, rule(alerts.url))
    with made.store:
        yield made


def rounds(*silencers: Silencer) -> None:
    """Runs one round of each, all at the same time."""

    async def once() -> None:
        await asyncio.gather(*(silencer.finish() for silencer in silencers))

    asyncio.run(once())


def nodes_of(alerts: Alerts) -> list[str]:
    """Returns the nodes whose alerts are silenced."""
    return sorted(silence["matchers"][0]["value"] for silence in alerts.silences())


class AtCordon:
    """Looks at Alertmanager right before each cordon is sent."""

    def __init__(self, alerts: Alerts) -> None:
        self.alerts = alerts
        self.silenced: dict[str, list[str]] = {}

    async def handle(self, action: AnyAction) -> Outcome | None:
        if isinstance(action, Cordon):
            self.silenced[action.node.name] = nodes_of(self.alerts)
        return None


def test_a_node_is_silenced_before_its_cordon_and_no_longer_after_the_rollout(
    world: World, alerts: Alerts
) -> None:
    looks = AtCordon(alerts)
    world.run(looks)
    assert {run.step for run in world.rollout.runs.values()} == {Step.DONE}
    assert set(looks.silenced) == {"n-1", "n-2", "n-10"}
    assert all(node in silenced for node, silenced in looks.silenced.items())
    assert alerts.silences() == []
    forms = [entry.record.form for entry in world.store.journal.entries(kinds=("silence",))]
    assert sorted(forms) == ["intent"] * 3 + ["outcome"] * 3


def test_the_silence_is_of_that_node_alone_and_by_equality(world: World, alerts: Alerts) -> None:
    for name in ("n-1", "n-10", "n-2"):
        alerts.fire("NodeDown", node=name)
    alerts.fire("ShopDown")
    until(lambda: len(alerts.firing()) == 4, alerts.firing)
    rounds_without_end(world)
    until(lambda: len(alerts.firing()) == 3, alerts.firing)
    assert [labels.get("node") for labels in alerts.firing() if labels["alertname"] == "NodeDown"] != []
    assert "n-1" not in [labels.get("node") for labels in alerts.firing()]
    (silence,) = alerts.silences()
    assert silence["matchers"] == [{"name": "node", "value": "n-1", "isRegex": False, "isEqual": True}]
    assert silence["createdBy"] == creator(world.fleet)
    assert silence["comment"] == Subject("r-1", NODE, "node").comment


def rounds_without_end(world: World) -> None:
    """Runs one round while the node is in work."""
    rounds(world.silencer(world.working(Step.DRAIN)))


def test_a_silence_is_extended_in_place(world: World, alerts: Alerts) -> None:
    rounds_without_end(world)
    (before,) = alerts.silences()
    rounds_without_end(world)
    assert alerts.silences() == [before]
    world.wall += LENGTH - EXTENDED_BELOW
    rounds_without_end(world)
    (after,) = alerts.silences()
    assert (after["id"], after["startsAt"]) == (before["id"], before["startsAt"])
    assert (
        datetime.fromisoformat(after["endsAt"])
        == world.wall.replace(microsecond=world.wall.microsecond // 1000 * 1000) + LENGTH
    )


@pytest.mark.parametrize("step", [Step.DONE, Step.FAILED, Step.CANCELLED, Step.STAGED])
def test_a_silence_is_removed_when_the_node_is_not_worked_on_any_more(
    world: World, alerts: Alerts, step: Step
) -> None:
    silencer = world.silencer(rollout := world.working(Step.VERIFY))
    rounds(silencer)
    assert nodes_of(alerts) == ["n-1"]
    rollout.runs[NODE] = replace(rollout.runs[NODE], step=step)
    rounds(silencer)
    assert alerts.silences() == []


def silence_record(world: World) -> JournalRecord:
    return to_record(Silence("r-1/n-1/0/silence/1", "r-1", NODE, "uid", rule=world.rule))


def test_after_a_crash_a_new_controller_finds_the_silences_of_a_rollout_that_has_ended(
    world: World, alerts: Alerts
) -> None:
    world.write(silence_record(world))
    rounds_without_end(world)
    world.write(JournalRecord("command", "abort", "r-1"))
    world.wall = world.clock.now()
    rounds(world.silencer())
    assert alerts.silences() == []


def test_after_a_crash_between_intent_and_effect_the_silence_is_made_once(
    world: World, alerts: Alerts
) -> None:
    async def killed() -> None:
        work = asyncio.create_task(world.controller().run(until_idle=True))
        while not list(world.store.journal.entries(kinds=("silence",))):  # noqa: ASYNC110 - it is no event
            await asyncio.sleep(0)
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)

    asyncio.run(asyncio.wait_for(killed(), SECONDS))
    looks = AtCordon(alerts)
    world.run(looks)
    assert {run.step for run in world.rollout.runs.values()} == {Step.DONE}
    assert all(silenced.count(node) == 1 for node, silenced in looks.silenced.items())
    assert alerts.silences() == []


def test_of_two_silences_for_one_node_one_is_left(world: World, alerts: Alerts) -> None:
    subject = Subject("r-1", NODE, "node")
    posted = {
        "matchers": [{"name": "node", "value": "n-1", "isRegex": False}],
        "startsAt": world.wall.isoformat(),
        "endsAt": (world.wall + LENGTH).isoformat(),
        "createdBy": creator(world.fleet),
        "comment": subject.comment,
    }
    alerts.call("silences", posted)
    alerts.call("silences", posted)
    assert len(alerts.silences()) == 2
    rounds_without_end(world)
    assert nodes_of(alerts) == ["n-1"]


def test_two_controllers_at_the_same_time_end_with_one_silence(world: World, alerts: Alerts) -> None:
    rollout = world.working(Step.DRAIN)
    first, second = world.silencer(rollout), world.silencer(rollout)
    rounds(first, second)
    rounds(second)
    assert nodes_of(alerts) == ["n-1"]


def test_silences_of_others_stay(world: World, alerts: Alerts) -> None:
    subject = Subject("r-1", NODE, "node")
    for by, comment in (
        ("ada", "disk is known"),
        (creator("other"), subject.comment),
        ("ada", subject.comment),
    ):
        alerts.call(
            "silences",
            {
                "matchers": [{"name": "node", "value": "n-1", "isRegex": False}],
                "startsAt": world.wall.isoformat(),
                "endsAt": (world.wall + timedelta(hours=1)).isoformat(),
                "createdBy": by,
                "comment": comment,
            },
        )
    silencer = world.silencer(rollout := world.working(Step.DRAIN))
    rounds(silencer)
    assert len(alerts.silences()) == 4
    rollout.runs[NODE] = replace(rollout.runs[NODE], step=Step.DONE)
    rounds(silencer)
    assert len(alerts.silences()) == 3


def test_a_silence_that_somebody_has_ended_is_made_again(world: World, alerts: Alerts) -> None:
    silencer = world.silencer(world.working(Step.DRAIN))
    rounds(silencer)
    (silence,) = alerts.silences()
    alerts.delete(silence["id"])
    assert alerts.silences() == []
    rounds(silencer)
    assert nodes_of(alerts) == ["n-1"]


def test_without_alertmanager_a_rollout_goes_on_and_the_journal_says_so(tmp_path: Path) -> None:
    world = World(tmp_path, rule(f"http://127.0.0.1:{free_port()}"))
    with world.store:
        world.run()
        assert {run.step for run in world.rollout.runs.values()} == {Step.DONE}
        outcomes = [
            entry.record.detail
            for entry in world.store.journal.entries(kinds=("silence",))
            if entry.record.form == "outcome"
        ]
        assert [outcome["result"] for outcome in outcomes] == [Result.FAILED] * 3
        assert all(outcome["detail"] for outcome in outcomes)


def test_a_required_silence_that_cannot_be_made_keeps_every_node_untouched(tmp_path: Path) -> None:
    world = World(tmp_path, rule(f"http://127.0.0.1:{free_port()}", required=True))
    with world.store:
        world.run()
        assert {run.step for run in world.rollout.runs.values()} == {Step.CANCELLED}
        assert all("not silenced" in run.why for run in world.rollout.runs.values())
        assert not list(world.store.journal.entries(kinds=("cordon",)))


TOKEN = "T0K3N-of-alertmanager"


class EchoServer:
    """A server that refuses, and repeats the credentials that it got, over TLS if it has a context."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.got: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.got.append(self.headers["Authorization"])
                self.send_response(401)
                self.end_headers()
                self.wfile.write(f"not allowed with {outer.got[-1]}".encode())

            def log_message(self, format: str, *args: object) -> None:
                """Writes nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if context is not None:
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.address = f"127.0.0.1:{self.server.server_address[1]}"

    def served(self) -> AbstractContextManager[None]:
        return served(self.server)


def outcome_of(world: World) -> Outcome:
    action = Silence("r-1/n-1/0/silence/1", "r-1", NODE, "uid", rule=world.rule)
    found = asyncio.run(world.silencer().handle(action))
    assert found is not None
    return found


def test_a_token_that_the_server_repeats_is_hidden(tmp_path: Path) -> None:
    server = EchoServer(self_signed(tmp_path))
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    files = {"token_file": str(tmp_path / "token"), "ca_file": str(tmp_path / "certificate.pem")}
    world = World(tmp_path, rule(f"https://{server.address}", **files))
    with world.store, server.served():
        found = outcome_of(world)
    assert server.got == [f"Bearer {TOKEN}"]
    assert found.result is Result.FAILED and "401" in found.detail and TOKEN not in found.detail


@pytest.mark.parametrize(
    ("content", "files"),
    [
        ("", {"token_file": "token"}),
        ("two\nlines", {"token_file": "token"}),
        ("", {"token_file": "missing"}),
        ("no certificate", {"ca_file": "token"}),
        ("", {"ca_file": "missing"}),
    ],
)
def test_a_file_that_cannot_be_used_is_named(tmp_path: Path, content: str, files: dict[str, str]) -> None:
    (tmp_path / "token").write_text(content)
    paths = {key: str(tmp_path / name) for key, name in files.items()}
    world = World(tmp_path, rule(f"https://127.0.0.1:{free_port()}", **paths))
    with world.store:
        found = outcome_of(world)
    assert found.result is Result.FAILED
    assert all(f"{key} {path}" in found.detail for key, path in paths.items())


def test_a_server_that_is_not_trusted_gets_no_token(tmp_path: Path) -> None:
    server = EchoServer(self_signed(tmp_path))
    (tmp_path / "token").write_text(TOKEN)
    world = World(tmp_path, rule(f"https://{server.address}", token_file=str(tmp_path / "token")))
    with world.store, server.served():
        assert outcome_of(world).result is Result.FAILED
    assert server.got == []
