"""NodeMaintenance, MachineConfigNode and kured's lock, as their projects write them."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from fleet.core.objects.workload import NodeLock
from fleet.core.third_parties.maintenance import Maintenance
from fleet.core.third_parties.sign_index import OBJECTS
from fleet.kube.kinds.api_resources import KINDS, things_of
from fleet.kube.kinds.maintenance import locks
from fleet.kube.watch.dump_file import of_dump
from fleet.lab.simulation.builders import START
from tests.kube_fake.world import faked, node
from tests.unit.kube.test_watch import NODES, EventLog, run, watched

NVIDIA = "nodemaintenances.maintenance.nvidia.com"
MEDIK8S = "nodemaintenances.nodemaintenance.medik8s.io"
MCN = "machineconfignodes.machineconfiguration.openshift.io"


def a_thing(api_version: str, kind: str, name: str, **rest: Any) -> dict[str, Any]:
    namespace = {"namespace": "default"} if "nvidia" in api_version else {}
    metadata = {"name": name, "uid": f"uid-{name}", **namespace}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **rest}


def nvidia(reason: str, **rest: Any) -> dict[str, Any]:
    spec = {"requestorID": "nic.nvidia", "additionalRequestors": ["gpu.nvidia"], "nodeName": "n-1", **rest}
    conditions = [{"type": "Ready", "status": "False", "reason": reason}] if reason else []
    return a_thing(
        "maintenance.nvidia.com/v1alpha1",
        "NodeMaintenance",
        "nm",
        spec=spec,
        status={"conditions": conditions},
    )


def config_node(**conditions: str) -> dict[str, Any]:
    reported = [{"type": kind, "status": status} for kind, status in conditions.items()]
    spec = {"node": {"name": "n-1"}, "pool": {"name": "worker"}}
    return a_thing(
        "machineconfiguration.openshift.io/v1",
        "MachineConfigNode",
        "n-1",
        spec=spec,
        status={"conditions": reported},
    )


def only(item: dict[str, Any]) -> Maintenance:
    snapshot = of_dump(json.dumps({"kind": "List", "items": [item]}).encode(), "east", "fra", START)
    (found,) = snapshot.maintenances
    return found


@pytest.mark.parametrize("reason", ["", "Pending", "Scheduled", "Cordon", "Draining", "Ready"])
def test_maintenance_operators_object_has_its_phase_and_requestor(reason: str) -> None:
    found = only(nvidia(reason))
    assert (found.kind, found.namespace, found.node, found.phase) == (NVIDIA, "default", "n-1", reason)
    assert found.requestors == ("nic.nvidia", "gpu.nvidia")


def test_failed_requestor_is_reported() -> None:
    item = nvidia("Ready")
    item["status"]["conditions"].append({"type": "RequestorFailed", "status": "True", "reason": "Failed"})
    assert only(item).phase == "RequestorFailed"
    item["status"]["conditions"][-1]["status"] = "False"
    assert only(item).phase == "Ready"


@pytest.mark.parametrize("status", [{}, {"status": None}, {"status": {"phase": "Succeeded"}}])
def test_medik8s_object_has_its_phase_and_reason(status: dict[str, Any]) -> None:
    spec = {"nodeName": "n-1", "reason": "new disk"}
    found = only(a_thing("nodemaintenance.medik8s.io/v1beta1", "NodeMaintenance", "nm", spec=spec, **status))
    assert (found.kind, found.namespace, found.node) == (MEDIK8S, "", "n-1")
    assert found.requestors == ("new disk",)
    assert found.phase == ("Succeeded" if status.get("status") else "")


@pytest.mark.parametrize(
    ("conditions", "phase"),
    [
        ({}, ""),
        ({"Updated": "True", "UpdatePrepared": "False"}, "Updated"),
        ({"Updated": "False", "UpdatePrepared": "True", "Cordoned": "True"}, "Cordoned"),
        ({"Updated": "False", "UpdatePrepared": "True", "Drained": "Unknown", "Cordoned": "True"}, "Drained"),
        ({"Updated": "False"}, "Updating"),
        ({"Updated": "Unknown"}, ""),
    ],
)
def test_machine_config_node_has_the_progress_of_its_update(conditions: dict[str, str], phase: str) -> None:
    found = only(config_node(**conditions))
    assert (found.kind, found.node, found.phase) == (MCN, "n-1", phase)


SINCE = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)
ONE = {"nodeID": "n-1", "metadata": {"unschedulable": False}, "created": "2026-11-02T08:00:00.5Z", "TTL": 0}


@pytest.mark.parametrize(
    ("written", "found"),
    [
        (json.dumps(ONE | {"created": "2026-11-02T08:00:00Z"}), (NodeLock("n-1", SINCE),)),
        (
            json.dumps(ONE | {"created": "2026-11-02T09:00:00+01:00", "TTL": 3_600_000_000_000}),
            (NodeLock("n-1", SINCE, SINCE + timedelta(hours=1)),),
        ),
        (
            json.dumps(
                {"maxOwners": 2, "locks": [{"nodeID": "n-1", "created": "bad", "TTL": 0}, {"nodeID": "n-2"}]}
            ),
            (NodeLock("n-1"), NodeLock("n-2")),
        ),
        (json.dumps({"maxOwners": 2, "locks": []}), ()),
        (
            json.dumps(ONE | {"created": "2026-11-02T08:00:00.000000123Z"}),
            (NodeLock("n-1", SINCE),),
        ),
        (json.dumps(ONE | {"created": "0001-01-01T00:00:00+23:59"}), (NodeLock("n-1"),)),
        (json.dumps(ONE | {"created": "9999-12-31T23:00:00Z", "TTL": 2**62}), (NodeLock("n-1"),)),
        ("", ()),
        (None, ()),
        ("{", ()),
        ("[]", ()),
        ('"n-1"', ()),
        ("{}", ()),
    ],
)
def test_kureds_lock_names_its_nodes(written: str | None, found: tuple[NodeLock, ...]) -> None:
    assert locks(written) == found


@pytest.mark.parametrize("kind", ["DaemonSet", "Deployment"])
def test_lock_is_read_from_a_daemonset_of_any_name(kind: str) -> None:
    annotations = {"weave.works/kured-node-lock": json.dumps(ONE)}
    item = {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": "reboots", "namespace": "ops", "uid": "u", "annotations": annotations},
    }
    snapshot = of_dump(json.dumps({"kind": "List", "items": [item]}).encode(), "east", "fra", START)
    (found,) = snapshot.workloads
    assert [each.node for each in found.locks] == (["n-1"] if kind == "DaemonSet" else [])


def test_machines_of_other_projects_are_not_taken_for_fleets() -> None:
    ours = a_thing("fleet.internal/v1", "Machine", "n-0", status={"os": "ostree"})
    theirs = a_thing("cluster.x-k8s.io/v1beta1", "Machine", "n-1", status={"phase": "Deleting"})
    openshift = a_thing("machine.openshift.io/v1beta1", "Machine", "n-2")
    bare = {key: value for key, value in ours.items() if key != "apiVersion"}
    data = json.dumps({"kind": "List", "items": [ours, theirs, openshift]}).encode()
    assert [each.name for each in of_dump(data, "east", "fra", START).machines] == ["n-0"]
    data = json.dumps({"kind": "List", "items": [bare]}).encode()
    assert [each.name for each in of_dump(data, "east", "fra", START).machines] == ["n-0"]


def test_each_kind_of_object_in_the_table_is_read() -> None:
    assert {kind.named for kind in KINDS if kind.foreign} == set(OBJECTS)
    assert things_of(()) == []


PATH = "/apis/maintenance.nvidia.com/v1alpha1/nodemaintenances"


def test_object_is_seen_to_be_added_changed_and_deleted(tmp_path: Path) -> None:
    async def story() -> None:
        async with watched(tmp_path) as (server, _, events):
            await events.wait_for("synced")
            await server.put(PATH, nvidia("Pending"))
            await events.wait_for("seen nm")
            await server.put(PATH, nvidia("Draining"))
            await events.wait_for("seen nm")
            await server.drop(PATH, "nm", "default")
            await events.wait_for("gone nm")

    run(story)


@pytest.mark.parametrize("forbidden", [False, True])
def test_missing_kind_is_skipped_and_missing_permission_is_reported(tmp_path: Path, forbidden: bool) -> None:
    missing = {NVIDIA, MEDIK8S} if forbidden else set()

    async def story() -> None:
        async with faked(tmp_path) as (server, cluster):
            if forbidden:
                server.forbidden.add(("list", "nodemaintenances"))
            else:
                server.served -= {path for path in server.served if "nodemaintenances" in path}
            await server.put(NODES, node("n-0001"))
            events = EventLog(cluster)
            task = asyncio.create_task(events.listen())
            await events.wait_for("seen n-0001", "synced")
            assert set(cluster.missing) == missing
            reading = await cluster.read("fra", START)
            assert set(reading.missing) == missing
            assert [each.name for each in reading.snapshot.nodes] == ["n-0001"]
            assert {each.resource for each in await cluster.forbidden()} == (
                {"nodemaintenances"} if forbidden else set()
            )
            task.cancel()

    run(story)


def test_no_permission_is_needed_for_a_kind_that_the_cluster_lacks(tmp_path: Path) -> None:
    async def story() -> None:
        async with faked(tmp_path) as (server, cluster):
            server.forbidden |= {("list", "nodemaintenances"), ("list", "volumeattachments")}
            server.served -= {path for path in server.served if "maintenance.nvidia.com" in path}
            assert {each.group for each in await cluster.forbidden()} == {
                "nodemaintenance.medik8s.io",
                "storage.k8s.io",
            }

    run(story)
