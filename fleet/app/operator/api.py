"""Writes to an operator's own cluster: statuses, and the objects of rollouts."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Mapping
from functools import cache
from typing import Any

import msgspec
from msgspec import Struct

from fleet.app.operator.watched import RESOURCES, ROLLOUT, ROLLOUTS
from fleet.config.objects.kinds import GROUP
from fleet.core.records.errors import FleetError, ForbiddenError
from fleet.kube.client.transport import Transport
from fleet.kube.install.installation import Manifest, manifests
from fleet.kube.objects.errors import ApiRequest, ConflictError, NotFoundError

MANAGER = "fleet-operator"
"""The field manager of what an operator writes."""
APPLY = "application/apply-patch+yaml"
"""Server-side apply, which takes back the fields that are no longer given:
https://kubernetes.io/docs/reference/using-api/server-side-apply/"""
ADMISSION = "admissionregistration.k8s.io"
USERS = "fleet-rollout-users"
"""The name of the objects by which the API server says who asks for something in a Rollout."""
ADDED = {"matchPolicy": "Equivalent", "namespaceSelector": {}, "objectSelector": {}, "scope": "*"}
"""The defaults that the API server adds to these objects. Whatever else is added could make an exception."""

JsonObject = Mapping[str, Any]


async def each_one(requests: Iterable[Awaitable[None]]) -> None:
    """Awaits the requests one after another; one that fails keeps none from being sent. Raises the first FleetError at the
    end."""
    failed: FleetError | None = None
    for request in requests:
        try:
            await request
        except FleetError as error:
            failed = failed or error
    if failed is not None:
        raise failed


async def apply_status(transport: Transport, kind: str, name: str, uid: str, status: Struct) -> None:
    """Writes the status of an object, unless the object is gone. Raises FleetError."""
    body = {
        "apiVersion": f"{GROUP}/v1",
        "kind": kind,
        "metadata": {"name": name, "uid": uid},
        "status": msgspec.to_builtins(status),
    }
    plural = RESOURCES[kind]
    request = ApiRequest(
        verb="patch",
        path=f"/apis/{GROUP}/v1/{plural}/{name}/status",
        group=GROUP,
        resource=f"{plural}/status",
        query={"fieldManager": MANAGER, "force": "true"},
        body=body,
        media=APPLY,
    )
    try:
        await transport.call(request)
    except (NotFoundError, ConflictError):
        # Deleted meanwhile; a conflict is another object of the same name, since all others are forced.
        return


async def create_rollout(transport: Transport, name: str, spec: Struct) -> None:
    """Makes the object of a rollout, unless there is one of that name. Raises FleetError."""
    body = {
        "apiVersion": f"{GROUP}/v1",
        "kind": ROLLOUT,
        "metadata": {"name": name, "labels": {"app.kubernetes.io/managed-by": "fleet"}},
        "spec": msgspec.to_builtins(spec),
    }
    request = ApiRequest(
        verb="create",
        path=f"/apis/{GROUP}/v1/{ROLLOUTS}",
        group=GROUP,
        resource=ROLLOUTS,
        query={"fieldManager": MANAGER},
        body=body,
    )
    try:
        await transport.call(request)
    except ConflictError:
        return


async def why_unproven(transport: Transport) -> str:
    """Returns why the API server does not prove who asks for something in a Rollout; empty: it does. Raises FleetError where
    that is not known, since the API server does not answer."""
    for manifest in _proofs():
        resource = manifest.collection.rpartition("/")[2]
        request = ApiRequest(verb="get", path=manifest.path, group=ADMISSION, resource=resource)
        try:
            found = msgspec.json.decode(await transport.call(request))
        except (NotFoundError, ForbiddenError) as error:
            return f"{manifest.kind} {USERS}: {error.message}"
        if not _holds(found.get("spec"), manifest.body["spec"]):
            return f"{manifest.kind} {USERS} is not the one that the Helm chart applies"
    return ""


@cache
def _proofs() -> tuple[Manifest, ...]:
    """Returns the objects by which users are proven, as they are installed. Read once: parsing all that is installed takes a
    quarter of a second, and these are looked at every few seconds."""
    return tuple(each for each in manifests(None, policy=True) if each.name == USERS)


def _holds(found: Any, wanted: Any) -> bool:
    """Returns whether the value is the wanted one, apart from what the API server adds."""
    match wanted:
        case dict():
            return isinstance(found, dict) and all(
                _holds(found.get(key, ADDED.get(key)), wanted.get(key, ADDED.get(key)))
                for key in found.keys() | wanted.keys()
            )
        case list():
            return isinstance(found, list) and len(found) == len(wanted) and all(map(_holds, found, wanted))
        case _:
            return bool(found == wanted)
