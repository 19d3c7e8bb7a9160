"""Hooks that are Jobs, on a real API server: made once, found again, bound to the cordoned node, and deleted."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
from msgspec.structs import replace

from fleet.core.policy.hooks.hook import HookMoment, JobHook
from fleet.core.rollout.hooks.hook_state import HookPlace, HookResult
from fleet.core.state.hook_calls import HookAnswer, HookCall
from fleet.hooks.job import JobRunner
from fleet.hooks.job_manifest import job_name
from fleet.kube.client.transport import Transport
from fleet.kube.install import install
from fleet.kube.install.installation import manifests
from fleet.lab import Lab
from tests.cluster.rest import Cluster, Json
from tests.cluster.test_kube import kubeconfig_of, scenario, token_of
from tests.cluster.world import RealWorld
from tests.contract.world import NAMESPACE

JOBS = f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs"
SPACE = "jobs-of-hooks"
"""A namespace in which fleet has no rights yet."""
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"


def a_call(node: str, complete_ms: int = 200, seconds: int = 60) -> HookCall:
    template = {
        "template": {
            "metadata": {"annotations": {"lab.fleet.internal/complete-after-ms": str(complete_ms)}},
            "spec": {"containers": [{"name": "check", "image": "registry.invalid/check:1"}]},
        }
    }
    encoded = msgspec.json.encode(template).decode()
    hook = JobHook(name="check", template=encoded, namespace=NAMESPACE, timeout_seconds=seconds)
    place = HookPlace(HookMoment.BEFORE_NODE, f"east/{node}")
    return HookCall("r-1", place, hook, 1, {"FLEET_NODE": node})


async def runner_of(world: RealWorld, lab: Lab, rest: Cluster, folder: Path) -> JobRunner:
    """Runs Jobs with the rights of fleet's controller, as installed for a policy with such hooks."""
    await install.apply(world.kube.transport, manifests(None, job_namespaces=(NAMESPACE,)))
    account = await asyncio.to_thread(token_of, rest, "fleet-controller")
    return JobRunner(transport_of(world, kubeconfig_of(lab, folder / "kc", account)))


def transport_of(world: RealWorld, kubeconfig: Path) -> Transport:
    return world.open(kubeconfig).transport


async def ran(runner: JobRunner, call: HookCall) -> HookAnswer:
    answer = await runner.run(call)
    assert answer is not None
    return answer


async def listed(rest: Cluster, path: str) -> list[Json]:
    found: Json = await asyncio.to_thread(rest.get, path)
    return list(found["items"])


async def until_gone(rest: Cluster) -> None:
    """Waits until the Job and its pods are deleted."""
    # The pause between two looks.
    while await listed(rest, JOBS) or await listed(rest, PODS):  # noqa: ASYNC110
        await asyncio.sleep(0.1)


async def cordoned_node(world: RealWorld, rest: Cluster) -> str:
    await world.add_nodes(2)
    names = sorted(each["metadata"]["name"] for each in await listed(rest, "/api/v1/nodes"))
    await world.patch(f"/api/v1/nodes/{names[0]}", {"spec": {"unschedulable": True}})
    return str(names[0])


def test_job_runs_once_on_its_cordoned_node(lab: Lab, cluster: Cluster, tmp_path: Path) -> None:
    async def story(world: RealWorld) -> None:
        node = await cordoned_node(world, cluster)
        runner = await runner_of(world, lab, cluster, tmp_path)
        call = a_call(node)
        first = await ran(runner, call)
        assert first.result is HookResult.PASSED, first.message
        again = await ran(runner, call)
        assert again.result is HookResult.PASSED
        (job,), (pod,) = await listed(cluster, JOBS), await listed(cluster, PODS)
        assert job["metadata"]["name"] == job_name(call) and pod["spec"]["nodeName"] == node
        given = {each["name"]: each.get("value") for each in pod["spec"]["containers"][0]["env"]}
        assert given["FLEET_NODE"] == node

    scenario(lab, cluster, story)


def test_job_of_a_controller_that_was_killed_is_found_again(
    lab: Lab, cluster: Cluster, tmp_path: Path
) -> None:
    async def story(world: RealWorld) -> None:
        node = await cordoned_node(world, cluster)
        runner = await runner_of(world, lab, cluster, tmp_path)
        call = a_call(node, complete_ms=4000)
        killed = asyncio.create_task(runner.run(call))
        while not await listed(cluster, JOBS):
            await asyncio.wait({killed}, timeout=0.1)
        killed.cancel()
        await asyncio.wait({killed})
        (before,) = await listed(cluster, JOBS)
        assert (await ran(JobRunner(world.kube.transport), call)).result is HookResult.PASSED
        (after,) = await listed(cluster, JOBS)
        assert after["metadata"]["uid"] == before["metadata"]["uid"]

    scenario(lab, cluster, story)


def test_stopped_job_is_deleted_and_one_of_another_is_not(lab: Lab, cluster: Cluster, tmp_path: Path) -> None:
    async def story(world: RealWorld) -> None:
        node = await cordoned_node(world, cluster)
        runner = await runner_of(world, lab, cluster, tmp_path)
        call = a_call(node, complete_ms=600_000)
        stopped = asyncio.create_task(runner.run(call))
        while not await listed(cluster, JOBS):
            await asyncio.wait({stopped}, timeout=0.1)
        stopped.cancel()
        await asyncio.wait({stopped})
        await runner.discard(call)
        await until_gone(cluster)
        await runner.discard(call)
        spec = {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "a", "image": "a"}]}}}
        foreign = {"metadata": {"name": job_name(call)}, "spec": spec | {"suspend": True}}
        await asyncio.to_thread(cluster.create, JOBS, foreign)
        await runner.discard(call)
        assert len(await listed(cluster, JOBS)) == 1
        answer = await ran(runner, call)
        assert answer.result is HookResult.FAILED and "not of this hook" in answer.message

    scenario(lab, cluster, story)


def test_job_that_takes_too_long_or_cannot_be_made_fails(lab: Lab, cluster: Cluster, tmp_path: Path) -> None:
    async def story(world: RealWorld) -> None:
        node = await cordoned_node(world, cluster)
        runner = await runner_of(world, lab, cluster, tmp_path)
        late = await ran(runner, a_call(node, complete_ms=600_000, seconds=3))
        assert late.result is HookResult.FAILED and "DeadlineExceeded" in late.message
        call = a_call(node)
        assert isinstance(call.hook, JobHook)
        nowhere = replace(call, hook=replace(call.hook, namespace="nowhere"))
        answer = await ran(runner, nowhere)
        assert answer.result is HookResult.FAILED and "fleet cluster install" in answer.message
        wrong = replace(
            call,
            hook=replace(call.hook, name="wrong", template='{"template": {"spec": {"containers": [{}]}}}'),
        )
        refused = await ran(runner, wrong)
        assert refused.result is HookResult.FAILED and "image" in refused.message

    scenario(lab, cluster, story)


def test_roles_of_jobs_are_checked_and_taken_out_again(lab: Lab, cluster: Cluster, tmp_path: Path) -> None:
    async def story(world: RealWorld) -> None:
        await asyncio.to_thread(cluster.create, "/api/v1/namespaces", {"metadata": {"name": SPACE}})
        account = await asyncio.to_thread(token_of, cluster, "fleet-controller")
        ours = world.open(kubeconfig_of(lab, tmp_path / "kc", account))
        lacking = await ours.forbidden(job_namespaces=(SPACE,))
        assert {(each.resource, each.verbs, each.namespace) for each in lacking} == {
            ("jobs", ("get", "create", "delete"), SPACE),
            ("pods/log", ("get",), SPACE),
        }
        await install.apply(world.kube.transport, manifests(None, job_namespaces=(SPACE,)))
        assert await ours.forbidden(job_namespaces=(SPACE,)) == ()
        roles = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{SPACE}/roles"
        assert [each["metadata"]["name"] for each in await listed(cluster, roles)] == ["fleet-hooks"]
        await install.uninstall(world.kube.transport)
        assert await listed(cluster, roles) == []

    scenario(lab, cluster, story)
