"""Runs a hook that is a Kubernetes Job: makes it, or finds the one that a controller before has made, and waits."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from fleet.core.policy.hooks.hook import JobHook
from fleet.core.records.errors import AuthenticationError, FleetError, ForbiddenError, UnreachableError
from fleet.core.rollout.hooks.hook_state import HookResult
from fleet.core.state.hook_calls import HookAnswer, HookCall
from fleet.core.text.durations import format_duration
from fleet.core.text.untrusted import UnreadableError, decode
from fleet.hooks.job_manifest import JsonObject, ended, is_of, job_name, job_of
from fleet.hooks.output import SPARE, kept_output, message
from fleet.kube.client.transport import WORKS_FOR, Transport
from fleet.kube.objects.errors import ApiRequest, ConflictError, NotFoundError

POLL_SECONDS = 2.0
"""Seconds between two looks at the Job."""
SPARE_SECONDS = 30.0
"""So much longer than the Job's own deadline is waited for its end."""
LOG_LINES = 1000
AWAY = (UnreachableError, AuthenticationError)


class JobRunner:
    """Runs the Jobs of one cluster."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def run(self, call: HookCall) -> HookAnswer | None:
        """Returns how the Job ended; None for hooks of other kinds. When this is cancelled the Job goes on, and is found
        again."""
        if not isinstance(call.hook, JobHook):
            return None
        hook = call.hook
        WORKS_FOR.set(call.rollout)
        name = f"Job {hook.namespace}/{job_name(call)}"
        try:
            async with asyncio.timeout(hook.timeout_seconds + SPARE_SECONDS):
                passed, why = await self._until_ended(call, hook)
        except TimeoutError:
            with suppress(FleetError):
                await self.discard(call)
            why = f"{name} had not ended after {format_duration(hook.timeout_seconds)} and was deleted"
            return HookAnswer(call.key, HookResult.FAILED, message(why))
        except AWAY as error:
            return HookAnswer(call.key, HookResult.NOT_STARTED, message(error.message))
        except ForbiddenError as error:
            hint = "fleet cluster install grants what Jobs of hooks need"
            return HookAnswer(call.key, HookResult.FAILED, message(f"{error.full_message}; {hint}"))
        except FleetError as error:
            return HookAnswer(call.key, HookResult.FAILED, message(f"{name}: {error.message}"))
        output = await self._log(call, hook)
        if passed:
            return HookAnswer(call.key, HookResult.PASSED, f"{name} is complete", output)
        return HookAnswer(call.key, HookResult.FAILED, message(f"{name} has failed: {why}"), output)

    async def discard(self, call: HookCall) -> None:
        """Deletes the Job of the attempt with its pods, if it is there. A Job that is not of this attempt stays."""
        if not isinstance(call.hook, JobHook):
            return
        try:
            job = await self._get(call, call.hook)
            if job is None or not is_of(job, call):
                return
            options = {
                "propagationPolicy": "Background",
                "preconditions": {"uid": job["metadata"]["uid"]},
            }
            await self._transport.call(_request("delete", _path(call, call.hook), options))
        except (NotFoundError, ConflictError):
            return

    async def _until_ended(self, call: HookCall, hook: JobHook) -> tuple[bool, str]:
        job = await self._get(call, hook) or await self._create(call, hook)
        while True:
            if not is_of(job, call):
                raise FleetError("a Job of this name exists that is not of this hook")
            if (end := ended(job)) is not None:
                return end
            await asyncio.sleep(POLL_SECONDS)
            found = await self._get(call, hook)
            if found is None:
                return False, "it was deleted"
            job = found

    async def _create(self, call: HookCall, hook: JobHook) -> JsonObject:
        path = f"/apis/batch/v1/namespaces/{hook.namespace}/jobs"
        try:
            return _json(await self._transport.call(_request("create", path, job_of(call, hook))))
        except ConflictError:
            # An earlier request has arrived whose answer did not.
            return await self._get(call, hook) or {"metadata": {}}

    async def _get(self, call: HookCall, hook: JobHook) -> JsonObject | None:
        try:
            return _json(await self._transport.call(_request("get", _path(call, hook))))
        except NotFoundError:
            return None

    async def _log(self, call: HookCall, hook: JobHook) -> str:
        """Returns the end of the log of the Job's last pod; empty where there is none, or fleet may not read it."""
        pods = f"/api/v1/namespaces/{hook.namespace}/pods"
        query = {"labelSelector": f"batch.kubernetes.io/job-name={job_name(call)}"}
        try:
            listed = ApiRequest(verb="list", path=pods, resource="pods", query=query)
            found = _json(await self._transport.call(listed)).get("items") or []
            if not found:
                return ""
            last = max(found, key=lambda pod: str(pod["metadata"].get("creationTimestamp")))
            path = f"{pods}/{last['metadata']['name']}/log"
            log = ApiRequest(verb="get", path=path, resource="pods/log", query={"tailLines": str(LOG_LINES)})
            body = await self._transport.call(log)
        except FleetError:
            return ""
        return kept_output(body[-(hook.output_bytes + SPARE) :], hook.output_bytes)


def _path(call: HookCall, hook: JobHook) -> str:
    return f"/apis/batch/v1/namespaces/{hook.namespace}/jobs/{job_name(call)}"


def _request(verb: str, path: str, body: object = None) -> ApiRequest:
    return ApiRequest(verb=verb, path=path, group="batch", resource="jobs", body=body)


def _json(body: bytes) -> JsonObject:
    try:
        found: Any = decode(body, dict[str, Any])
    except UnreadableError as error:
        raise FleetError(f"the server's answer cannot be read: {error}") from None
    return dict(found)
