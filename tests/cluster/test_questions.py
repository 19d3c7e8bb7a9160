"""Every question about a fleet, asked of a real API server by an account that may only read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from tests.cluster.command import Fleet
from tests.cluster.installed import installed
from tests.cluster.rest import Cluster, Json
from tests.cluster.rolling import wait
from tests.cluster.tokens import NAMESPACE, kubeconfig_with, token

RBAC = "/apis/rbac.authorization.k8s.io/v1"
MACHINES = "/apis/fleet.internal/v1/machines"
OLD, NEW = ("44.1", "6.11.4", "a"), ("44.2", "6.12.9", "b")
NAMES = [f"n-{number}" for number in range(4)]
PATCH = "kpatch_6_11_4_1_1"
POLICY = f"""\
streams:
  - name: stable
    releases:
      - {{version: "{OLD[0]}", digest: "sha256:{OLD[2] * 64}", kernel: {OLD[1]}}}
      - {{version: "{NEW[0]}", digest: "sha256:{NEW[2] * 64}", kernel: {NEW[1]}}}
pools:
  - {{name: workers, selector: {{}}, stream: stable}}
"""
SBOM = {
    "bomFormat": "CycloneDX",
    "components": [{"name": "openssl", "version": "3.2.2", "purl": "pkg:generic/openssl@3.2.2"}],
}
ADVISORY = {
    "id": "CVE-2026-1",
    "published": "2026-01-01T00:00:00Z",
    "affected": [
        {
            "package": {"ecosystem": "Linux", "name": "Kernel"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "6.0"}, {"fixed": NEW[1]}]}],
        }
    ],
}


def runs(cluster: Cluster, name: str, release: tuple[str, str, str], boot: str, **more: object) -> None:
    """Makes node and machine report that they run the release."""
    version, kernel, digest = release
    info = {
        "kernelVersion": kernel,
        "osImage": f"Fedora CoreOS {version}",
        "bootID": boot,
        "machineID": f"machine-{name}",
        "systemUUID": f"uuid-{name}",
        "kubeletVersion": "v1.34.1",
        "kubeProxyVersion": "v1.34.1",
        "containerRuntimeVersion": "containerd://2.1",
        "operatingSystem": "linux",
        "architecture": "amd64",
    }
    ready = {"type": "Ready", "status": "True", "reason": "KubeletReady"}
    cluster.patch(
        f"/api/v1/nodes/{name}/status",
        {"status": {"nodeInfo": info, "conditions": [ready]}},
        "strategic-merge",
    )
    booted = {"version": version, "digest": f"sha256:{digest * 64}", "kernel": kernel}
    told = {"os": "rpm-ostree", "bootID": boot, "kernel": kernel, "booted": booted, **more}
    cluster.patch(f"{MACHINES}/{name}/status", {"status": told})


@pytest.fixture
def reader(kubeconfig: Path, cluster: Cluster, tmp_path: Path) -> Iterator[Path]:
    """The kubeconfig of an account that may read everything and change nothing."""
    rule = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list", "watch"]}
    subject = {"kind": "ServiceAccount", "name": "reader", "namespace": NAMESPACE}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "reader"}
    named: Json = {"metadata": {"name": "reader"}}
    with installed(kubeconfig):
        cluster.create(f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts", named)
        cluster.create(f"{RBAC}/clusterroles", {**named, "rules": [rule]})
        cluster.create(f"{RBAC}/clusterrolebindings", {**named, "subjects": [subject], "roleRef": role})
        try:
            yield kubeconfig_with(kubeconfig, token(cluster, None, "reader"), tmp_path / "reader.yaml")
        finally:
            for name in NAMES:
                cluster.delete(f"/api/v1/nodes/{name}")
                cluster.delete(f"{MACHINES}/{name}")
            cluster.delete(f"{RBAC}/clusterrolebindings/reader")
            cluster.delete(f"{RBAC}/clusterroles/reader")


def created(cluster: Cluster, name: str) -> bool:
    """Creates a Machine. Returns False while the API server still makes room for the new kind."""
    machine = {"apiVersion": "fleet.internal/v1", "kind": "Machine", "metadata": {"name": name}}
    return cluster.call("POST", MACHINES, machine)[0] in (201, 409)


@pytest.fixture
def fleet(reader: Path, cluster: Cluster, tmp_path: Path) -> Fleet:
    """Four nodes: one with a layered package, one with a live patch, one that is upgraded later, and a machine without a
    node."""
    for name in NAMES:
        if name != NAMES[3]:
            labels = {"topology.kubernetes.io/region": "fra"}
            cluster.create("/api/v1/nodes", {"metadata": {"name": name, "labels": labels}})
        wait(partial(created, cluster, name), lambda: "the API server does not serve Machines")
    runs(
        cluster,
        NAMES[0],
        OLD,
        "boot-0",
        layered=["strace"],
        units={"state": "degraded", "failed": ["smartd.service"]},
    )
    runs(cluster, NAMES[1], OLD, "boot-1")
    runs(cluster, NAMES[2], OLD, "boot-2", livePatches=[PATCH])
    home = tmp_path / "home"
    made = Fleet(home)
    (home / "fleet.yaml").write_text(POLICY)
    (home / "sboms").mkdir()
    (home / "sboms" / f"{OLD[0]}.json").write_text(json.dumps(SBOM))
    (home / "CVE-2026-1.json").write_text(json.dumps(ADVISORY))
    made.run("cluster", "add", "east", "--kubeconfig", str(reader), "--site", "fra")
    return made


def seen(fleet: Fleet) -> datetime:
    """The first full second after the cluster was read."""
    fleet.run("sync")
    (cluster,) = fleet.json("status")["clusters"]
    at = datetime.fromisoformat(cluster["last_seen"]).replace(microsecond=0) + timedelta(seconds=1)
    wait(lambda: datetime.fromisoformat(fleet.json("status")["at"]) > at, lambda: "the second does not end")
    return at


def states(fleet: Fleet, *question: str, code: int) -> dict[str, tuple[str, str]]:
    (answer,) = json.loads(fleet.run("exposure", *question, "-o", "json", code=code))["answers"]
    return {node["node"]: (node["state"], node["reason"]) for node in answer["nodes"]}


def test_each_question_is_answered_with_rights_to_read_alone(fleet: Fleet, cluster: Cluster) -> None:
    begin = seen(fleet)
    runs(cluster, NAMES[1], NEW, "boot-1b")
    end = seen(fleet)
    moments = [f"{at:%Y-%m-%dT%H:%M:%SZ}" for at in (begin, end)]

    now = {node["name"]: node["version"] for node in fleet.json("status")["nodes"]}
    assert {name: now[name] for name in NAMES[:3]} == {"n-0": OLD[0], "n-1": NEW[0], "n-2": OLD[0]}
    then = fleet.json("status", "--at", moments[0])["nodes"]
    assert {node["version"] for node in then if node["name"] in NAMES[:3]} == {OLD[0]}
    changed = json.loads(fleet.run("diff", "--from", moments[0], "--to", moments[1], "-o", "json", code=4))
    assert {one["node"] for one in changed["differences"]} == {"n-1"}
    life = fleet.json("node", "history", "n-1")["events"]
    assert (OLD[1], NEW[1]) in {(event["before"], event["after"]) for event in life}

    safe, hit, patched = (
        ("not_affected", "before-range"),
        ("affected", "in-range"),
        ("unknown", "live-patched"),
    )
    assert states(fleet, f"kernel<{NEW[1]}", code=4) == {"n-0": hit, "n-1": safe, "n-2": patched}
    assert states(fleet, f"kernel<{NEW[1]}", "--at", moments[0], code=4)["n-1"] == hit
    assert states(fleet, "--version", f"<{NEW[0]}", code=4)["n-1"] == safe
    assert states(fleet, "--package", "strace", code=4)["n-0"] == ("affected", "listed")
    packages = states(fleet, "--package", "openssl<3.2.4", code=4)
    assert packages["n-0"] == hit and packages["n-1"] == ("unknown", "not-reported")
    advisory = states(fleet, "--advisory", str(fleet.home / "CVE-2026-1.json"), code=4)
    assert advisory == {"n-0": hit, "n-1": ("fixed", "fixed-by-version"), "n-2": patched}

    drift = json.loads(fleet.run("drift", "-o", "json", code=4))
    assert ("failed-units", "n-0") in {(one["kind"], one["node"]) for one in drift["findings"]}
    orphans = json.loads(fleet.run("orphans", "-o", "json", code=4))
    assert "no-node" in {one["kind"] for one in orphans["findings"]}
    sources = fleet.run("node", "show", "n-2", "--sources")
    assert PATCH in sources and "kubelet" in sources and "agent" in sources
    (stream,) = fleet.json("releases")["streams"]
    assert {each["version"]: each["nodes"] for each in stream["releases"]} == {OLD[0]: 2, NEW[0]: 1}
