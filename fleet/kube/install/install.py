"""Installs fleet in a cluster by server-side apply, and removes it completely."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from msgspec import Struct

from fleet.core.objects.node import CORDON_ANNOTATION, PENDING_TAINT
from fleet.core.records.errors import FleetError, HeldError, UnreachableError
from fleet.core.text.untrusted import UnreadableError, decode
from fleet.core.third_parties import keep_off
from fleet.kube.client.retry import retry_on_conflict
from fleet.kube.client.transport import Transport
from fleet.kube.install.enforced import until_enforced
from fleet.kube.install.installation import (
    HOOKS,
    MANAGED_BY,
    OWNER,
    Manifest,
    manifests,
    roles_of_jobs,
)
from fleet.kube.objects.api_resource import ApiResource
from fleet.kube.objects.errors import ApiRequest, ConflictError, NotFoundError
from fleet.kube.objects.marks import UNSCHEDULABLE_TAINT
from fleet.kube.watch.reflector import Reflector

FIELD_MANAGER = "fleet"
ESTABLISHED_SECONDS = 30.0
GONE_SECONDS = 300.0
"""Seconds to wait for deletions. A namespace is gone once all kinds of objects in it were searched, of which some
clusters have hundreds."""

_OUR_ANNOTATIONS = "fleet.internal/"
_PAGE = 500

JsonObject = dict[str, Any]


class AppliedManifest(Struct, frozen=True):
    manifest: Manifest
    result: Literal["created", "configured", "unchanged"]


class DeletedManifest(Struct, frozen=True):
    manifest: Manifest
    result: Literal["deleted", "absent", "foreign"]
    """foreign: an object with that name exists that fleet did not create; it stays."""


class Uninstalled(Struct, frozen=True):
    objects: tuple[DeletedManifest, ...]
    nodes: tuple[str, ...]
    """Nodes from which fleet's marks were removed: taint, annotations, its own cordon."""


async def apply(transport: Transport, objects: Sequence[Manifest]) -> tuple[AppliedManifest, ...]:
    """Applies these objects in order, and waits until Machines can be created. Agents come last, once their admission
    policy is in force.

    Raises HeldError, before anything is written, where an object of the same name is not fleet's; ForbiddenError
    where the user may not write one.
    """
    before = [await _find(transport, manifest) for manifest in objects]
    foreign = [
        manifest for manifest, found in zip(objects, before, strict=True) if found and not _ours(found)
    ]
    if foreign:
        names = ", ".join(str(manifest) for manifest in foreign)
        raise HeldError(
            f"objects exist that fleet did not create: {names}",
            f"remove them, or hand them over: kubectl label ... {MANAGED_BY}={OWNER}",
        )
    applied = []
    for manifest, found in zip(objects, before, strict=True):
        if manifest.kind == "DaemonSet":
            await until_enforced(transport)
        applied.append(await _apply(transport, manifest, found))
    for manifest in objects:
        if manifest.kind == "CustomResourceDefinition":
            await _until(transport, manifest, _established, ESTABLISHED_SECONDS, "served")
    return tuple(applied)


async def uninstall(transport: Transport) -> Uninstalled:
    """Deletes all objects that `apply` creates, all Machines, and fleet's marks on nodes; returns when they are gone.

    No controller may work on the cluster meanwhile: it would set its marks again. A second call finds nothing.
    """
    spaces = await _namespaces_of_hooks(transport)
    objects = (*roles_of_jobs(spaces), *reversed(manifests("of no matter")))
    deleted = tuple([await _delete(transport, manifest) for manifest in objects])
    nodes = await _unmark(transport)
    for deletion in deleted:
        if deletion.result == "deleted":
            await _until(transport, deletion.manifest, _absent, GONE_SECONDS, "gone")
    return Uninstalled(deleted, nodes)


async def _namespaces_of_hooks(transport: Transport) -> list[str]:
    """Returns the namespaces in which `apply` has made roles for the Jobs of hooks."""
    group, query = "rbac.authorization.k8s.io", {"labelSelector": f"{MANAGED_BY}={OWNER}"}
    found = set()
    for resource in ("roles", "rolebindings"):
        listed = ApiRequest(
            verb="list", path=f"/apis/{group}/v1/{resource}", group=group, resource=resource, query=query
        )
        items = _json(await transport.call(listed)).get("items") or []
        found |= {item["metadata"]["namespace"] for item in items if item["metadata"]["name"] == HOOKS}
    return sorted(found)


async def _find(transport: Transport, manifest: Manifest) -> JsonObject | None:
    try:
        return _json(await transport.call(_call("get", manifest, manifest.path)))
    except NotFoundError:
        return None


async def _apply(transport: Transport, manifest: Manifest, before: JsonObject | None) -> AppliedManifest:
    call = ApiRequest(
        verb="patch",
        path=manifest.path,
        group=manifest.group,
        resource=manifest.resource,
        query={"fieldManager": FIELD_MANAGER, "force": "true"},
        body=manifest.body,
        media="application/apply-patch+yaml",
    )
    after = _json(await transport.call(call))
    if before is None:
        return AppliedManifest(manifest, "created")
    return AppliedManifest(manifest, "unchanged" if _content(before) == _content(after) else "configured")


async def _delete(transport: Transport, manifest: Manifest) -> DeletedManifest:
    found = await _find(transport, manifest)
    if found is None:
        return DeletedManifest(manifest, "absent")
    if not _ours(found):
        return DeletedManifest(manifest, "foreign")
    # The uid: an object that replaces it meanwhile is not fleet's.
    body = {"propagationPolicy": "Foreground", "preconditions": {"uid": found["metadata"]["uid"]}}
    try:
        await transport.call(_call("delete", manifest, manifest.path, body=body))
    except NotFoundError:
        return DeletedManifest(manifest, "absent")
    except ConflictError as error:
        if not found["metadata"].get("deletionTimestamp"):
            raise FleetError(f"{manifest} cannot be deleted: {error.message}") from None
    return DeletedManifest(manifest, "deleted")


async def _unmark(transport: Transport) -> tuple[str, ...]:
    unmarked: list[str] = []
    query = {"limit": str(_PAGE)}
    while True:
        call = ApiRequest(verb="list", path="/api/v1/nodes", resource="nodes", query=query)
        page = _json(await transport.call(call))
        unmarked += [node["metadata"]["name"] for node in page["items"] if await _unmark_one(transport, node)]
        if not page["metadata"].get("continue"):
            return tuple(unmarked)
        query = {"limit": str(_PAGE), "continue": page["metadata"]["continue"]}


async def _unmark_one(transport: Transport, node: JsonObject) -> bool:
    """Removes the marks of one node, and returns whether there were any. `node`: the Node as listed."""
    name = node["metadata"]["name"]
    path = f"/api/v1/nodes/{name}"
    newest: JsonObject | None = node

    async def attempt() -> bool:
        nonlocal newest
        read = ApiRequest(verb="get", path=path, resource="nodes")
        patch = without_marks(newest or _json(await transport.call(read)))
        newest = None
        if patch is not None:
            await transport.call(ApiRequest(verb="patch", path=path, resource="nodes", body=patch))
        return patch is not None

    try:
        return await retry_on_conflict(attempt)
    except NotFoundError:
        return False
    except ConflictError:
        raise FleetError(f"node {name} changes faster than fleet can remove its marks") from None


def without_marks(node: Mapping[str, Any]) -> JsonObject | None:
    """Returns the merge patch that removes fleet's marks from a Node object; None if it has none.

    A cordon stays unless fleet's annotation marks it as fleet's own.
    """
    metadata, spec = node["metadata"], node.get("spec", {})
    marks = [key for key in metadata.get("annotations", {}) if key.startswith(_OUR_ANNOTATIONS)]
    taints = spec.get("taints", [])
    change: JsonObject = {}
    ours = {PENDING_TAINT}
    if CORDON_ANNOTATION in marks:
        change["unschedulable"] = None
        ours.add(UNSCHEDULABLE_TAINT)
    kept = [taint for taint in taints if taint["key"] not in ours]
    if kept != taints:
        change["taints"] = kept or None
    if not marks and not change:
        return None
    annotations = dict.fromkeys([*marks, *keep_off.removals(metadata.get("annotations", {}))])
    return {
        "metadata": {"resourceVersion": metadata["resourceVersion"], "annotations": annotations},
        "spec": change,
    }


class _Condition:
    """The Store of a Reflector for one object: `met` is done once the object, or its absence, fulfils the condition."""

    def __init__(self, fulfils: Callable[[JsonObject | None], bool]) -> None:
        self.met: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._fulfils = fulfils

    def replace(self, objects: Sequence[JsonObject]) -> None:
        self._look(objects[0] if objects else None)

    def upsert(self, found: JsonObject) -> None:
        self._look(found)

    def delete(self, found: JsonObject) -> None:
        self._look(None)

    def _look(self, found: JsonObject | None) -> None:
        if not self.met.done() and self._fulfils(found):
            self.met.set_result(None)


async def _until(
    transport: Transport,
    manifest: Manifest,
    fulfils: Callable[[JsonObject | None], bool],
    seconds: float,
    state: str,
) -> None:
    """Follows the object until it fulfils the condition. Raises UnreachableError after so many seconds, FleetError where
    it cannot be followed."""
    condition = _Condition(fulfils)
    resource: ApiResource[JsonObject] = ApiResource(
        manifest.kind,
        manifest.group,
        "v1",
        manifest.resource,
        JsonObject,
        lambda found: found,
        path=manifest.collection,
    )

    def stop_on_failure() -> None:
        if reflector.error is not None and not condition.met.done():
            condition.met.set_exception(reflector.error)

    fields = f"metadata.name={manifest.name}"
    reflector = Reflector(transport, resource, transport.clock, condition, stop_on_failure, fields=fields)
    following = asyncio.create_task(reflector.run())
    try:
        async with asyncio.timeout(seconds):
            await condition.met
    except TimeoutError:
        raise UnreachableError(f"{manifest} is not {state} after {seconds:.0f} s") from None
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


def _established(found: JsonObject | None) -> bool:
    conditions = (found or {}).get("status", {}).get("conditions", [])
    return any(
        (condition["type"], condition["status"]) == ("Established", "True") for condition in conditions
    )


def _absent(found: JsonObject | None) -> bool:
    return found is None


def _ours(found: JsonObject) -> bool:
    return bool(found["metadata"].get("labels", {}).get(MANAGED_BY) == OWNER)


def _content(found: JsonObject) -> JsonObject:
    """Returns the object as its writer wanted it, without the fields that the server and its controllers write."""
    server_fields = ("managedFields", "resourceVersion", "generation")
    metadata = {key: value for key, value in found["metadata"].items() if key not in server_fields}
    return {**found, "metadata": metadata, "status": None}


def _call(
    verb: str, manifest: Manifest, path: str, query: dict[str, str] | None = None, body: object = None
) -> ApiRequest:
    return ApiRequest(
        verb=verb, path=path, group=manifest.group, resource=manifest.resource, query=query or {}, body=body
    )


def _json(body: bytes) -> JsonObject:
    try:
        return decode(body, JsonObject)
    except UnreadableError as error:
        raise FleetError(f"the server's answer cannot be read: {error}") from None
