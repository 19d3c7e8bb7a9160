"""Only where hooks make Jobs may the controller do so."""

from __future__ import annotations

from msgspec.structs import replace

from fleet.core.policy.hooks.hook import CommandHook, Hooks, JobHook
from fleet.core.policy.hooks.job_namespaces import job_namespaces
from fleet.core.policy.policy import Policy, Pool
from fleet.core.policy.rollout_stage import RolloutStage
from fleet.kube.install.installation import manifests
from fleet.kube.objects.permissions import needed


def a_job(namespace: str, cluster: str = "") -> JobHook:
    return JobHook(name="j", template="{}", namespace=namespace, cluster=cluster)


POLICY = Policy(
    pools=(
        Pool("v", clusters=("east",), hooks=Hooks((a_job("east-only"),))),
        Pool("w", hooks=Hooks((CommandHook(name="c", command=("c",)),), (a_job("both"),))),
    ),
    stages=(RolloutStage("s", hooks=Hooks((a_job("stages", "west"),))),),
    hooks=Hooks((), (a_job("ends", "east"),)),
)


def test_namespaces_are_those_of_the_hooks_that_concern_the_cluster() -> None:
    assert job_namespaces(POLICY, "east") == ("both", "east-only", "ends")
    assert job_namespaces(POLICY, "west") == ("both", "stages")
    assert job_namespaces(replace(POLICY, pools=(), stages=(), hooks=Hooks()), "east") == ()


def test_each_namespace_has_a_role_of_its_own_and_without_hooks_there_is_none() -> None:
    plain, with_jobs = manifests(None), manifests(None, job_namespaces=("ops", "tests"))
    added = with_jobs[len(plain) :]
    assert with_jobs[: len(plain)] == plain
    assert [(each.kind, each.namespace, each.name) for each in added] == [
        (kind, namespace, "fleet-hooks") for namespace in ("ops", "tests") for kind in ("Role", "RoleBinding")
    ]
    verbs = {rule["resources"][0]: rule["verbs"] for rule in added[0].body["rules"]}
    assert verbs == {"jobs": ["get", "create", "delete"], "pods": ["list"], "pods/log": ["get"]}


def test_check_asks_for_the_same_permissions_as_install_grants() -> None:
    asked = {(rule.resource, rule.verbs, rule.namespace) for rule in needed(False, ("ops",))}
    granted = {
        (rule["resources"][0], tuple(rule["verbs"]), "ops")
        for each in manifests(None, job_namespaces=("ops",))
        if each.kind == "Role" and each.namespace == "ops"
        for rule in each.body["rules"]
    }
    assert asked - {(rule.resource, rule.verbs, rule.namespace) for rule in needed(False)} == granted
