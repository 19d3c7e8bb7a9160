"""All contexts of a kubeconfig are imported at once, with rights to read and without a policy."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import yaml

from fleet.app.inventory.importing import ImportedContext, ImportRequest, import_contexts
from fleet.app.reporting.status import fleet_status
from fleet.app.wiring.home import Home
from fleet.core.objects.node import Node
from fleet.core.policy.label_pools import label_pools
from fleet.core.policy.policy import Policy
from fleet.core.records.errors import UsageError
from tests.kube_fake.server import ApiServer, Fault

ROLE = "node-role.kubernetes.io/"


def node(name: str, **labels: str) -> dict[str, object]:
    return {
        "metadata": {"name": name, "uid": f"uid-{name}", "resourceVersion": "1", "labels": labels},
        "spec": {},
        "status": {
            "conditions": [{"type": "Ready", "status": "True"}],
            "nodeInfo": {"kernelVersion": "6.12.9"},
        },
    }


def kubeconfig(path: Path, **servers: str) -> Path:
    content = {
        "current-context": next(iter(servers), ""),
        "contexts": [{"name": name, "context": {"cluster": name, "user": "me"}} for name in servers],
        "clusters": [{"name": name, "cluster": {"server": url}} for name, url in servers.items()],
        "users": [{"name": "me", "user": {}}],
    }
    path.write_text(yaml.safe_dump(content))
    return path


def a_server(uid: str, *nodes: dict[str, object]) -> ApiServer:
    server = ApiServer()
    server.faults.append(Fault("GET", "/namespaces/kube-system", 200, {"metadata": {"uid": uid}}, times=9))
    for each in nodes:
        server.objects["/api/v1/nodes"]["", str(each["metadata"]["name"])] = each  # type: ignore[index]
    return server


def story(told: Callable[[ApiServer, ApiServer], Awaitable[None]]) -> None:
    async def all_of_it() -> None:
        east = a_server("u-east", node("w-1", pool="web"), node("w-2"))
        async with east, a_server("u-west", node("w-3")) as west:
            await told(east, west)

    asyncio.run(all_of_it())


async def imported(home: Home, *patterns: str, file: Path, **options: object) -> list[ImportedContext]:
    request = ImportRequest(patterns, file, **options)  # type: ignore[arg-type]
    return await asyncio.to_thread(import_contexts, home, request, lambda message: None)


def states(results: list[ImportedContext]) -> dict[str, str]:
    return {result.context: result.state for result in results}


def test_clusters_that_answer_are_added_and_the_others_named(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")

    async def told(east: ApiServer, west: ApiServer) -> None:
        file = kubeconfig(
            tmp_path / "config",
            east=east.url,
            west=west.url,
            again=east.url,
            gone="http://127.0.0.1:1",
            odd="ftp://x",
        )
        found = await imported(home, file=file)
        assert states(found) == {
            "east": "added",
            "west": "added",
            "again": "same-cluster",
            "gone": "failed",
            "odd": "failed",
        }
        assert states(await imported(home, "*st", file=file)) == {"east": "in-fleet", "west": "in-fleet"}
        assert all(result.message for result in found if result.state == "failed")

    story(told)
    assert {row.name: row.uid for row in home.store.clusters.list()} == {"east": "u-east", "west": "u-west"}


def test_site_is_given_or_that_of_a_label_or_the_name(tmp_path: Path) -> None:
    async def told(east: ApiServer, west: ApiServer) -> None:
        file = kubeconfig(tmp_path / "config", east=east.url, west=west.url)
        label = "topology.kubernetes.io/region"
        east.objects["/api/v1/nodes"]["", "w-1"]["metadata"]["labels"][label] = "eu-1"
        by_label = await imported(Home(tmp_path / "one"), file=file)
        given = await imported(Home(tmp_path / "two"), file=file, site="here")
        assert {one.name: one.sites for one in by_label} == {"east": ("eu-1",), "west": ("west",)}
        assert {one.sites for one in given} == {("here",)}

    story(told)


def test_dry_run_adds_nothing_and_makes_nothing(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")

    async def told(east: ApiServer, west: ApiServer) -> None:
        file = kubeconfig(tmp_path / "config", east=east.url)
        assert states(await imported(home, file=file, dry_run=True)) == {"east": "would-add"}

    story(told)
    assert not home.path.exists()


def test_status_without_a_policy_has_the_pools_of_labels_and_calls_nothing_outdated(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")

    async def told(east: ApiServer, west: ApiServer) -> None:
        await imported(home, file=kubeconfig(tmp_path / "config", east=east.url))

    story(told)
    status = fleet_status(home)
    assert {row.name: row.pool for row in status.nodes} == {"w-1": "web", "w-2": ""}
    assert {row.state for row in status.nodes} == {"unknown"}
    assert {row.target for row in status.nodes} == {""}


def test_no_context_matches(tmp_path: Path) -> None:
    file = kubeconfig(tmp_path / "config", east="http://127.0.0.1:1")
    with pytest.raises(UsageError):
        import_contexts(Home(tmp_path / "home"), ImportRequest(("prod-*",), file), lambda message: None)


def pool_of(labels: dict[str, str]) -> str:
    found = Node("n", "u", labels=labels)
    pool = Policy(pools=label_pools([found])).pool_of("east", found)
    return pool.name if pool is not None else ""


@pytest.mark.parametrize(
    ("labels", "pool"),
    [
        ({}, ""),
        ({"pool": "web"}, "web"),
        ({"cloud.google.com/gke-nodepool": "gpu", "pool": "web"}, "gpu"),
        ({f"{ROLE}control-plane": ""}, "control-plane"),
        ({f"{ROLE}master": "true"}, "control-plane"),
        ({f"{ROLE}worker": "", "eks.amazonaws.com/nodegroup": "spot"}, "spot"),
        ({"pool": ""}, ""),
    ],
)
def test_pool_is_the_first_label_that_names_one(labels: dict[str, str], pool: str) -> None:
    assert pool_of(labels) == pool
