"""A live cluster saved to a file: the file has the same content, and no secrets."""

from __future__ import annotations

import asyncio
import copy
import json
from pathlib import Path

from fleet.kube.kinds.api_resources import KINDS
from fleet.kube.watch.dump import dump
from fleet.kube.watch.dump_file import of_dump
from tests.kube_fake.world import NOW, faked
from tests.property import objects

SECRET = "hunter2"


def test_dump_is_read_like_the_cluster(tmp_path: Path) -> None:
    async def story() -> None:
        async with asyncio.timeout(20), faked(tmp_path) as (server, cluster):
            paths = {kind.kind: kind.path for kind in KINDS}
            for each in objects.ALL:
                if each["kind"] in paths:
                    await server.put(paths[each["kind"]], secretive(each))
            await server.put("/api/v1/pods", an_api_server())
            await server.put("/api/v1/pods", secretive(with_a_volume_of_its_own()))
            live = (await cluster.read("fra", NOW)).snapshot
            data = await dump(cluster.transport)
            assert SECRET.encode() not in data
            found = of_dump(data, "east", "fra", NOW)
            assert [pod.api_server for pod in found.pods if pod.api_server] == ["v1.36.3"]
            assert found.nodes and found.pods and found.budgets and found.workloads and found.machines
            for kind in ("nodes", "pods", "budgets", "workloads", "machines", "volumes", "attachments"):
                assert sorted(getattr(found, kind), key=repr) == sorted(getattr(live, kind), key=repr), kind

    asyncio.run(story())


def test_listed_kinds_without_objects_are_not_missing(tmp_path: Path) -> None:
    async def story() -> None:
        async with asyncio.timeout(20), faked(tmp_path) as (_, cluster):
            assert of_dump(await dump(cluster.transport), "east", "fra", NOW).missing == {}

    asyncio.run(story())


def test_kinds_absent_or_partial_in_a_dump_are_missing() -> None:
    owner = {"kind": "StatefulSet", "name": "db", "uid": "s", "controller": True}
    pod = {"kind": "Pod", "metadata": {"name": "db-0", "namespace": "web", "ownerReferences": [owner]}}
    other = {"kind": "StatefulSet", "metadata": {"name": "mq", "namespace": "web"}}
    missing = of_dump(json.dumps({"items": [pod, other]}).encode(), "east", "fra", NOW).missing
    assert missing["statefulsets"] == "not all are in the file"
    assert missing["poddisruptionbudgets"] == missing["jobs"] == "none in the file"


def an_api_server() -> objects.Json:
    meta = {"name": "api-1", "namespace": "kube-system", "labels": {"component": "kube-apiserver"}}
    image = "registry.k8s.io/kube-apiserver:v1.36.3"
    return {"metadata": meta, "spec": {"containers": [{"name": "a", "image": image}]}}


def with_a_volume_of_its_own() -> objects.Json:
    spec = {"volumes": [{"name": "scratch", "ephemeral": {}}]}
    return {"kind": "Pod", "metadata": {"name": "own", "namespace": "web", "uid": "own"}, "spec": spec}


def secretive(found: objects.Json) -> objects.Json:
    """With what people leave lying in objects."""
    made = copy.deepcopy(found)
    made["metadata"].setdefault("annotations", {})["kubectl.kubernetes.io/last-applied"] = SECRET
    for container in made.get("spec", {}).get("containers", []):
        container["env"] = [{"name": "PASSWORD", "value": SECRET}]
        container["args"] = [f"--password={SECRET}"]
        container["image"] = f"registry.invalid/{SECRET}:1"
        container["ports"] = [{"name": SECRET, "containerPort": 80, "hostPort": 80}]
        container["resources"] = {**container.get("resources", {}), "claims": [{"name": SECRET}]}
    for owner in made["metadata"].get("ownerReferences", []):
        owner["apiVersion"] = f"{SECRET}/v1"
    if made["kind"] == "Pod":
        made["spec"]["tolerations"] = [{"key": "a", "operator": "Exists", "note": SECRET}]
    for volume in made["spec"].get("volumes", []) if made["kind"] == "Pod" else []:
        template = {"metadata": {"annotations": {"made-with": SECRET}}}
        volume.update({"ephemeral": {"volumeClaimTemplate": template}} if "ephemeral" in volume else {})
    if made["kind"] == "Machine":
        made["spec"]["log"] = {"token": SECRET, "unit": "", "lines": 9}
        made["status"]["log"] = {"token": SECRET, "text": f"the password is {SECRET}"}
    return made


def test_dump_has_no_logs_of_failed_boots(tmp_path: Path) -> None:
    async def story() -> None:
        async with asyncio.timeout(20), faked(tmp_path) as (server, cluster):
            machine = copy.deepcopy(objects.MACHINE)
            machine["status"]["work"] = {"token": "r-1/1", "state": "failed", "log": SECRET}
            await server.put("/apis/fleet.internal/v1/machines", machine)
            data = await dump(cluster.transport)
            assert b"r-1/1" in data
            assert SECRET.encode() not in data

    asyncio.run(story())
