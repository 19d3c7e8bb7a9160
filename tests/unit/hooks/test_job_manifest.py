"""The Job of a hook: its name, its place, and what its containers get."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest

from fleet.core.policy.hooks.hook import HookMoment, JobHook
from fleet.core.rollout.hooks.hook_state import HookPlace
from fleet.core.state.hook_calls import HookCall
from fleet.hooks.job_manifest import ended, is_of, job_name, job_of

POD = {"containers": [{"name": "a", "image": "i", "env": [{"name": "X", "value": "1"}]}]}


def a_hook(pod: dict[str, Any], **changes: Any) -> JobHook:
    template = msgspec.json.encode({"template": {"spec": pod}, **changes}).decode()
    return JobHook(name="Smoke.Test_1", template=template, namespace="ops", timeout_seconds=90)


def a_call(hook: JobHook, attempt: int = 1, node: str = "n-1") -> HookCall:
    facts = {"FLEET_NODE": node, "FLEET_TO": "$(HOME) $X"}
    place = HookPlace(HookMoment.AFTER_NODE, f"east/{node}")
    return HookCall("r-1", place, hook, attempt, facts)


def test_name_is_valid_and_follows_from_the_attempt_alone() -> None:
    hook = a_hook(POD)
    names = {job_name(a_call(hook, attempt, node)) for attempt in (1, 2) for node in ("n-1", "n-2")}
    assert len(names) == 4 and job_name(a_call(hook)) in names
    long = JobHook(name="x" * 100, template="{}", namespace="ops")
    for name in (*names, job_name(a_call(long))):
        assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", name) and len(name) <= 63


def test_facts_are_environment_variables_that_kubernetes_does_not_expand() -> None:
    hook = a_hook({**POD, "initContainers": [{"name": "b", "image": "i"}]})
    pod = job_of(a_call(hook), hook)["spec"]["template"]["spec"]
    for container in (pod["containers"][0], pod["initContainers"][0]):
        given = {each["name"]: each["value"] for each in container["env"]}
        assert given["FLEET_NODE"] == "n-1" and given["FLEET_TO"] == "$$(HOME) $$X"
    assert {each["name"] for each in pod["containers"][0]["env"]} >= {"X", "FLEET_HOOK_TOKEN"}


def test_pod_of_a_node_is_bound_to_the_cordoned_node_beside_the_affinity_of_the_template() -> None:
    zone = {"key": "zone", "operator": "In", "values": ["a"]}
    required = {"nodeSelectorTerms": [{"matchExpressions": [zone]}]}
    affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}
    hook = a_hook({**POD, "affinity": affinity, "tolerations": [{"key": "gpu", "operator": "Exists"}]})
    pod = job_of(a_call(hook), hook)["spec"]["template"]["spec"]
    found = pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    field = {"key": "metadata.name", "operator": "In", "values": ["n-1"]}
    assert found["nodeSelectorTerms"] == [{"matchExpressions": [zone], "matchFields": [field]}]
    assert [each["key"] for each in pod["tolerations"]] == ["gpu", "node.kubernetes.io/unschedulable"]


def test_pod_is_on_any_node_where_the_policy_says_so() -> None:
    hook = msgspec.structs.replace(a_hook(POD), on_node=False)
    pod = job_of(a_call(hook), hook)["spec"]["template"]["spec"]
    assert "affinity" not in pod and "tolerations" not in pod


def test_job_has_a_deadline_and_no_retries_of_its_own_unless_the_template_says_so() -> None:
    plain, own = (
        a_hook(POD),
        a_hook(POD, backoffLimit=3, ttlSecondsAfterFinished=5, activeDeadlineSeconds=9999),
    )
    spec, others = job_of(a_call(plain), plain)["spec"], job_of(a_call(own), own)["spec"]
    assert (spec["activeDeadlineSeconds"], spec["backoffLimit"]) == (90, 0)
    assert spec["template"]["spec"]["restartPolicy"] == "Never" and spec["ttlSecondsAfterFinished"] > 0
    assert (others["activeDeadlineSeconds"], others["backoffLimit"], others["ttlSecondsAfterFinished"]) == (
        90,
        3,
        5,
    )


def test_job_is_known_by_its_token() -> None:
    hook = a_hook(POD)
    job = job_of(a_call(hook), hook)
    assert is_of(job, a_call(hook)) and not is_of(job, a_call(hook, attempt=2))
    assert not is_of({"metadata": {}}, a_call(hook))
    assert job["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "fleet"


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({}, None),
        ({"conditions": None}, None),
        ({"conditions": [{"type": "Suspended", "status": "True"}]}, None),
        ({"conditions": [{"type": "Complete", "status": "False"}]}, None),
        ({"conditions": [{"type": "SuccessCriteriaMet", "status": "True"}]}, None),
        ({"conditions": [{"type": "Complete", "status": "True"}]}, (True, "")),
        (
            {
                "conditions": [
                    {"type": "Failed", "status": "True", "reason": "DeadlineExceeded", "message": "late"}
                ]
            },
            (False, "DeadlineExceeded: late"),
        ),
    ],
)
def test_job_has_ended_when_its_conditions_say_so(status: Any, expected: tuple[bool, str] | None) -> None:
    assert ended({"status": status}) == expected
