"""Asks an API server which user the credentials are (SelfSubjectReview, authentication.k8s.io/v1).

Source: https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/self-subject-review-v1/
"""

from __future__ import annotations

import msgspec

from fleet.kube.client.transport import Transport
from fleet.kube.objects.errors import ApiRequest, decoded
from fleet.kube.objects.wire import ApiStruct

GROUP = "authentication.k8s.io"


class UserInfo(ApiStruct, frozen=True):
    """A user as an API server authenticates the user."""

    username: str = ""
    groups: tuple[str, ...] = ()


class _Status(ApiStruct, frozen=True, rename="camel"):
    user_info: UserInfo = UserInfo()


class _Review(ApiStruct, frozen=True):
    status: _Status = _Status()


_REVIEW = msgspec.json.Decoder(_Review)


async def who_am_i(transport: Transport) -> UserInfo:
    """Returns the user of the transport's credentials; the name is empty if the server does not report it. Raises
    FleetError as each request does."""
    body = await transport.call(
        ApiRequest(
            verb="create",
            path=f"/apis/{GROUP}/v1/selfsubjectreviews",
            group=GROUP,
            resource="selfsubjectreviews",
            body={"apiVersion": f"{GROUP}/v1", "kind": "SelfSubjectReview"},
        )
    )
    return decoded(_REVIEW, body, "the review of the user").status.user_info
