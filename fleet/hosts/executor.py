"""Performs each action on the record of a host: checks the action's preconditions, and runs the user's hooks around a
cordon."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from msgspec.structs import replace

from fleet.core.cluster import node_patches
from fleet.core.cluster.refused_patch import RefusedPatch
from fleet.core.objects.machine import Ask, Request
from fleet.core.objects.node import Node
from fleet.core.records.errors import FleetError, UnreachableError
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
from fleet.hosts import facts, hooks, observation, ownership
from fleet.hosts.hooks import HookError
from fleet.hosts.inventory.inventory import HostEntry, HostHook
from fleet.hosts.ownership import Claim
from fleet.hosts.record import HostRecord, HostRecords
from fleet.machines.agent.contained import not_understood
from fleet.machines.host import Host

SECONDS = 60.0
"""Seconds for one action, not counting its hooks."""

HostActionResult = tuple[Result, str]


class HostLookup(Protocol):
    """Finds hosts and their connections as of now. Raises FleetError where the inventory cannot be read."""

    async def __call__(self, name: str) -> tuple[HostEntry, Host] | None: ...


class HostActionExecutor:
    def __init__(self, records: HostRecords, known: HostLookup, own: Claim | None = None) -> None:
        """Makes an executor. `own` is the claim that a host must have before any action; None: claims are not
        checked."""
        self._own = own
        self._records = records
        self._known = known
        self._verbs: Mapping[type, Callable[[Any, HostEntry, Host], Awaitable[HostActionResult]]] = {
            Mark: self._mark,
            Unmark: self._unmark,
            Cordon: self._cordon,
            Uncordon: self._uncordon,
            Stage: self._stage,
            Reboot: self._reboot,
            CancelRequest: self._clear,
        }

    async def perform(self, action: AnyAction) -> Outcome:
        """Performs an action and returns its outcome. Never raises, except when cancelled."""
        try:
            result, message = await self._perform(action)
        except RefusedPatch as refusal:
            result, message = refusal.result, refusal.message
        except UnreachableError as error:
            result, message = Result.UNKNOWN, error.message
        except TimeoutError:
            result, message = Result.UNKNOWN, f"no answer within {SECONDS:.0f} s"
        except FleetError as error:
            result, message = Result.FAILED, error.message
        except Exception as error:
            result, message = Result.FAILED, not_understood(error, action.node.name).message
        return Outcome(action, result, message)

    async def _perform(self, action: AnyAction) -> HostActionResult:
        found = await self._known(action.node.name)
        if found is None:
            return Result.GONE, f"{action.node.name} is not in the inventory any more"
        self._own_record(action)
        if isinstance(action, Evict):
            return Result.GONE, "a host without a cluster has no pods"
        verb = self._verbs.get(type(action))
        if verb is None:
            return Result.FAILED, f"a host cannot {action.kind}"
        return await verb(action, *found)

    def _own_record(self, action: Action) -> HostRecord:
        """Returns the record of the machine that the action is for. Raises Refusal where another machine has taken the
        name."""
        record = self._records.read(action.node.name)
        if record.node.uid != action.uid:
            raise RefusedPatch(Result.GONE, f"another machine now has the name {action.node.name}")
        return record

    def _change(self, action: Action, how: Callable[[HostRecord], HostRecord]) -> HostRecord:
        def mine(record: HostRecord) -> HostRecord:
            if record.node.uid != action.uid:
                raise RefusedPatch(Result.GONE, f"another machine now has the name {action.node.name}")
            return how(record)

        return self._records.change(action.node.name, mine)

    async def _mark(self, action: Mark, host: HostEntry, way: Host) -> HostActionResult:
        self._change(
            action, lambda record: _with(record, node_patches.add_pending_taint(record.node, action.rollout))
        )
        return Result.DONE, ""

    async def _unmark(self, action: Unmark, host: HostEntry, way: Host) -> HostActionResult:
        await self._after(action, host, way)
        self._change(
            action,
            lambda record: _with(record, node_patches.remove_pending_taint(record.node, action.rollout)),
        )
        return Result.DONE, ""

    async def _claimed(self, action: Action, way: Host) -> None:
        """Claims the host before the action. Raises Refusal where another fleet has claimed it."""
        if self._own is None:
            return
        found = await ownership.take(way, self._own)
        if found.fleet != self._own.fleet:
            raise RefusedPatch(
                Result.FAILED,
                f"{found.message}: stop the other one first, then fleet cluster claim {action.node.cluster}",
            )

    async def _cordon(self, action: Cordon, host: HostEntry, way: Host) -> HostActionResult:
        """Runs the hook `before`, then cordons: a cordon means that the host is out of service."""
        await self._claimed(action, way)
        if _cordoned(self._own_record(action), host, action.rollout) is None:
            return Result.DONE, ""
        if host.before is not None:
            # The hook is recorded before it runs, so that the uncordon of the node knows of it.
            self._change(
                action,
                lambda record: replace(
                    _with(record, node_patches.add_pending_taint(record.node, action.rollout)),
                    hooked=action.rollout,
                ),
            )
            await self._hook("before", host.before, action, way)
        now = await self._known(action.node.name)
        host = now[0] if now is not None else host

        def cordon(record: HostRecord) -> HostRecord:
            if _cordoned(record, host, action.rollout) is None:
                return record
            return _with(record, node_patches.cordon(record.node, action.rollout))

        self._change(action, cordon)
        return Result.DONE, ""

    async def _uncordon(self, action: Uncordon, host: HostEntry, way: Host) -> HostActionResult:
        """Runs the hook `after`, then uncordons: a host that cannot be put back into service stays cordoned."""
        await self._after(action, host, way)
        self._change(action, lambda record: _with(record, node_patches.uncordon(record.node, action.rollout)))
        return Result.DONE, ""

    async def _stage(self, action: Stage, host: HostEntry, way: Host) -> HostActionResult:
        await self._claimed(action, way)
        return self._ask(action, Ask.STAGE, action.token, action.release)

    async def _reboot(self, action: Reboot, host: HostEntry, way: Host) -> HostActionResult:
        record = self._own_record(action)
        name, request = action.node.name, record.machine.request
        if request is not None and request.token == action.token:
            return Result.DONE, ""
        if not record.node.unschedulable or record.node.cordoned_by != action.rollout:
            return Result.STALE, f"{name} is not cordoned by {action.rollout}"
        async with asyncio.timeout(SECONDS):
            found = await facts.read_facts(way)
        if found.machine_id != action.uid:
            return Result.GONE, f"another machine now has the name {name}"
        if found.boot_id != action.boot_id:
            return Result.STALE, f"{name} has booted since: {found.boot_id}"
        await self._claimed(action, way)
        return self._ask(action, Ask.REBOOT, action.token, action.release)

    async def _clear(self, action: CancelRequest, host: HostEntry, way: Host) -> HostActionResult:
        def clear(record: HostRecord) -> HostRecord:
            request = record.machine.request
            if request is None or not request.token.startswith(f"{action.rollout}/"):
                return record
            return replace(record, machine=replace(record.machine, request=None))

        self._change(action, clear)
        return Result.DONE, ""

    def _ask(self, action: Action, ask: Ask, token: str, release: Release) -> HostActionResult:
        def asked(record: HostRecord) -> HostRecord:
            if record.machine.request is not None and record.machine.request.token == token:
                return record
            request = Request(ask, token, release)
            return replace(record, machine=replace(record.machine, request=request))

        self._change(action, asked)
        return Result.DONE, ""

    async def _after(self, action: Action, host: HostEntry, way: Host) -> None:
        """Runs the hook `after`, if the hook `before` has begun for this rollout."""
        if self._own_record(action).hooked != action.rollout:
            return
        await self._claimed(action, way)
        if host.after is not None:
            await self._hook("after", host.after, action, way)
        self._change(action, lambda record: replace(record, hooked=""))

    async def _hook(self, name: str, hook: HostHook, action: Action, way: Host) -> None:
        variables = hook_variables(action.node.cluster, action.node.name) | {"FLEET_ROLLOUT": action.rollout}
        try:
            await hooks.run(name, hook, way, f"{action.rollout}/{action.node.name}/{name}", variables)
        except HookError as error:
            raise RefusedPatch(Result.FAILED, error.message) from None


def hook_variables(cluster: str, node: str) -> dict[str, str]:
    """Returns the environment variables of a hook."""
    return {"FLEET_CLUSTER": cluster, "FLEET_NODE": node}


def _cordoned(record: HostRecord, host: HostEntry, rollout: str) -> Node | None:
    """Returns the cordoned node; None: it is cordoned already. Raises Refusal where another party has cordoned it."""
    return node_patches.cordon(observation.node_of(record, host, None), rollout)


def _with(record: HostRecord, node: Node | None) -> HostRecord:
    return record if node is None else replace(record, node=node)
