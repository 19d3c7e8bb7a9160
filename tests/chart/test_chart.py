"""The chart renders what fleet installs, every value has an effect, and what cannot work is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from typing import Any

import pytest
import yaml

from fleet.core.policy.treatment import CAPI_LABEL
from fleet.kube.install.installation import MANAGED_BY, manifests
from fleet.machines.local import CAPABILITIES, OF_PROGRAMS
from tests.chart.render import Json, objects, pod, refusal, render, run
from tools.chart import CHART, MANIFESTS, plain

SCHEMA = json.loads((CHART / "values.schema.json").read_text())
CHARTS_OWN = {"app.kubernetes.io/part-of", "app.kubernetes.io/version", "helm.sh/chart", MANAGED_BY}
DATABASE = {"controller": {"database": {"secret": "fleet-database"}}}
ONE_NAMESPACE = {"agent": {"namespace": "fleet-system"}, "controller": {"worksOnMachines": True}}


def bare(body: Json) -> Json:
    """The object without the labels and annotations by which Helm and `fleet cluster install` know their own."""
    body = deepcopy(body)
    for part in ("labels", "annotations"):
        kept = {key: value for key, value in body["metadata"].pop(part, {}).items() if key not in CHARTS_OWN}
        kept.pop("helm.sh/resource-policy", None)
        kept.pop("app.kubernetes.io/name", None)
        if kept:
            body["metadata"][part] = kept
    return body


def unlike_in_the_chart(body: Json) -> Json:
    """Returns the object with all that the chart sets by a value as `fleet cluster install` has it."""
    if body["kind"] == "DaemonSet":
        body["spec"]["template"]["spec"]["containers"][0].pop("imagePullPolicy")
    if body["kind"] == "Namespace":
        body["metadata"]["labels"] = {
            key: value for key, value in body["metadata"]["labels"].items() if key.endswith("/enforce")
        }
    return body


def test_chart_has_every_object_that_fleet_installs_with_the_same_content() -> None:
    image = "registry.example/fleet:0.1.0"
    rendered = objects(ONE_NAMESPACE)
    for manifest in manifests(image, remote=True, policy=True):
        found = unlike_in_the_chart(bare(rendered[manifest.kind, manifest.name]))
        assert found == bare(manifest.body), str(manifest)


def test_roles_of_hooks_are_those_that_fleet_installs() -> None:
    spaces = ["team-a", "team-b"]
    rendered = objects({"controller": {"jobNamespaces": spaces}})
    found = [bare(each) for (_, name), each in rendered.items() if name.rpartition("/")[2] == "fleet-hooks"]
    wanted = [
        bare(each.body) for each in manifests(None, job_namespaces=spaces) if each.name == "fleet-hooks"
    ]
    assert sorted(found, key=str) == sorted(wanted, key=str) and len(found) == 4


def test_agents_account_and_its_binding_are_in_the_namespace_of_the_agents() -> None:
    rendered = objects()
    assert rendered["DaemonSet", "fleet-agent"]["metadata"]["namespace"] == "fleet-agents"
    assert rendered["ServiceAccount", "fleet-agent"]["metadata"]["namespace"] == "fleet-agents"
    (subject,) = rendered["ClusterRoleBinding", "fleet-agent"]["subjects"]
    assert subject["namespace"] == "fleet-agents"
    (condition,) = rendered["ValidatingAdmissionPolicy", "fleet-agent-own-machine"]["spec"]["matchConditions"]
    for space in ("fleet-agents", "fleet-system"):
        assert f"'system:serviceaccount:{space}:fleet-agent'" in condition["expression"]


def test_plain_manifests_are_the_chart_with_its_defaults() -> None:
    assert plain() == MANIFESTS.read_text(), "make chart writes them anew"


def test_chart_passes_helms_own_checks() -> None:
    for values in ({}, DATABASE | {"monitoring": {"dashboard": {"enabled": True}}}):
        done = run("lint", "--strict", str(CHART), values=values)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("replicas", [2, 3, 5])
def test_replicas_without_postgresql_are_refused(replicas: int) -> None:
    why = refusal({"controller": {"replicas": replicas}})
    assert f"controller.replicas is {replicas}" in why and "controller.database.secret" in why
    render({"controller": {"replicas": replicas, "database": {"secret": "fleet-database"}}})


def test_all_values_that_cannot_work_together_are_named_at_once() -> None:
    why = refusal(
        {
            "controller": {"replicas": 2, "command": "run"},
            "monitoring": {"serviceMonitor": {"enabled": True}},
        }
    )
    for name in ("controller.database.secret", "controller.policyConfigMap", "networkPolicy.metricsFrom"):
        assert name in why


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"contoller": {"replicas": 2}}, "contoller"),
        ({"controller": {"replica": 2}}, "replica"),
        ({"controller": {"replicas": 0}}, "replicas"),
        ({"controller": {"replicas": "2"}}, "replicas"),
        ({"image": {"digest": "sha256:12"}}, "digest"),
        ({"image": {"digest": "latest"}}, "digest"),
        ({"agent": {"namespace": "default"}}, "namespace"),
        ({"agent": {"privileges": "none"}}, "privileges"),
        ({"controller": {"resources": {"limits": {"memory": "2 GB"}}}}, "memory"),
        ({"controller": {"database": {"secret": "Bad_Name"}}}, "secret"),
        ({"networkPolicy": {"apiServer": {"cidrs": ["10.0.0.1"]}}}, "cidrs"),
        ({"networkPolicy": {"apiServer": {"ports": []}}}, "ports"),
        ({"networkPolicy": {"apiServer": {"ports": [70000]}}}, "ports"),
    ],
    ids=str,
)
def test_value_that_the_chart_does_not_have_or_that_is_none_is_refused(values: Json, named: str) -> None:
    assert named in refusal(values)


def test_sqlite_has_a_volume_and_one_pod_at_a_time() -> None:
    rendered = objects()
    assert rendered["Deployment", "fleet-controller"]["spec"]["strategy"] == {"type": "Recreate"}
    assert rendered["PersistentVolumeClaim", "fleet-home"]["metadata"]["annotations"] == {
        "helm.sh/resource-policy": "keep"
    }
    assert ("PodDisruptionBudget", "fleet-controller") not in rendered
    assert "topologySpreadConstraints" not in pod(rendered, "Deployment", "fleet-controller")


def test_replicas_share_a_database_and_no_node() -> None:
    rendered = objects({"controller": {"replicas": 3, "database": {"secret": "fleet-database"}}})
    spec = pod(rendered, "Deployment", "fleet-controller")
    assert ("PersistentVolumeClaim", "fleet-home") not in rendered
    assert {"name": "home", "emptyDir": {"sizeLimit": "1Gi"}} in spec["volumes"]
    (database,) = [each for each in spec["containers"][0]["env"] if each["name"] == "FLEET_DATABASE"]
    assert database["valueFrom"] == {"secretKeyRef": {"name": "fleet-database", "key": "url"}}
    spread = {each["topologyKey"]: each["whenUnsatisfiable"] for each in spec["topologySpreadConstraints"]}
    assert spread == {
        "kubernetes.io/hostname": "DoNotSchedule",
        "topology.kubernetes.io/zone": "ScheduleAnyway",
    }
    budget = rendered["PodDisruptionBudget", "fleet-controller"]["spec"]
    labels = rendered["Deployment", "fleet-controller"]["spec"]["template"]["metadata"]["labels"]
    assert budget["maxUnavailable"] == 1 and budget["selector"]["matchLabels"] == labels


def test_agent_has_the_capabilities_that_real_hosts_were_upgraded_with_and_no_other() -> None:
    spec = pod(objects({"agent": {"privileges": "capabilities"}}), "DaemonSet", "fleet-agent")
    security = spec["containers"][0]["securityContext"]
    assert security["capabilities"] == {"drop": ["ALL"], "add": [*CAPABILITIES, *OF_PROGRAMS]}
    assert "privileged" not in security and spec["hostPID"]
    assert not {"hostNetwork", "hostIPC", "volumes"} & set(spec)


def test_image_by_digest_is_used_without_the_tag() -> None:
    digest = f"sha256:{'a' * 64}"
    rendered = objects({"image": {"repository": "registry.example:5000/f", "tag": "1", "digest": digest}})
    for kind, name in (("Deployment", "fleet-controller"), ("DaemonSet", "fleet-agent")):
        (container,) = pod(rendered, kind, name)["containers"]
        assert container["image"] == f"registry.example:5000/f@{digest}"


def test_release_in_the_controllers_namespace_does_not_create_it() -> None:
    """Helm has made it by then, for its own record: to create it again would fail."""
    rendered = objects(None, "--namespace", "fleet-system")
    assert ("Namespace", "fleet-system") not in rendered and ("Namespace", "fleet-agents") in rendered


def test_every_namespace_denies_what_is_not_named() -> None:
    rendered = objects()
    denying = {
        each["metadata"]["namespace"]
        for (kind, _), each in rendered.items()
        if kind == "NetworkPolicy" and each["spec"]["podSelector"] == {}
    }
    assert denying == {"fleet-system", "fleet-agents"}
    agent = rendered["NetworkPolicy", "fleet-agent"]["spec"]
    assert "ingress" not in agent and "ingress" not in rendered["NetworkPolicy", "fleet-controller"]["spec"]
    ports = {port["port"] for rule in agent["egress"] for port in rule["ports"]}
    assert ports == {53, 443, 6443}


def test_controller_that_nobody_can_stand_in_for_comes_back_with_its_node() -> None:
    """Its label and its tolerations have the engine leave it on a node that is drained."""
    own = {"key": "example.com/own", "operator": "Exists"}
    cordon = {"key": "node.kubernetes.io/unschedulable", "operator": "Exists", "effect": "NoSchedule"}
    for database in ({}, DATABASE):
        chosen = merged(database, {"controller": {"tolerations": [own]}})
        template = objects(chosen)["Deployment", "fleet-controller"]["spec"]["template"]
        label = template["metadata"]["labels"].get(CAPI_LABEL)
        assert label == (None if database else "skip")
        assert template["spec"]["tolerations"] == ([own] if database else [cordon, own])
    assert "tolerations" not in pod(objects(DATABASE), "Deployment", "fleet-controller")


def leaves(schema: Json, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Json]]:
    for name, value in schema["properties"].items():
        if name == "global":
            continue
        if "properties" in value and "default" not in value:
            yield from leaves(value, (*path, name))
        else:
            yield (*path, name), value


ITEMS: dict[str, Any] = {
    "tolerations": {"operator": "Exists"},
    "extraEgress": {"ports": [{"port": 2379}]},
    "metricsFrom": {"podSelector": {}},
    "cidrs": "192.0.2.0/24",
}
TEXTS = {
    "digest": f"sha256:{'b' * 64}",
    "size": "7Gi",
    "interval": "77s",
    "maxUnavailable": "77%",
}
NEEDS: dict[str, Json] = {
    "apiServer.port": {"apiServer": {"host": "192.0.2.1"}},
    "controller.command": {"controller": {"policyConfigMap": "fleet-policy"}},
    "controller.replicas": DATABASE,
    "controller.database.key": DATABASE,
    "networkPolicy.database.cidrs": DATABASE,
    "networkPolicy.database.ports": DATABASE,
    "networkPolicy.ssh.cidrs": {"controller": {"sshSecret": "fleet-ssh"}},
    "networkPolicy.ssh.ports": {"controller": {"sshSecret": "fleet-ssh"}},
    "monitoring.serviceMonitor.enabled": {"networkPolicy": {"metricsFrom": [{"podSelector": {}}]}},
    **{
        f"monitoring.{name}.{value}": {
            "monitoring": {name: {"enabled": True}},
            "networkPolicy": {"metricsFrom": [{"podSelector": {}}]},
        }
        for name, value in (
            ("serviceMonitor", "interval"),
            ("serviceMonitor", "labels"),
            ("prometheusRule", "labels"),
            ("dashboard", "labels"),
        )
    },
}
"""Other values that must be set for a value to have an effect."""


def another(name: str, value: Json) -> Any:
    """Returns a value that is not the default."""
    if "enum" in value:
        return next(each for each in value["enum"] if each != value["default"])
    match value["type"]:
        case "boolean":
            return not value["default"]
        case "integer":
            return value["default"] + 1
        case "string":
            return TEXTS.get(name, "another")
        case "array":
            of_numbers = value["items"].get("type") == "integer"
            return [77] if of_numbers else [ITEMS.get(name, "another")]
        case _:
            return {"requests": {"cpu": "77m"}} if name == "resources" else {"example.com/key": "another"}


def merged(base: Json, other: Json) -> Json:
    both = {**base, **other}
    for key in base.keys() & other.keys():
        if isinstance(base[key], dict):
            both[key] = merged(base[key], other[key])
    return both


def test_every_value_changes_what_is_rendered() -> None:
    """A value that nothing reads would be set in vain, and in silence."""

    def effect(leaf: tuple[tuple[str, ...], Json]) -> tuple[str, bool]:
        path, value = leaf
        needed = NEEDS.get(".".join(path), {})
        chosen = another(path[-1], value)
        for name in reversed(path):
            chosen = {name: chosen}
        return ".".join(path), render(needed) != render(merged(needed, chosen))

    with ThreadPoolExecutor(2) as pool:
        effects = dict(pool.map(effect, leaves(SCHEMA)))
    assert len(effects) > 50
    assert [name for name, changes in effects.items() if not changes] == []


def test_everything_at_once_is_valid_yaml_with_unique_objects() -> None:
    values: Json = {
        "apiServer": {"host": "192.0.2.1"},
        "controller": {
            **DATABASE["controller"],
            "replicas": 3,
            "sshSecret": "fleet-ssh",
            "clustersSecret": "fleet-clusters",
            "filesSecret": "fleet-files",
            "policyConfigMap": "fleet-policy",
            "extraArgs": ["--log-format", "json"],
            "jobNamespaces": ["team-a"],
            "worksOnMachines": True,
            "tolerations": [{"operator": "Exists"}],
        },
        "networkPolicy": {"metricsFrom": [{"podSelector": {}}], "extraEgress": [{"ports": [{"port": 2379}]}]},
        "monitoring": {name: {"enabled": True} for name in ("serviceMonitor", "prometheusRule", "dashboard")},
    }
    rendered = objects(values)
    alerts = yaml.safe_load((CHART / "files/alerts.yaml").read_text())
    assert rendered["PrometheusRule", "fleet"]["spec"] == alerts
    assert json.loads(rendered["ConfigMap", "fleet-dashboard"]["data"]["fleet.json"]) == json.loads(
        (CHART / "files/dashboard.json").read_text()
    )
    spec = pod(rendered, "Deployment", "fleet-controller")
    assert {each["name"] for each in spec["volumes"]} == {
        each["name"] for each in spec["containers"][0]["volumeMounts"]
    }
    assert spec["containers"][0]["args"] == ["operator", "--log-format", "json"]
    hosts = {each["name"]: each.get("value") for each in spec["containers"][0]["env"]}
    assert hosts["KUBERNETES_SERVICE_HOST"] == "192.0.2.1" and hosts["KUBERNETES_SERVICE_PORT"] == "6443"
