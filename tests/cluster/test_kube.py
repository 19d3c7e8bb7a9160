"""The adapter on a real API server: what the contract's cases cannot ask of a model."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from itertools import cycle
from pathlib import Path

import pytest
import yaml

from fleet.core.records.errors import AuthenticationError, FleetError, ForbiddenError, UnreachableError
from fleet.core.rollout.action import (
    Action,
    CancelRequest,
    Cordon,
    Mark,
    Reboot,
    Result,
    Stage,
    Uncordon,
    Unmark,
)
from fleet.core.rollout.event import ClusterLost, ClusterSynced, Deleted, Upserted
from fleet.kube.client.readiness import Readiness
from fleet.kube.objects.permissions import PERMISSIONS
from fleet.lab import Lab
from tests.cluster.rest import Cluster, Json
from tests.cluster.world import RealWorld, WallClock
from tests.contract.cases import RELEASE, ROLLOUT, ActionSender
from tests.contract.observer import ClusterObserver

ACCOUNTS = "/api/v1/namespaces/fleet-system/serviceaccounts"


def scenario(lab: Lab, rest: Cluster, story: Callable[[RealWorld], Awaitable[None]]) -> None:
    async def run() -> None:
        async with asyncio.timeout(180), RealWorld(lab, rest) as world:
            await story(world)

    asyncio.run(run())


def kubeconfig_of(lab: Lab, path: Path, user: Json, cluster: Json | None = None) -> Path:
    """The lab's API server, with the credentials of another user."""
    content = yaml.safe_load(lab.kubeconfig.read_text())
    content["clusters"][0]["cluster"] |= cluster or {}
    content["users"][0]["user"] = user
    path.write_text(yaml.safe_dump(content))
    return path


def token_of(rest: Cluster, account: str) -> Json:
    answer = rest.create(f"{ACCOUNTS}/{account}/token", {"spec": {"expirationSeconds": 600}})
    return {"token": answer["status"]["token"]}


async def refusal(world: RealWorld, kubeconfig: Path) -> FleetError:
    cluster = world.open(kubeconfig)
    with pytest.raises(FleetError) as caught:
        await cluster.read("fra", WallClock().now())
    return caught.value


def test_controllers_account_has_all_permissions_that_fleet_needs(
    lab: Lab, cluster: Cluster, tmp_path: Path
) -> None:
    async def story(world: RealWorld) -> None:
        await world.add_nodes(1)
        await world.add_pod("debug")
        account = await asyncio.to_thread(token_of, cluster, "fleet-controller")
        ours = world.open(kubeconfig_of(lab, tmp_path / "kc", account))
        world.kube = ours
        assert await ours.forbidden() == ()
        assert await Readiness(ours.transport).etcd() == ""
        async with ClusterObserver(ours) as observer:
            assert ours.missing == {}
            await observer.until_ready("debug", 1)
            hand, (name,) = ActionSender(world, observer), observer.nodes
            assert (await hand(Mark, name)).result is Result.DONE
            assert (await hand(Cordon, name)).result is Result.DONE
            token, boot_id = f"{ROLLOUT}/{name}/stage/0", observer.nodes[name].boot_id
            assert (await hand(Stage, name, token=token, release=RELEASE)).result is Result.DONE
            assert (await hand.evict(observer.pods_of("debug")[0])).result is Result.DONE
            await observer.until(lambda: not observer.pods_of("debug"), "the node is drained")
            rebooting = await hand(Reboot, name, token=f"{token}/1", release=RELEASE, boot_id=boot_id)
            assert rebooting.result is Result.DONE
            for kind in (CancelRequest, Uncordon, Unmark):
                assert (await hand(kind, name)).result is Result.DONE
        assert (await ours.lead("fleet@a/1/1", 15, lambda _: False)).held
        await ours.resign("fleet@a/1/1")

    scenario(lab, cluster, story)


def test_account_without_permissions_is_told_the_missing_rules(
    lab: Lab, cluster: Cluster, tmp_path: Path
) -> None:
    async def story(world: RealWorld) -> None:
        await asyncio.to_thread(cluster.create, ACCOUNTS, {"metadata": {"name": "nobody"}})
        token = await asyncio.to_thread(token_of, cluster, "nobody")
        path = kubeconfig_of(lab, tmp_path / "kc", token)
        missing = await world.open(path).forbidden()
        # Kinds of others are there for a while after another test has taken them away.
        assert {each for each in missing if not each.foreign} == {
            each for each in PERMISSIONS if not each.foreign
        }
        arguments = await Readiness(world.open(path).transport).etcd()
        assert 'cannot get path "/readyz/etcd"' in arguments and "on nonResourceURL" in arguments
        error = await refusal(world, path)
        assert isinstance(error, ForbiddenError)
        assert "cannot list resource" in error.message
        assert 'grant verb "list" on resource' in error.hint

    scenario(lab, cluster, story)


ADMISSION = "/apis/admissionregistration.k8s.io/v1"
GUARD = "fleet may not change nodes this week: ask the platform team"


def _guard(rest: Cluster) -> None:
    """A ValidatingAdmissionPolicy against all patches of nodes but the kubelets'."""
    rules = [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["UPDATE"], "resources": ["nodes"]}]
    policy: Json = {
        "matchConstraints": {"resourceRules": rules},
        "validations": [{"expression": "false", "message": GUARD}],
    }
    rest.create(f"{ADMISSION}/validatingadmissionpolicies", {"metadata": {"name": "guard"}, "spec": policy})
    binding = {"policyName": "guard", "validationActions": ["Deny"]}
    rest.create(
        f"{ADMISSION}/validatingadmissionpolicybindings", {"metadata": {"name": "guard"}, "spec": binding}
    )


def test_denial_of_a_validating_admission_policy_is_reported_verbatim(lab: Lab, cluster: Cluster) -> None:
    async def story(world: RealWorld) -> None:
        await world.add_nodes(1)
        async with ClusterObserver(world.cluster) as observer:
            hand, (name,) = ActionSender(world, observer), observer.nodes
            await asyncio.to_thread(_guard, cluster)
            # Admission learns of a new policy a little later: until then both are done.
            kinds: Iterator[type[Action]] = cycle((Cordon, Uncordon))
            while (outcome := await hand(next(kinds), name)).result is Result.DONE:
                pass
            assert outcome.result is Result.FAILED and GUARD in outcome.detail

    scenario(lab, cluster, story)


def test_rejected_credentials_are_reported(lab: Lab, cluster: Cluster, tmp_path: Path) -> None:
    async def story(world: RealWorld) -> None:
        path = kubeconfig_of(lab, tmp_path / "kc", {"token": "expired-token"})
        error = await refusal(world, path)
        assert isinstance(error, AuthenticationError)
        assert "log in again" in error.hint
        assert "expired-token" not in error.message + error.hint

    scenario(lab, cluster, story)


def test_server_with_another_certificate_authority_is_not_trusted(
    lab: Lab, cluster: Cluster, tmp_path: Path
) -> None:
    async def story(world: RealWorld) -> None:
        # etcd's authority is another one than the API server's.
        content = yaml.safe_load(lab.kubeconfig.read_text())
        content["clusters"][0]["cluster"].pop("certificate-authority-data", None)
        content["clusters"][0]["cluster"]["certificate-authority"] = str(lab.certificates.etcd_authority)
        path = tmp_path / "kc"
        path.write_text(yaml.safe_dump(content))
        error = await refusal(world, path)
        assert isinstance(error, UnreachableError)
        assert "is not trusted" in error.message

    scenario(lab, cluster, story)


def test_snapshot_equals_what_the_watches_have_reported(lab: Lab, cluster: Cluster) -> None:
    async def story(world: RealWorld) -> None:
        await world.add_nodes(3)
        await world.add_workload("Deployment", "shop", 4)
        await world.add_budget("shop", min_available="50%")
        async with ClusterObserver(world.cluster) as observer:
            await observer.until_ready("shop", 4)
            await observer.until_counted("shop", healthy=4, allowed=2)
            reading = await world.kube.read("fra", WallClock().now())
            assert reading.missing == {}
            assert {each.uid: each.labels for each in reading.snapshot.nodes} == {
                each.uid: each.labels for each in observer.nodes.values()
            }
            assert {each.uid for each in reading.snapshot.pods} == {
                each.uid for each in observer.pods.values()
            }
            (budget,) = reading.snapshot.budgets
            assert (budget.rule, budget.disruptions_allowed) == ("minAvailable 50%", 2)
            assert {machine.name for machine in reading.snapshot.machines} == set(observer.nodes)
            assert reading.snapshot.server_version.startswith("v1.")

    scenario(lab, cluster, story)


def test_maintenance_of_another_operator_is_seen_where_its_kind_is_served(
    lab: Lab, cluster: Cluster, tmp_path: Path
) -> None:
    group, name = "maintenance.nvidia.com", "nodemaintenances.maintenance.nvidia.com"
    crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1alpha1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"kind": "NodeMaintenance", "plural": "nodemaintenances", "singular": "nodemaintenance"}
    spec = {"group": group, "scope": "Namespaced", "names": names, "versions": [version]}
    crd = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": name},
        "spec": spec,
    }
    objects = f"/apis/{group}/v1alpha1/namespaces/default/nodemaintenances"

    def serves() -> bool:
        # 404 at first, then 429 while its storage begins.
        return cluster.call("GET", objects)[0] == 200

    async def story(world: RealWorld) -> None:
        await asyncio.to_thread(cluster.create, crds, crd)
        async with asyncio.timeout(30):
            while not await asyncio.to_thread(serves):  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.2)
        account = await asyncio.to_thread(token_of, cluster, "fleet-controller")
        ours = world.open(kubeconfig_of(lab, tmp_path / "kc", account))
        async with ClusterObserver(ours) as observer:
            body = {
                "apiVersion": f"{group}/v1alpha1",
                "kind": "NodeMaintenance",
                "metadata": {"name": "nic"},
                "spec": {"nodeName": "n-1", "requestorID": "nic.nvidia"},
            }
            await asyncio.to_thread(cluster.create, objects, body)
            await observer.until(lambda: observer.maintenances, "the object")
            (found,) = observer.maintenances.values()
            assert (found.kind, found.node, found.requestors) == (name, "n-1", ("nic.nvidia",))
            assert (await ours.read("fra", WallClock().now())).snapshot.maintenances == (found,)
            # With its kind goes the object.
            await asyncio.to_thread(cluster.delete, f"{crds}/{name}")
            await observer.until(lambda: not observer.maintenances, "it is gone")
            assert ours.missing == {}

    try:
        scenario(lab, cluster, story)
    finally:
        if cluster.find(f"{crds}/{name}") is not None:
            cluster.delete(f"{crds}/{name}")


def test_machine_is_deleted_with_its_node(lab: Lab, cluster: Cluster) -> None:
    async def story(world: RealWorld) -> None:
        (name,) = await asyncio.to_thread(lab.add_nodes, 1)
        async with ClusterObserver(world.cluster) as observer:
            hand = ActionSender(world, observer)
            token = f"{ROLLOUT}/{name}/stage/0"
            assert (await hand(Stage, name, token=token, release=RELEASE)).result is Result.DONE
            await observer.until(lambda: name in observer.machines, "the machine that fleet made")
            assert not observer.machines[name].reported
            await asyncio.to_thread(cluster.delete, f"/api/v1/nodes/{name}")
            await observer.until(lambda: name not in observer.machines, "the machine is collected")

    scenario(lab, cluster, story)


def test_api_server_that_restarts_without_its_watch_history(fresh_lab: Lab) -> None:
    rest = Cluster(fresh_lab.kubeconfig)

    async def story(world: RealWorld) -> None:
        await world.add_nodes(2)
        async with ClusterObserver(world.cluster) as observer:
            first = dict(observer.nodes)
            await asyncio.to_thread(fresh_lab.stop_apiserver)
            await observer.until(lambda: not observer.synced, "the loss")
            lost = next(event for event in reversed(observer.log) if isinstance(event, ClusterLost))
            assert lost.why
            outcome = await ActionSender(world, observer)(Cordon, next(iter(first)))
            assert outcome.result is Result.UNKNOWN
            at = len(observer.log)
            await asyncio.to_thread(fresh_lab.compact_etcd)
            await asyncio.to_thread(fresh_lab.start_apiserver)
            await observer.until(lambda: observer.synced, "synced again")
            reported = observer.log[at:]
            assert not [event for event in reported if isinstance(event, Deleted)]
            assert any(isinstance(event, ClusterSynced) for event in reported)
            assert set(observer.nodes) == set(first)
            await asyncio.to_thread(
                rest.patch, f"/api/v1/nodes/{next(iter(first))}", {"spec": {"unschedulable": True}}
            )
            await observer.until(
                lambda: observer.nodes[next(iter(first))].unschedulable, "a change after that"
            )
            assert isinstance(observer.log[-1], Upserted)

    scenario(fresh_lab, rest, story)
