"""Performs each action on the API server: checks what the action presumes, and sends one request that the server refuses
if that is no longer so.

A patch carries the resourceVersion that it was made for. Where another writer came first, the object is read again and
what is presumed is checked again, a few times (`retry_on_conflict`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from fleet.core.objects.machine import GROUP, VERSION, Ask
from fleet.core.objects.pod import Pod
from fleet.core.records.errors import AuthenticationError, FleetError, UnreachableError
from fleet.core.releases.release import Release
from fleet.core.rollout.action import (
    Action,
    AnyAction,
    CancelRequest,
    Cordon,
    Evict,
    Mark,
    Outcome,
    Reboot,
    Result,
    Stage,
    Uncordon,
    Unmark,
)
from fleet.kube.actions.eviction import SECONDS, evict
from fleet.kube.client.retry import retry_on_conflict
from fleet.kube.client.transport import WORKS_FOR, Transport
from fleet.kube.kinds.api_resources import MACHINES, NODES, PODS
from fleet.kube.kinds.machine import MACHINE, MachineWire
from fleet.kube.objects import marks
from fleet.kube.objects.api_resource import ApiResource
from fleet.kube.objects.errors import ApiRequest, ConflictError, NotFoundError, decoded
from fleet.kube.objects.marks import CordonedByOther, MarkedNode, MergePatch
from fleet.kube.watch import listing

AT_ONCE = 64
"""Most actions in flight at once."""

ActionResult = tuple[Result, str]

_NODE = msgspec.json.Decoder(MarkedNode)


class _Refusal(Exception):
    """Ends an action with this outcome."""

    def __init__(self, result: Result, message: str) -> None:
        super().__init__(message)
        self.result = result
        self.message = message


class ActionExecutor:
    """Performs actions on one cluster, a bounded number at a time."""

    def __init__(self, transport: Transport, at_once: int = AT_ONCE, seconds: float = SECONDS) -> None:
        self._transport = transport
        self._seconds = seconds
        self._slots = asyncio.Semaphore(at_once)
        self._verbs: Mapping[type, Callable[[Any], Awaitable[ActionResult]]] = {
            Mark: lambda action: self._mark(action, marks.mark),
            Unmark: lambda action: self._mark(action, marks.unmark),
            Cordon: lambda action: self._mark(action, marks.cordon),
            Uncordon: self._uncordon,
            Stage: self._stage,
            Reboot: self._reboot,
            CancelRequest: self._clear,
        }

    async def perform(self, action: AnyAction) -> Outcome:
        """Performs one action and returns its outcome. Raises nothing but CancelledError."""
        async with self._slots:
            WORKS_FOR.set(action.rollout)
            try:
                async with asyncio.timeout(self._seconds):
                    if isinstance(action, Evict):
                        return await evict(self._transport, action)
                    result, message = await self._verbs[type(action)](action)
            except _Refusal as refusal:
                result, message = refusal.result, refusal.message
            except TimeoutError:
                result, message = Result.UNKNOWN, f"no answer within {self._seconds:.0f} s"
            except NotFoundError as error:
                result, message = Result.GONE, error.message
            except ConflictError as error:
                result, message = Result.STALE, error.message
            except (UnreachableError, AuthenticationError) as error:
                result, message = Result.UNKNOWN, error.message
            except FleetError as error:
                result, message = Result.FAILED, error.full_message
            return Outcome(action, result, message)

    async def _mark(
        self, action: Action, change: Callable[[MarkedNode, str], MergePatch | CordonedByOther | None]
    ) -> ActionResult:
        async def attempt() -> ActionResult:
            node = await self._node(action)
            patch = change(node, action.rollout)
            if isinstance(patch, CordonedByOther):
                return Result.STALE, f"cordoned by {patch.by}"
            if patch is None:
                return Result.DONE, ""
            meta = {"uid": node.metadata.uid, "resourceVersion": node.metadata.resource_version}
            patch["metadata"] |= meta
            await self._transport.call(_call(NODES, "patch", action.node.name, patch))
            return Result.DONE, ""

        return await retry_on_conflict(attempt)

    async def _uncordon(self, action: Uncordon) -> ActionResult:
        foreign = False

        def change(node: MarkedNode, rollout: str) -> MergePatch | None:
            nonlocal foreign
            foreign = node.spec.unschedulable and node.cordoned_by != rollout
            return marks.uncordon(node, rollout)

        result, message = await self._mark(action, change)
        if result is Result.DONE and foreign:
            message = "the cordon is not this rollout's and stays"
        return result, message

    async def _stage(self, action: Stage) -> ActionResult:
        await self._node(action)
        return await self._ask(action, Ask.STAGE, action.token, action.release)

    async def _reboot(self, action: Reboot) -> ActionResult:
        node = await self._node(action)
        machine = await self._machine(action.node.name)
        if machine is None:
            return Result.GONE, f"there is no Machine {action.node.name}"
        if machine.spec is not None and machine.spec.token == action.token:
            return Result.DONE, ""
        if not node.spec.unschedulable or node.cordoned_by != action.rollout:
            return Result.STALE, f"{action.node.name} is not cordoned by {action.rollout}"
        if node.status.node_info.boot_id != action.boot_id:
            return Result.STALE, f"{action.node.name} has booted since: {node.status.node_info.boot_id}"
        if left := await self._undrained(action):
            return Result.STALE, f"{action.node.name} is not drained: {left} was scheduled late"
        return await self._ask(action, Ask.REBOOT, action.token, action.release)

    async def _clear(self, action: CancelRequest) -> ActionResult:
        name = action.node.name

        async def attempt() -> ActionResult:
            machine = await self._machine(name)
            if machine is None or machine.spec is None:
                return Result.DONE, ""
            if machine.spec.token.startswith(f"{action.rollout}/"):
                spec = {"action": None, "token": None, "release": None}
                await self._patch_machine(name, machine, spec)
            return Result.DONE, ""

        return await retry_on_conflict(attempt)

    async def _ask(self, action: Stage | Reboot, ask: Ask, token: str, release: Release) -> ActionResult:
        name = action.node.name

        async def attempt() -> ActionResult:
            machine = await self._machine(name)
            if machine is None:
                await self._create_machine(action, _request(ask, token, release))
            elif machine.spec is None or machine.spec.token != token:
                await self._patch_machine(name, machine, _request(ask, token, release))
            return Result.DONE, ""

        return await retry_on_conflict(attempt)

    async def _node(self, action: Action) -> MarkedNode:
        """Reads the Node that the action is about. Ends the action where another machine has taken the name."""
        body = await self._transport.call(_call(NODES, "get", action.node.name))
        node = decoded(_NODE, body)
        if node.metadata.uid != action.uid:
            raise _Refusal(Result.GONE, f"another machine now has the name {action.node.name}")
        return node

    async def _undrained(self, action: Reboot) -> str:
        """Returns a pod that would go down with the node; empty: there is none. The watch of pods may be late,
        so this asks the API server."""
        node = action.node.name
        found = await listing.read(self._transport, PODS, f"spec.nodeName={node}")
        pods = [thing for thing in found.things if isinstance(thing, Pod) and thing.node == node]
        left = (pod for pod in pods if not pod.stays and not pod.finished and pod.uid not in action.staying)
        return next((str(pod.ref) for pod in left), "")

    async def _machine(self, name: str) -> MachineWire | None:
        try:
            return decoded(MACHINE, await self._transport.call(_call(MACHINES, "get", name)))
        except NotFoundError:
            return None

    async def _patch_machine(self, name: str, machine: MachineWire, spec: MergePatch) -> None:
        meta = {"uid": machine.metadata.uid, "resourceVersion": machine.metadata.resource_version}
        await self._transport.call(_call(MACHINES, "patch", name, {"metadata": meta, "spec": spec}))

    async def _create_machine(self, action: Stage | Reboot, spec: MergePatch) -> None:
        """Creates the Machine with the Node as its owner: it is deleted with the Node."""
        name = action.node.name
        owner = {"apiVersion": "v1", "kind": "Node", "name": name, "uid": action.uid}
        body = {
            "apiVersion": f"{GROUP}/{VERSION}",
            "kind": "Machine",
            "metadata": {"name": name, "ownerReferences": [owner]},
            "spec": {**spec, "release": {k: v for k, v in spec["release"].items() if v is not None}},
        }
        try:
            await self._transport.call(_call(MACHINES, "create", "", body))
        except NotFoundError:
            message = "the cluster knows no Machines"
            raise FleetError(message, f"fleet cluster install {action.node.cluster}") from None


def _request(ask: Ask, token: str, release: Release) -> MergePatch:
    """Returns `spec` of a Machine for a merge patch: null removes what an earlier request left there."""
    request = {
        "version": release.version,
        "digest": release.digest or None,
        "referenceDigest": release.reference_digest or None,
        "kernel": release.kernel or None,
    }
    return {"action": str(ask), "token": token, "release": request}


def _call(kind: ApiResource[Any], verb: str, name: str, body: object = None) -> ApiRequest:
    path = f"{kind.path}/{name}" if name else kind.path
    return ApiRequest(
        verb=verb, path=path, group=kind.group, resource=kind.resource, body=body, seconds=SECONDS
    )
