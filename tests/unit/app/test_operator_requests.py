"""The operator's table of permissions is what it sends to its own cluster, and no verb more."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from fleet.app.operator.api import USERS
from fleet.app.operator.sync import ObjectSync
from fleet.app.operator.watched import RESOURCES, WatchedObjects
from fleet.app.planning.controller_pod import KEY, controller_pod
from fleet.app.wiring.home import Home
from fleet.core.objects.node import NodeRef
from fleet.core.records.journal import JournalRecord
from fleet.core.rollout.goal import Goal, Start
from fleet.core.state.own_pod import OwnPod
from fleet.drivers.identity import own_identity
from fleet.kube.client.credentials import CredentialSource
from fleet.kube.client.transport import Transport
from fleet.kube.install.installation import manifests
from fleet.kube.objects.permissions import OPERATOR
from fleet.lab.simulation.builders import NEW, a_policy
from fleet.system.clock import WallClock
from tests.kube_fake.server import ApiServer, Fault
from tests.kube_fake.world import write_kubeconfig
from tests.unit.app.test_operator_policy import RELEASE, an_object, workers

API = "/apis/fleet.internal/v1"
EVERYONE = "selfsubjectreviews"
"""Of what every user may ask, by the roles of Kubernetes itself."""
OBJECTS = (
    workers(2),
    an_object("ReleaseStream", "stable", releases=[RELEASE]),
    an_object("Freeze", "sale", **{"from": "2027-01-01T00:00+01:00", "until": "2027-01-02T00:00+01:00"}),
    an_object("QuorumGroup", "zk")
    | {
        "spec": {
            "cluster": "here",
            "kind": "zookeeper",
            "namespace": "data",
            "selector": {"matchLabels": {"app": "zk"}},
        }
    },
    an_object("FleetConfig", "default", limits={"maxUnavailable": 3}),
    an_object("Rollout", "november", policies=["workers"], user="ada"),
)

OWN = OwnPod("here", "fleet-system", "fleet-controller-1")
Sent = set[tuple[str, str]]


async def put_all(server: ApiServer, generation: int) -> None:
    for each in OBJECTS:
        metadata = each["metadata"] | {"generation": generation}
        await server.put(f"{API}/{RESOURCES[each['kind']]}", each | {"metadata": metadata})


async def served(server: ApiServer) -> None:
    """The API server has an object of each kind, and what the chart installs."""
    proofs = [each for each in manifests(None, policy=True) if each.name == USERS]
    paths = {f"{API}/{plural}" for plural in RESOURCES.values()} | {each.collection for each in proofs}
    server.served |= paths
    server.objects |= {path: {} for path in paths}
    await put_all(server, 1)
    for proof in proofs:
        await server.put(proof.collection, dict(proof.body))
    review = {"status": {"userInfo": {"username": "system:serviceaccount:fleet-system:fleet-controller"}}}
    server.faults.append(Fault("POST", f"/{EVERYONE}", 201, review))


def begun_home(path: Path) -> Home:
    """A home in which a command has started a rollout, which has no object yet; this process leads."""
    home = Home(path)
    store = home.make()
    start = Start("p-1", NEW, a_policy(), (Goal(NodeRef("here", "n-1"), "u-1", "workers"),))
    detail: dict[str, Any] = msgspec.to_builtins(start)
    record = JournalRecord(form="command", kind="start", rollout="r-1", detail=detail)
    store.journal.append([record], at=home.now(), actor="ada@desk")
    store.lease.acquire(own_identity(), at=WallClock().now(), seconds=600, abandoned=lambda holder: False)
    return home


async def looked(home: Home, server: ApiServer, kubeconfig: Path, without: str = "") -> Sent:
    """What the operator asks its cluster for at one look, after each kind was watched. `without`: a Rollout that is deleted
    before."""
    transport = Transport(CredentialSource(kubeconfig), WallClock())
    watched = WatchedObjects(transport, WallClock())
    found = ObjectSync(home, "here", transport, lambda line: None, watched, OWN)
    watching = asyncio.create_task(found.watch())
    try:
        async with asyncio.timeout(60):
            while watched.unread:
                await heard(watched)
            await put_all(server, 2)
            while min(generations(watched)) < 2:
                await heard(watched)
            if without:
                await server.drop(f"{API}/rollouts", without)
                while watched.find("Rollout", without) is not None:
                    await heard(watched)
        await found.look(changed=True)
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
        await transport.close()
    return {(kind.verb, kind.resource) for kind in transport.requests if kind.resource != EVERYONE}


async def heard(watched: WatchedObjects) -> None:
    """Waits for the next news."""
    await watched.news.wait()
    watched.news.clear()


def generations(watched: WatchedObjects) -> list[int]:
    found = (watched.find(each["kind"], each["metadata"]["name"]) for each in OBJECTS)
    return [each["metadata"]["generation"] for each in found if each is not None]


def test_table_is_what_the_operator_asks_for_and_no_verb_more(tmp_path: Path) -> None:
    async def story() -> Sent:
        async with ApiServer() as server:
            await served(server)
            return await looked(
                begun_home(tmp_path / "home"), server, write_kubeconfig(tmp_path / "kubeconfig", server.url)
            )

    sent = asyncio.run(story())
    table = {(verb, rule.resource) for rule in OPERATOR for verb in rule.verbs}
    assert sent - table == set(), "the table lacks them"
    assert table - sent == set(), "nothing uses them"


def test_controller_that_leads_notes_its_pod_for_plans(tmp_path: Path) -> None:
    home = begun_home(tmp_path / "home")
    assert controller_pod(home) is None

    async def story() -> None:
        async with ApiServer() as server:
            await served(server)
            await looked(home, server, write_kubeconfig(tmp_path / "kubeconfig", server.url))

    asyncio.run(story())
    assert controller_pod(home) == OWN
    home.store.settings.set(KEY, '{"of": "a later version"}')
    assert controller_pod(home) is None


def test_nobody_is_proven_while_no_object_asks_for_anything(tmp_path: Path) -> None:
    async def story() -> Sent:
        async with ApiServer() as server:
            await served(server)
            return await looked(
                begun_home(tmp_path / "home"),
                server,
                write_kubeconfig(tmp_path / "kubeconfig", server.url),
                "november",
            )

    sent = asyncio.run(story())
    assert ("create", "rollouts") in sent
    assert not [resource for _, resource in sent if resource.startswith("validatingadmission")]
