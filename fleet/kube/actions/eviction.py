"""Evicts one pod, and interprets the API server's answer."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from fleet.core.rollout.action import Evict, Outcome, Result
from fleet.kube.client.transport import ApiResponse, Transport
from fleet.kube.objects.errors import ApiRequest, decoded, error_of, one_line, status_of
from fleet.kube.objects.wire import ObjectWire

SECONDS = 30.0
"""Time-out of one action in seconds, over all its requests. Webhooks may take long to allow an eviction."""
WEBHOOK = re.compile(r'(Internal error occurred: )?(failed calling webhook|admission webhook ")')
"""Matches the message of an eviction that a webhook denied, or whose webhook could not be called."""
BUDGET_CAUSE = "DisruptionBudget"
"""The cause in a 429 that is about a budget; other 429s mean overload, or come from a proxy."""

_META = msgspec.json.Decoder(ObjectWire)


async def evict(transport: Transport, action: Evict) -> Outcome:
    """Evicts one pod, after looking it up: the server charges the budget before it compares the uid, so an
    eviction of a replaced pod would block other evictions of its budget for two minutes."""
    found = decoded(_META, await transport.call(_of_pod(action)))
    if found.metadata.uid != action.pod_uid:
        return Outcome(action, Result.GONE, f"another pod now has the name {action.pod}")
    options: dict[str, Any] = {"preconditions": {"uid": action.pod_uid}}
    if action.grace_seconds is not None:
        options["gracePeriodSeconds"] = action.grace_seconds
    pod = action.pod
    call = ApiRequest(
        verb="create",
        path=f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}/eviction",
        resource="pods/eviction",
        body={
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": pod.name, "namespace": pod.namespace},
            "deleteOptions": options,
        },
        seconds=SECONDS,
    )
    answer = await transport.request(call, retry_on_429=False)
    if answer.good:
        return Outcome(action, Result.DONE)
    return _not_evicted(transport, action, call, answer)


def _not_evicted(transport: Transport, action: Evict, call: ApiRequest, answer: ApiResponse) -> Outcome:
    status = status_of(answer.status, answer.body)
    message = status.message
    if WEBHOOK.match(message):
        # Whatever the status: nothing was begun, and it is not about a budget.
        return Outcome(action, Result.FAILED, message, answer.retry_after)
    match answer.status:
        case 429:
            causes = status.details.causes if status.details is not None else None
            messages = [cause.message for cause in causes or () if cause.reason == BUDGET_CAUSE]
            kind = "" if messages else "not by a budget: "
            return Outcome(
                action,
                Result.REFUSED,
                one_line(" ".join([kind + message, *messages])),
                answer.retry_after,
            )
        case 409 if "UID in" in message:
            return Outcome(action, Result.GONE, message)
        case 500 if "more than one PodDisruptionBudget" in message:
            return Outcome(action, Result.FAILED, message)
        case 500:
            return Outcome(action, Result.UNKNOWN, message)
    raise error_of(transport.host, call, answer.status, answer.body)


def _of_pod(action: Evict) -> ApiRequest:
    pod = action.pod
    path = f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}"
    return ApiRequest(verb="get", path=path, resource="pods", seconds=SECONDS)
