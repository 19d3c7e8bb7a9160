"""The table of permissions on a real API server: what the code does is what the table has, and every verb that a cluster
withholds is named by `fleet cluster check`."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import yaml
from msgspec.structs import replace

from fleet.app.wiring.sources.kubeconfig import cluster_uid, rule_name
from fleet.core.objects.machine import LogAsk
from fleet.core.records.errors import FleetError
from fleet.core.rollout.action import CancelRequest, Cordon, Mark, Reboot, Result, Stage, Uncordon, Unmark
from fleet.hooks.job import JobRunner
from fleet.kube.actions.machine_client import MachineInformer
from fleet.kube.client.credentials import CredentialSource
from fleet.kube.client.readiness import Readiness
from fleet.kube.cluster import KubeCluster
from fleet.kube.install import install
from fleet.kube.install.installation import manifests, rules
from fleet.kube.objects.permissions import PERMISSIONS, REMOTE, Permission, needed, of_jobs
from fleet.lab import Lab
from tests.cluster.installed import with_transport
from tests.cluster.rest import Cluster, Json
from tests.cluster.test_job_hooks import a_call, until_gone
from tests.cluster.test_kube import kubeconfig_of, scenario, token_of
from tests.cluster.world import RealWorld, WallClock
from tests.contract.cases import RELEASE, ROLLOUT, ActionSender
from tests.contract.observer import ClusterObserver
from tests.contract.world import NAMESPACE

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
EVERYONE = {"version", "selfsubjectaccessreviews", "selfsubjectreviews", ""}
"""Resources of which every user may ask, by the roles of Kubernetes itself (system:basic-user, system:discovery)."""
CONTROLLER = needed(remote=True, job_namespaces=(NAMESPACE,))
ALL = needed(remote=True, job_namespaces=(NAMESPACE,), operator=True)

Used = set[tuple[str, str]]


def table(permissions: Sequence[Permission]) -> Used:
    return {
        (verb, rule.url.rpartition("/readyz/")[1].strip("/") or rule.resource)
        for rule in permissions
        for verb in rule.verbs
    }


def definition(rule: Permission) -> Json:
    """The definition of a kind of another project, as far as reading takes it."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    versions = {"machineconfiguration.openshift.io": "v1", "nodemaintenance.medik8s.io": "v1beta1"}
    version = {
        "name": versions.get(rule.group, "v1alpha1"),
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
    }
    names = {"kind": rule.resource.capitalize(), "plural": rule.resource, "singular": rule.resource[:-1]}
    spec = {"group": rule.group, "scope": "Cluster", "names": names, "versions": [version]}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        # The API server allows names of its own projects' groups only with a link to their review.
        "metadata": {"name": f"{rule.resource}.{rule.group}"},
        "spec": spec,
    }


@pytest.fixture
def kinds_of_others(cluster: Cluster) -> Iterator[None]:
    """The kinds of all other projects that fleet reads, for as long as a test needs them."""
    foreign = [rule for rule in PERMISSIONS if rule.foreign]
    for rule in foreign:
        made = cluster.create(CRDS, definition(rule))
        path = f"/apis/{rule.group}/{made['spec']['versions'][0]['name']}/{rule.resource}"
        # 404 at first, then 429 while its storage begins.
        while cluster.call("GET", path)[0] != 200:
            pass
    yield
    for rule in foreign:
        cluster.delete(f"{CRDS}/{rule.resource}.{rule.group}")


async def everything(world: RealWorld, ours: KubeCluster) -> None:
    """All that a controller asks of a cluster, once."""
    world.kube = ours
    assert await ours.forbidden(remote=True, job_namespaces=(NAMESPACE,)) == ()
    assert await cluster_uid(ours) != ""
    assert await Readiness(ours.transport).etcd() == ""
    await ours.read("fra", WallClock().now())
    async with ClusterObserver(ours) as observer:
        await observer.until_ready("debug", 1)
        hand, (name,) = ActionSender(world, observer), sorted(observer.nodes)
        token, boot_id = f"{ROLLOUT}/{name}/stage/0", observer.nodes[name].boot_id
        for outcome in (
            await hand(Mark, name),
            await hand(Cordon, name),
            await hand(Stage, name, token=token, release=RELEASE),
            await hand.evict(observer.pods_of("debug")[0]),
        ):
            assert outcome.result is Result.DONE, outcome
        await observer.until(lambda: not observer.pods_of("debug"), "the node is drained")
        for outcome in (
            await hand(Reboot, name, token=f"{token}/1", release=RELEASE, boot_id=boot_id),
            await hand(CancelRequest, name),
            await hand(Uncordon, name),
            await hand(Unmark, name),
        ):
            assert outcome.result is Result.DONE, outcome
        runner, call = JobRunner(ours.transport), a_call(name)
        assert await runner.run(call) is not None
        await runner.discard(call)
        machines = MachineInformer(ours.transport, WallClock())
        own = await machines.client(name).read()
        assert await machines.client(name).report(replace(own, os="simulated")) is not None
        await machines.client("a-host-of-ssh").read()
        with pytest.raises(FleetError):
            await ours.log("a-host-of-ssh", LogAsk("t-1", "", 10), 0.5)
    assert (await ours.lead("fleet@a/1/1", 15, lambda _: False)).held
    await ours.resign("fleet@a/1/1")


def test_table_is_what_the_code_asks_for_and_no_verb_more(
    lab: Lab, cluster: Cluster, tmp_path: Path, kinds_of_others: None
) -> None:
    """Works as the account of the controller: a verb that the table lacks fails here, one that nothing uses is found."""

    async def story(world: RealWorld) -> None:
        roles = manifests(None, remote=True, job_namespaces=(NAMESPACE,))
        await install.apply(world.kube.transport, roles)
        await world.add_nodes(1)
        await world.add_pod("debug")
        account = await asyncio.to_thread(token_of, cluster, "fleet-controller")
        ours = world.open(kubeconfig_of(lab, tmp_path / "kc", account))
        await everything(world, ours)
        sent = {(kind.verb, kind.resource) for kind in ours.requests if kind.resource not in EVERYONE}
        assert sent - table(CONTROLLER) == set(), "the table lacks them"
        assert table(CONTROLLER) - sent == set(), "nothing uses them"
        await until_gone(cluster)

    scenario(lab, cluster, story)


def one_verb(permissions: Sequence[Permission]) -> Iterator[Permission]:
    for rule in permissions:
        yield from (replace(rule, verbs=(verb,)) for verb in rule.verbs)


def grant(cluster: Cluster, name: str, permissions: Sequence[Permission]) -> None:
    """Lets the user of this name do exactly this."""
    subject = {"kind": "User", "name": name, "apiGroup": "rbac.authorization.k8s.io"}
    for space in sorted({rule.namespace for rule in permissions}):
        kind, root = ("Role", f"{RBAC}/namespaces/{space}") if space else ("ClusterRole", RBAC)
        metadata = {"name": name}
        cluster.create(f"{root}/{kind.lower()}s", {"metadata": metadata, "rules": rules(permissions, space)})
        reference = {"kind": kind, "name": name, "apiGroup": "rbac.authorization.k8s.io"}
        binding = {"metadata": metadata, "roleRef": reference, "subjects": [subject]}
        cluster.create(f"{root}/{kind.lower()}bindings", binding)


def without(left_out: Permission) -> list[Permission]:
    """All permissions but this one verb of it."""
    kept = []
    for rule in ALL:
        same = replace(rule, verbs=left_out.verbs) == left_out
        verbs = tuple(verb for verb in rule.verbs if not (same and verb in left_out.verbs))
        kept += [replace(rule, verbs=verbs)] if verbs else []
    return kept


def impersonating(kubeconfig: Path, user: str, file: Path) -> Path:
    content = yaml.safe_load(kubeconfig.read_text())
    content["users"][0]["user"]["as"] = user
    file.write_text(yaml.safe_dump(content))
    return file


def covered_elsewhere(rule: Permission) -> bool:
    """Pods are listed everywhere: a namespace's own rule for that is then not missed."""
    return any(
        other.resource == rule.resource and other.group == rule.group and rule.verbs[0] in other.verbs
        for other in PERMISSIONS
        if rule.namespace and not other.namespace
    )


def test_each_verb_that_is_taken_away_is_named_with_what_it_is_for(
    kubeconfig: Path, cluster: Cluster, tmp_path: Path, kinds_of_others: None
) -> None:
    with_transport(kubeconfig, lambda transport: install.apply(transport, manifests(None)))
    if cluster.find(f"/api/v1/namespaces/{NAMESPACE}") is None:
        cluster.create("/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
    taken = [rule for rule in one_verb(ALL) if not covered_elsewhere(rule)]
    for number, rule in enumerate(taken):
        grant(cluster, f"lacks-{number}", without(rule))
    grant(cluster, "lacks-nothing", ALL)

    async def check(user: str) -> tuple[Permission, ...]:
        path = impersonating(kubeconfig, user, tmp_path / user)
        ours = KubeCluster("east", CredentialSource(path), WallClock())
        try:
            return await ours.forbidden(remote=True, job_namespaces=(NAMESPACE,), operator=True)
        finally:
            await ours.close()

    async def until_in_force() -> None:
        # Roles are in force once the authorizer has seen them, which it does in the order of their making.
        while await check("lacks-nothing"):
            pass

    async def story() -> dict[int, tuple[Permission, ...]]:
        async with asyncio.timeout(120):
            await until_in_force()
            return {number: await check(f"lacks-{number}") for number in range(len(taken))}

    found = asyncio.run(story())
    assert {number: missing for number, missing in found.items() if missing != (taken[number],)} == {}
    assert len(taken) > 30 and all(rule.why for rule in taken)
    with_transport(kubeconfig, install.uninstall)


def test_command_names_the_missing_verb_and_what_it_is_for(
    kubeconfig: Path, cluster: Cluster, tmp_path: Path
) -> None:
    with_transport(kubeconfig, lambda transport: install.apply(transport, manifests(None)))
    try:
        plain = [rule for rule in one_verb(PERMISSIONS) if not rule.foreign]
        lacking = [
            next(rule for rule in plain if rule.resource == "pods/eviction"),
            next(rule for rule in plain if rule.url),
            next(rule for rule in plain if rule.namespace and rule.verbs == ("update",)),
            next(rule for rule in plain if rule.name),
        ]
        grant(cluster, "lacks-four", [rule for rule in plain if rule not in lacking])
        path = impersonating(kubeconfig, "lacks-four", tmp_path / "kubeconfig")
        assert (
            fleet(tmp_path / "home", "add", "east", "--site", "fra", "--kubeconfig", str(path)).returncode
            == 0
        )
        checked = fleet(tmp_path / "home", "check", "east")
        assert checked.returncode == 4, checked.stdout + checked.stderr
        text = " ".join(checked.stdout.split())
        assert [rule_name(rule) for rule in plain if f"{rule_name(rule)}: {rule.why}" in text] == [
            rule_name(rule) for rule in plain if rule in lacking
        ]
    finally:
        with_transport(kubeconfig, install.uninstall)


def fleet(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "fleet.cli", "cluster", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**os.environ, "FLEET_HOME": str(home)},
    )


def test_table_has_each_verb_once() -> None:
    pairs = [
        (rule.group, rule.resource, rule.url, rule.namespace, verb) for rule in ALL for verb in rule.verbs
    ]
    assert len(pairs) == len(set(pairs))
    assert set(REMOTE) | set(of_jobs(NAMESPACE)) <= set(ALL)
