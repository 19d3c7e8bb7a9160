"""An agent's own Machine in an API server, and the one watch that all agents of a process share."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

import msgspec
from msgspec.structs import replace

from fleet.core.objects.machine import GROUP, VERSION, LogTold, Machine, Units, Work
from fleet.core.records.errors import FleetError
from fleet.core.releases.release import Release
from fleet.core.text.untrusted import UNREADABLE
from fleet.kube.client.clock import Clock
from fleet.kube.client.transport import Transport
from fleet.kube.objects import decode
from fleet.kube.objects.errors import ApiRequest, ConflictError, NotFoundError
from fleet.kube.objects.wire import MachineWire
from fleet.kube.watch.changes import Complete, Found, Kind, Watch

LOG = logging.getLogger(__name__)
PATH = f"/apis/{GROUP}/{VERSION}/machines"
_RESOURCE = "machines"
_RETRY_SECONDS = 2.0
_WIRE = msgspec.json.Decoder(MachineWire)


def decoded(body: bytes | msgspec.Raw) -> Machine:
    """With what persons ask of its agent. Raises FleetError for what is no Machine."""
    try:
        found = _WIRE.decode(body)
        log_ask, log_told = decode.log_ask(found), decode.log_told(found)
        return replace(decode.machine(found), log_ask=log_ask, log_told=log_told)
    except UNREADABLE as error:
        raise FleetError(f"the Machine cannot be read: {error}") from None


class MachineInformer:
    """The Machines of one cluster, or the one of `name` alone: which of them there are, and their newest state."""

    def __init__(self, transport: Transport, clock: Clock, name: str = "") -> None:
        self._transport = transport
        self._clock = clock
        kind = Kind(PATH, GROUP, _RESOURCE, selector=f"metadata.name={name}" if name else "")
        self._watch = Watch(transport, clock, kind, decoded)
        self._newest: dict[str, Machine] = {}
        self._complete = False
        self._changed: dict[str, asyncio.Event] = {}

    async def run(self) -> None:
        """Follows the watch until it is cancelled; without it nobody is told anything."""
        async for change in self._watch.changes():
            if isinstance(change, Complete):
                self._complete = True
                for changed in self._changed.values():
                    changed.set()
                continue
            if isinstance(change, Found):
                self._newest[change.name] = change.thing
            else:
                self._newest.pop(change.name, None)
            if change.name in self._changed:
                self._changed[change.name].set()

    def client(self, name: str) -> MachineClient:
        return MachineClient(self._transport, self._clock, name, self)

    async def follow(self, name: str) -> AsyncIterator[Machine | None]:
        """Its state, then its changes; None while there is none. One follower a name; states may be skipped."""
        changed = self._changed[name] = asyncio.Event()
        changed.set()
        try:
            while True:
                await changed.wait()
                changed.clear()
                if self._complete:
                    yield self._newest.get(name)
        finally:
            if self._changed.get(name) is changed:
                del self._changed[name]


class MachineClient:
    """The OwnMachine of one agent."""

    def __init__(self, transport: Transport, clock: Clock, name: str, machines: MachineInformer) -> None:
        self._transport = transport
        self._clock = clock
        self._name = name
        self._machines = machines

    async def watch(self) -> AsyncIterator[Machine]:
        async for machine in self._machines.follow(self._name):
            yield machine if machine is not None else await self._made()

    async def read(self) -> Machine:
        try:
            return decoded(await self._transport.call(self._call("get")))
        except NotFoundError:
            return await self._create()

    async def report(self, machine: Machine) -> Machine | None:
        metadata = {"resourceVersion": machine.resource_version, "uid": machine.uid}
        call = self._call("patch", {"metadata": metadata, "status": status(machine)}, "/status")
        try:
            return decoded(await self._transport.call(call))
        except (ConflictError, NotFoundError):
            return None

    async def _made(self) -> Machine:
        """As `read`, however long it takes."""
        while True:
            try:
                return await self.read()
            except FleetError as error:
                LOG.warning("machine %s cannot be made: %s", self._name, error)
                await self._clock.sleep(_RETRY_SECONDS)

    async def _create(self) -> Machine:
        metadata = {"name": self._name, "labels": {"app.kubernetes.io/managed-by": "fleet"}}
        body = {"apiVersion": f"{GROUP}/{VERSION}", "kind": "Machine", "metadata": metadata}
        call = ApiRequest(verb="create", path=PATH, group=GROUP, resource=_RESOURCE, body=body)
        try:
            return decoded(await self._transport.call(call))
        except ConflictError:
            return decoded(await self._transport.call(self._call("get")))

    def _call(self, verb: str, body: object = None, subresource: str = "") -> ApiRequest:
        path = f"{PATH}/{self._name}{subresource}"
        return ApiRequest(verb=verb, path=path, group=GROUP, resource=_RESOURCE + subresource, body=body)


def status(machine: Machine) -> dict[str, object]:
    """For a merge patch: what is absent is null, and thereby removed."""
    return {
        "os": machine.os,
        "bootID": machine.boot_id,
        "kernel": machine.kernel,
        "kernelArguments": machine.kernel_arguments or None,
        "layered": list(machine.layered) or None,
        "units": _units(machine.units),
        "booted": _release(machine.booted),
        "staged": _release(machine.staged),
        "rollback": _release(machine.rollback),
        "work": _work(machine.work),
        "log": _log(machine.log_told),
    }


def _release(release: Release | None) -> dict[str, object] | None:
    if release is None:
        return None
    return {
        "version": release.version,
        "digest": release.digest or None,
        "referenceDigest": release.reference_digest or None,
        "kernel": release.kernel or None,
    }


def _work(work: Work | None) -> dict[str, object] | None:
    if work is None:
        return None
    return {
        "token": work.token,
        "state": work.state,
        "message": work.message or None,
        "percent": work.percent,
        "bootID": work.boot_id or None,
        "earlier": list(work.earlier) or None,
        "units": _units(work.units),
        "log": work.log or None,
    }


def _log(told: LogTold | None) -> dict[str, object] | None:
    return (
        None
        if told is None
        else {"token": told.token, "text": told.text or None, "error": told.error or None}
    )


def _units(units: Units | None) -> dict[str, object] | None:
    return None if units is None else {"state": units.state, "failed": list(units.failed) or None}
