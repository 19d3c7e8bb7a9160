"""The clusters of an operator: its own, by the service account of its pod, and those of a folder of kubeconfigs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from fleet.app.inventory.clusters import ClusterCheck, admit, check
from fleet.app.operator.clusters import add_own, follow, kubeconfigs
from fleet.app.wiring.home import Home
from fleet.core.records.errors import UsageError
from fleet.kube.client import credentials
from fleet.store import ClusterRow
from tests.kube_fake.server import ApiServer, Fault
from tests.kube_fake.tls import self_signed
from tests.kube_fake.world import write_kubeconfig
from tests.unit.app.homes import a_home, a_started_rollout, small_cluster

UID = {"metadata": {"uid": "u-1"}}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a pod's service account."""
    folder = tmp_path / "serviceaccount"
    folder.mkdir()
    (folder / "token").write_text("first")
    monkeypatch.setattr(credentials, "ACCOUNT", folder)
    return folder


def in_pod(
    account: Path, monkeypatch: pytest.MonkeyPatch, story: Callable[[ApiServer], Awaitable[None]]
) -> None:
    """Runs the story against a fake API server that lets in the token `first` alone."""

    async def told() -> None:
        async with ApiServer(tls=self_signed(account)) as server:
            (account / "ca.crt").write_bytes((account / "certificate.pem").read_bytes())
            monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
            monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(server.port))
            server.token = "first"
            server.faults.append(Fault("GET", "/namespaces/kube-system", 200, UID, times=9))
            await story(server)

    asyncio.run(told())


def rows(home: Home) -> dict[str, str]:
    return {row.name: row.kubeconfig for row in home.store.clusters.list()}


def test_own_cluster_is_reached_by_the_service_account_and_a_rotated_token(
    home: Home, account: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(server: ApiServer) -> None:
        await asyncio.to_thread(add_own, home, "here")
        await asyncio.to_thread(add_own, home, "here")
        server.token = "second"
        (account / "token").write_text("second")
        await asyncio.to_thread(check, home, "here")

    in_pod(account, monkeypatch, story)
    assert rows(home) == {"here": ""}
    assert home.store.clusters.get("here").in_pod


def test_own_cluster_that_another_replica_adds_meanwhile_is_no_mistake(
    home: Home, account: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def after_another(home: Home, row: ClusterRow) -> ClusterCheck:
        admit(home, row)
        return admit(home, row)

    async def story(server: ApiServer) -> None:
        await asyncio.to_thread(add_own, home, "here")

    monkeypatch.setattr("fleet.app.operator.clusters.admit", after_another)
    in_pod(account, monkeypatch, story)
    assert rows(home) == {"here": ""}


def test_own_cluster_keeps_its_name(home: Home, account: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(server: ApiServer) -> None:
        await asyncio.to_thread(add_own, home, "here")
        with pytest.raises(UsageError, match="as here, not there"):
            await asyncio.to_thread(add_own, home, "there")

    in_pod(account, monkeypatch, story)
    assert rows(home) == {"here": ""}


def test_operator_with_the_database_of_another_cluster_does_nothing(
    home: Home, account: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two installations with one database and the default name: their nodes may have the same names."""

    async def story(server: ApiServer) -> None:
        await asyncio.to_thread(add_own, home, "local")
        other = {"metadata": {"uid": "u-2"}}
        server.faults[:] = [Fault("GET", "/namespaces/kube-system", 200, other, times=9)]
        with pytest.raises(UsageError, match="u-2, not u-1"):
            await asyncio.to_thread(add_own, home, "local")

    in_pod(account, monkeypatch, story)


def test_own_cluster_takes_no_name_of_another_cluster(home: Home) -> None:
    home.make().clusters.add(ClusterRow(name="here", kubeconfig="/elsewhere"))
    with pytest.raises(UsageError, match="another cluster here"):
        add_own(home, "here")


def test_outside_of_a_pod_nothing_is_added(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(credentials, "ACCOUNT", tmp_path / "nowhere")
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(UsageError, match="not in a pod"):
        add_own(home, "here")
    assert rows(home) == {}


def test_files_of_a_mounted_secret_are_named_as_their_clusters(tmp_path: Path) -> None:
    data = tmp_path / "..2026_11_30"
    data.mkdir()
    (tmp_path / "..data").symlink_to(data.name)
    for name in ("east.yaml", "west.kubeconfig", "edge.3", "south"):
        (data / name).write_text("{}")
        (tmp_path / name).symlink_to(f"..data/{name}")
    (tmp_path / ".hidden").write_text("{}")
    assert list(kubeconfigs(tmp_path)) == ["east", "edge.3", "south", "west"]


def test_clusters_come_and_go_with_their_kubeconfigs(home: Home, tmp_path: Path) -> None:
    folder = tmp_path / "clusters"
    folder.mkdir()
    home.make().clusters.add(ClusterRow(name="by-hand", kubeconfig=str(tmp_path / "by-hand")))

    async def story() -> None:
        async with ApiServer() as server:
            server.faults.append(Fault("GET", "/namespaces/kube-system", 200, UID, times=9))
            east = write_kubeconfig(folder / "east.yaml", server.url)
            (folder / "broken").write_text("]")
            first = await asyncio.to_thread(lambda: list(follow(home, folder)))
            assert [line.partition(":")[0] for line in first] == ["cluster broken", "cluster east is added"]
            assert rows(home).keys() == {"by-hand", "east"}
            (again,) = await asyncio.to_thread(lambda: list(follow(home, folder)))
            assert again.startswith("cluster broken: ")
            (folder / "broken").unlink()
            east.unlink()

    asyncio.run(story())
    assert list(follow(home, folder)) == [f"cluster east is removed: {folder / 'east.yaml'} is gone"]
    assert rows(home).keys() == {"by-hand"}


def test_cluster_that_does_not_answer_is_added_later(home: Home, tmp_path: Path) -> None:
    home.make()
    write_kubeconfig(tmp_path / "east.yaml", "http://127.0.0.1:1")
    (line,) = follow(home, tmp_path)
    assert line.startswith("cluster east: ")
    assert rows(home) == {}


def test_kubeconfig_does_not_replace_a_cluster_that_is_reached_in_another_way(
    home: Home, tmp_path: Path
) -> None:
    home.make().clusters.add(ClusterRow(name="here"))
    (tmp_path / "home" / "clusters").mkdir()
    (tmp_path / "home" / "clusters" / "here").write_text("{}")
    (line,) = follow(home, tmp_path / "home" / "clusters")
    assert "is not used" in line
    assert rows(home) == {"here": ""}


def test_cluster_of_a_rollout_stays_while_the_rollout_works(tmp_path: Path) -> None:
    home = a_home(tmp_path / "home", small_cluster())
    a_started_rollout(home)
    row = home.store.clusters.get("east")
    folder = tmp_path / "clusters"
    folder.mkdir()
    home.store.clusters.update(ClusterRow(name="east", sites=row.sites, kubeconfig=str(folder / "east")))
    (line,) = follow(home, folder)
    assert rows(home).keys() == {"east"}, line


def test_unreadable_folder_leaves_the_clusters_as_they_are(home: Home, tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    home.make().clusters.add(ClusterRow(name="east", kubeconfig=str(folder / "east")))
    (line,) = follow(home, folder)
    assert "stay as they are" in line
    assert rows(home).keys() == {"east"}
