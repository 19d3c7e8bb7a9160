"""The operator knows whether the API server proves who asks for something in a Rollout."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import msgspec
import pytest

from fleet.app.operator.api import USERS, why_unproven
from fleet.core.records.errors import UnreachableError
from fleet.kube.client.transport import Transport
from fleet.kube.install.installation import manifests
from fleet.kube.objects.errors import ApiRequest, NotFoundError


class InstalledObjects:
    """Answers GETs of the objects of this name as fleet installs them."""

    def __init__(self) -> None:
        self.bodies: dict[str, dict[str, Any]] = {
            each.path: dict(each.body) for each in manifests(None, policy=True) if each.name == USERS
        }

    async def call(self, request: ApiRequest) -> bytes:
        if request.path not in self.bodies:
            raise NotFoundError("not found")
        return msgspec.json.encode(self.bodies[request.path])

    def unproven(self) -> str:
        return asyncio.run(why_unproven(cast(Transport, self)))


def test_what_fleet_installs_proves_who_asks() -> None:
    objects = InstalledObjects()
    assert [path.rpartition("/")[0].rpartition("/")[2] for path in objects.bodies] == [
        "validatingadmissionpolicies",
        "validatingadmissionpolicybindings",
    ]
    assert objects.unproven() == ""


@pytest.mark.parametrize("number", [0, 1])
def test_a_missing_or_changed_object_proves_nothing(number: int) -> None:
    objects = InstalledObjects()
    path = list(objects.bodies)[number]
    key = ("validations", "validationActions")[number]
    objects.bodies[path] = {**objects.bodies[path], "spec": {**objects.bodies[path]["spec"], key: []}}
    assert objects.unproven()
    del objects.bodies[path]
    assert "not found" in objects.unproven()


EXCEPTIONS: list[tuple[int, dict[str, Any]]] = [
    (0, {"matchConditions": [{"name": "never", "expression": "false"}]}),
    (0, {"paramKind": {"apiVersion": "v1", "kind": "ConfigMap"}}),
    (1, {"matchResources": {"objectSelector": {"matchLabels": {"checked": "yes"}}}}),
]


@pytest.mark.parametrize(("number", "added"), EXCEPTIONS)
def test_an_object_that_makes_exceptions_proves_nothing(number: int, added: dict[str, Any]) -> None:
    objects = InstalledObjects()
    path = list(objects.bodies)[number]
    objects.bodies[path] = {**objects.bodies[path], "spec": {**objects.bodies[path]["spec"], **added}}
    assert objects.unproven()


@pytest.mark.parametrize(
    "added",
    [
        {"excludeResourceRules": [{"apiGroups": ["*"], "resources": ["*"]}]},
        {"objectSelector": {"matchLabels": {"checked": "yes"}}},
    ],
)
def test_a_policy_that_leaves_objects_out_proves_nothing(added: dict[str, Any]) -> None:
    objects = InstalledObjects()
    path = next(iter(objects.bodies))
    spec = objects.bodies[path]["spec"]
    changed = {**spec, "matchConstraints": {**spec["matchConstraints"], **added}}
    objects.bodies[path] = {**objects.bodies[path], "spec": changed}
    assert objects.unproven()


def test_defaults_of_the_api_server_are_no_changes() -> None:
    objects = InstalledObjects()
    path = next(iter(objects.bodies))
    spec = objects.bodies[path]["spec"]
    constraints = {
        **spec["matchConstraints"],
        "matchPolicy": "Equivalent",
        "namespaceSelector": {},
        "objectSelector": {},
        "resourceRules": [{**rule, "scope": "*"} for rule in spec["matchConstraints"]["resourceRules"]],
    }
    objects.bodies[path] = {**objects.bodies[path], "spec": {**spec, "matchConstraints": constraints}}
    assert objects.unproven() == ""


def test_api_server_that_does_not_answer_is_no_missing_policy() -> None:
    class Away:
        async def call(self, request: ApiRequest) -> bytes:
            raise UnreachableError("503")

    with pytest.raises(UnreachableError):
        asyncio.run(why_unproven(cast(Transport, Away())))
