"""Hosts without a cluster in a home: added, refused, their quorum groups."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.app.inventory.clusters import add_hosts
from fleet.app.inventory.installation import install
from fleet.app.planning.dumps import save_dump
from fleet.app.wiring.home import Home
from fleet.app.wiring.sources.hosts import groups_of_hosts
from fleet.cli.main import run
from fleet.config import loads
from fleet.core.records.errors import ConfigError, UnreachableError, UsageError
from fleet.store import ClusterRow

POLICY = """\
streams: [{name: stable, releases: [{version: "1.0"}]}]
pools: [{name: tills, stream: stable}]
quorums:
"""
ETCD = "  - {name: books, cluster: tills, kind: etcd, endpoints: [https://10.0.0.1:2379]}\n"


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port on which no server listens while the test runs."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def test_hosts_of_which_none_is_reached_are_not_added(tmp_path: Path, closed_port: int) -> None:
    inventory = tmp_path / "hosts.yaml"
    inventory.write_text(f"hosts: [{{name: till-1, address: 127.0.0.1, user: root, port: {closed_port}}}]\n")
    home = Home(tmp_path)
    with pytest.raises(UnreachableError, match=r"none of 1 hosts can be reached: root@127\.0\.0\.1"):
        add_hosts(home, "tills", inventory, ["fra"])
    inventory.write_text("hosts: [{name: till-1, prot: 22}]\n")
    with pytest.raises(ConfigError, match=r"hosts\.yaml:1: hosts\.till-1\.prot: expected a known key"):
        add_hosts(home, "tills", inventory, ["fra"])
    assert not home.exists


def test_hosts_have_nothing_to_install_or_dump(tmp_path: Path) -> None:
    home = Home(tmp_path)
    row = ClusterRow(name="tills", sites=("fra",), kind="hosts", kubeconfig=str(tmp_path / "hosts.yaml"))
    home.make().clusters.add(row)
    with pytest.raises(UsageError, match="there is no API server"):
        install(home, "tills", None)
    with pytest.raises(UsageError, match="has only hosts"):
        save_dump(home, row.name, tmp_path / "dump.json")
    assert not (tmp_path / "dump.json").exists()


def test_cluster_has_one_source(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["cluster", "add", "tills", "--site", "fra", "--home", str(tmp_path)]
    both = ["--hosts", str(tmp_path / "h"), "--kubeconfig", str(tmp_path / "k")]
    assert run([*arguments, *both]) == 2
    assert "either --kubeconfig FILE (and --context), or --hosts FILE" in capsys.readouterr().err
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    assert run(arguments) == 2
    message = capsys.readouterr().err
    assert (
        str(tmp_path / ".kube" / "config") in message
        and "--kubeconfig FILE" in message
        and "--hosts" in message
    )


def test_quorum_group_on_hosts_is_an_etcd_with_endpoints() -> None:
    policy, _ = loads(POLICY + ETCD)
    assert [group.name for group in groups_of_hosts("tills", "fra", policy)] == ["books"]
    assert list(groups_of_hosts("others", "fra", policy)) == []
    for wrong in (
        "  - {name: zk, cluster: tills, kind: zookeeper, namespace: x, selector: {matchLabels: {a: b}}}\n",
        "  - {name: books, cluster: tills, kind: etcd}\n",
    ):
        policy, _ = loads(POLICY + wrong)
        with pytest.raises(UsageError, match="cannot be read: tills has no pods"):
            groups_of_hosts("tills", "fra", policy)
