"""Finds out which permissions fleet lacks in a cluster, by asking the cluster itself."""

from __future__ import annotations

import asyncio

import msgspec
from msgspec.structs import replace

from fleet.core.records.errors import ForbiddenError
from fleet.kube.client.transport import Transport
from fleet.kube.objects.errors import ApiRequest, NotFoundError, decoded
from fleet.kube.objects.permissions import PERMISSIONS, Permission
from fleet.kube.objects.wire import ApiStruct

GROUP = "authorization.k8s.io"
AT_ONCE = 16


class ReviewStatus(ApiStruct, frozen=True):
    allowed: bool = False


class Review(ApiStruct, frozen=True):
    status: ReviewStatus = ReviewStatus()


_REVIEW = msgspec.json.Decoder(Review)


async def missing(
    transport: Transport, permissions: tuple[Permission, ...] = PERMISSIONS
) -> tuple[Permission, ...]:
    """Returns the permissions that are not granted, each with only the verbs that are not. Permissions on another
    project's objects count only where the cluster serves their API group. Raises FleetError.

    Every user may ask this about themselves (ClusterRole system:basic-user).
    """
    slots = asyncio.Semaphore(AT_ONCE)

    async def allowed(permission: Permission, verb: str) -> bool:
        async with slots:
            return await _allowed(transport, permission, verb)

    async def refused(permission: Permission) -> Permission:
        answers = await asyncio.gather(*(allowed(permission, verb) for verb in permission.verbs))
        verbs = tuple(verb for verb, good in zip(permission.verbs, answers, strict=True) if not good)
        if verbs and permission.foreign and not await _served(transport, permission.group):
            verbs = ()
        return replace(permission, verbs=verbs)

    found = await asyncio.gather(*(refused(permission) for permission in permissions))
    return tuple(rule for rule in found if rule.verbs)


async def _served(transport: Transport, group: str) -> bool:
    """Returns whether the cluster serves an API group. Every user who is logged in may ask this (ClusterRole
    system:discovery); True for a user who may not, so that the permission is reported."""
    try:
        await transport.call(ApiRequest(verb="get", path=f"/apis/{group}"))
    except NotFoundError:
        return False
    except ForbiddenError:
        return True
    return True


async def _allowed(transport: Transport, permission: Permission, verb: str) -> bool:
    body = await transport.call(
        ApiRequest(
            verb="create",
            path=f"/apis/{GROUP}/v1/selfsubjectaccessreviews",
            group=GROUP,
            resource="selfsubjectaccessreviews",
            body={
                "apiVersion": f"{GROUP}/v1",
                "kind": "SelfSubjectAccessReview",
                "spec": _review_attributes(permission, verb),
            },
        )
    )
    return decoded(_REVIEW, body, "the access review").status.allowed


def _review_attributes(permission: Permission, verb: str) -> dict[str, dict[str, str]]:
    if permission.url:
        return {"nonResourceAttributes": {"verb": verb, "path": permission.url}}
    resource, _, subresource = permission.resource.partition("/")
    attributes = {
        "verb": verb,
        "group": permission.group,
        "resource": resource,
        "subresource": subresource,
        "namespace": permission.namespace,
        "name": permission.name,
    }
    return {"resourceAttributes": attributes}
