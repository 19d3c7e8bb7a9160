"""The objects that fleet installs, before any cluster sees them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
import yaml

from fleet.core.objects import machine
from fleet.core.objects.machine import GROUP, VERSION, Ask, LogAnswer, LogAsk, Machine, Work
from fleet.core.records.errors import UsageError
from fleet.kube.install.installation import MANAGED_BY, Manifest, as_yaml, by_digest, manifests
from fleet.kube.objects.permissions import LEASE_NAMESPACE, PERMISSIONS


def find(kind: str, name: str) -> Manifest:
    return next(each for each in manifests("agent:1") if (each.kind, each.name) == (kind, name))


def test_everything_is_labelled_as_fleets() -> None:
    for each in manifests("agent:1"):
        assert each.body["metadata"]["labels"][MANAGED_BY] == "fleet", each


def test_namespace_comes_before_its_objects() -> None:
    objects = manifests("agent:1")
    assert objects[0].kind == "Namespace"
    assert {each.namespace for each in objects} == {"", objects[0].name}


def test_controllers_rules_are_the_table_of_permissions() -> None:
    everywhere = find("ClusterRole", "fleet-controller").body["rules"]
    in_namespace = find("Role", "fleet-controller").body["rules"]
    given = {
        (*rule.get("apiGroups", [""]), *rule.get("resources", [""]), *rule.get("nonResourceURLs", [""]),
         tuple(rule["verbs"]))
        for rule in everywhere + in_namespace
    }  # fmt: skip
    assert given == {(each.group, each.resource, each.url, each.verbs) for each in PERMISSIONS}
    assert ["leases"] in [rule["resources"] for rule in in_namespace]
    assert {"nonResourceURLs": ["/readyz/etcd"], "verbs": ["get"]} in everywhere
    assert find("Role", "fleet-controller").namespace == LEASE_NAMESPACE


def test_image_digest_is_told_from_a_tag_and_an_incomplete_digest_is_refused() -> None:
    digest = "sha256:" + "0" * 64
    assert by_digest(f"registry.example:5000/fleet@{digest}") and by_digest(f"fleet:1@{digest}")
    assert not by_digest("fleet:1") and not by_digest("registry.example:5000/fleet")
    for image in (
        "fleet@sha256:12",
        f"fleet@{digest}0",
        "fleet@DIGEST",
        f"@{digest}",
        f"fleet@{digest.upper()}",
    ):
        with pytest.raises(UsageError):
            manifests(image)


def test_without_an_image_there_is_no_daemonset() -> None:
    agent = find("DaemonSet", "fleet-agent")
    assert agent.body["spec"]["template"]["spec"]["containers"][0]["image"] == "agent:1"
    assert "DaemonSet" not in {each.kind for each in manifests(None)}
    with pytest.raises(UsageError):
        manifests("")


def test_yaml_has_the_same_content_without_aliases() -> None:
    text = as_yaml(manifests("agent:1"))
    assert list(yaml.safe_load_all(text)) == [each.body for each in manifests("agent:1")]
    assert "*id" not in text


def test_schema_has_every_field_of_a_machine() -> None:
    definition = find("CustomResourceDefinition", f"machines.{GROUP}").body["spec"]
    version = definition["versions"][0]
    schema = version["schema"]["openAPIV3Schema"]["properties"]
    assert version["name"] == VERSION
    assert schema["spec"]["properties"]["action"]["enum"] == list(Ask)
    work = {_camel(field.name) for field in msgspec.structs.fields(Work)}
    assert set(schema["status"]["properties"]["work"]["properties"]) == work
    not_status = {"name", "uid", "request", "reported", "resource_version", "log_ask", "log_told"}
    status = {field.name for field in msgspec.structs.fields(Machine)} - not_status
    assert set(schema["status"]["properties"]) == {_camel(name) for name in status} | {"log"}
    for part, kind in (("spec", LogAsk), ("status", LogAnswer)):
        log = {_camel(field.name) for field in msgspec.structs.fields(kind)}
        assert set(schema[part]["properties"]["log"]["properties"]) == log


def test_reports_of_an_agent_fit_the_schema() -> None:
    """What the API server refused, the agent would try to write forever."""
    schema = find("CustomResourceDefinition", f"machines.{GROUP}").body["spec"]["versions"][0]["schema"]
    status = schema["openAPIV3Schema"]["properties"]["status"]["properties"]
    assert status["kernelArguments"]["maxLength"] == machine.ARGUMENTS_MOST
    assert status["layered"]["maxItems"] == machine.LAYERED_MOST
    assert status["layered"]["items"]["maxLength"] == machine.NAME_MOST
    assert status["work"]["properties"]["log"]["maxLength"] == machine.LOG_MOST
    assert status["work"]["properties"]["message"]["maxLength"] == machine.MESSAGE_MOST
    reported = [status[name] for name in ("os", "kernel", "bootID")]
    reported += [status[name]["properties"]["version"] for name in ("booted", "staged", "rollback")]
    assert {each["maxLength"] for each in reported} == {machine.NAME_MOST}
    for part in ("text", "error"):
        assert status["log"]["properties"][part]["maxLength"] == machine.LOG_MOST
    for units in (status["units"]["properties"], status["work"]["properties"]["units"]["properties"]):
        assert units["failed"]["maxItems"] == machine.UNITS_MOST
        assert units["failed"]["items"]["maxLength"] == machine.NAME_MOST


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return "".join([first, *(word.capitalize() for word in rest)]).replace("Id", "ID")


def test_controller_may_write_machine_status_only_where_it_reaches_them_itself() -> None:
    def resources(remote: bool) -> set[str]:
        roles = [each.body for each in manifests(None, remote) if each.kind == "ClusterRole"]
        (role,) = [body for body in roles if body["metadata"]["name"] == "fleet-controller"]
        return {resource for rule in role["rules"] for resource in rule.get("resources", ())}

    assert resources(True) - resources(False) == {"machines/status"}
    assert resources(False) < resources(True)


def test_agents_do_not_run_on_nodes_that_the_controller_reaches_itself() -> None:
    spec = find("DaemonSet", "fleet-agent").body["spec"]["template"]["spec"]
    (term,) = spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"][
        "nodeSelectorTerms"
    ]
    assert term["matchExpressions"] == [
        {"key": "fleet.internal/reach", "operator": "NotIn", "values": ["ssh", "playbook"]}
    ]


def test_every_text_and_list_of_a_machine_is_bounded() -> None:
    """Whoever may write a Machine, an agent or a tenant with its token, cannot fill etcd or the controller with one."""
    schema = find("CustomResourceDefinition", f"machines.{GROUP}").body["spec"]["versions"][0]["schema"]
    assert list(unbounded(schema["openAPIV3Schema"])) == []


def unbounded(schema: dict[str, Any], path: str = "") -> Iterator[str]:
    match schema.get("type"):
        case "string" if "maxLength" not in schema and "enum" not in schema:
            yield path
        case "array":
            if "maxItems" not in schema:
                yield path
            yield from unbounded(schema["items"], f"{path}[]")
        case "object":
            for name, each in schema.get("properties", {}).items():
                yield from unbounded(each, f"{path}.{name}")
