"""An agent's own Machine in an API server, and the one informer that all agents of a process share."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence

from msgspec.structs import replace

from fleet.core.objects.machine import GROUP, VERSION, EtcChanges, LogAnswer, Machine, Units, Work
from fleet.core.records.errors import FleetError, UnreachableError
from fleet.core.releases.release import Release
from fleet.kube.client.retry import Backoff, Jitter, random_jitter
from fleet.kube.client.transport import Transport
from fleet.kube.kinds.machine import MACHINE, MachineWire, log_ask, log_told, machine_of
from fleet.kube.objects import errors
from fleet.kube.objects.api_resource import ApiResource
from fleet.kube.objects.errors import ApiRequest, ConflictError, NotFoundError
from fleet.kube.watch.reflector import Reflector
from fleet.system.clock import Clock

LOG = logging.getLogger(__name__)
PATH = f"/apis/{GROUP}/{VERSION}/machines"
_RESOURCE = "machines"
_RETRY_SECONDS = 2.0


BACKOFF = Backoff(0.2, 10.0)
ABSENT_SECONDS = 10.0
"""Pause between two lists while the cluster does not serve Machines yet."""


def decoded(body: bytes) -> Machine:
    """Returns the Machine with the log that its agent is asked for. Raises FleetError for an object that is not a
    Machine."""
    return _converted(errors.decoded(MACHINE, body, "the Machine"))


def _converted(found: MachineWire) -> Machine:
    return replace(machine_of(found), log_ask=log_ask(found), log_told=log_told(found))


_MACHINES = ApiResource("Machine", GROUP, VERSION, _RESOURCE, MachineWire, _converted)


class MachineInformer:
    """The newest state of the Machines of one cluster, or of the one named `name`."""

    def __init__(
        self, transport: Transport, clock: Clock, name: str = "", jitter: Jitter = random_jitter
    ) -> None:
        self._transport = transport
        self._clock = clock
        self._reflector = Reflector(
            transport,
            _MACHINES,
            clock,
            self,
            self._state_changed,
            fields=f"metadata.name={name}" if name else "",
            backoff=BACKOFF,
            absent_seconds=ABSENT_SECONDS,
            jitter=jitter,
        )
        self._newest: dict[str, Machine] = {}
        self._listed = False
        """True after the first complete list: from then on, an unknown Machine does not exist."""
        self._changed: dict[str, asyncio.Event] = {}

    async def run(self) -> None:
        """Follows the Machines until it is cancelled. Clients receive changes only while it runs."""
        await self._reflector.run()

    def replace(self, objects: Sequence[Machine]) -> None:
        """Takes the whole list (`ReflectorStore`)."""
        self._newest = {machine.name: machine for machine in objects}
        self._listed = True
        for changed in self._changed.values():
            changed.set()

    def upsert(self, found: Machine) -> None:
        """Takes one Machine (`ReflectorStore`)."""
        self._newest[found.name] = found
        self._wake(found.name)

    def delete(self, found: Machine) -> None:
        """Forgets one Machine (`ReflectorStore`)."""
        self._newest.pop(found.name, None)
        self._wake(found.name)

    def _wake(self, name: str) -> None:
        if name in self._changed:
            self._changed[name].set()

    def _state_changed(self) -> None:
        """Logs refusals of the API server; an unreachable API server is normal for an agent."""
        error = self._reflector.error
        if error is not None:
            level = logging.INFO if isinstance(error, UnreachableError) else logging.WARNING
            LOG.log(level, "%s: %s", _RESOURCE, error)
        elif self._reflector.absent:
            LOG.warning("%s: %s", _RESOURCE, self._reflector.absent)

    def client(self, name: str) -> MachineClient:
        """Returns the access to the Machine of this name."""
        return MachineClient(self._transport, self._clock, name, self)

    async def follow(self, name: str) -> AsyncIterator[Machine | None]:
        """Yields the state of one Machine, then its changes; None while there is none. States may be skipped.
        One follower a name."""
        changed = self._changed[name] = asyncio.Event()
        changed.set()
        try:
            while True:
                await changed.wait()
                changed.clear()
                if self._listed and not self._reflector.absent:
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
            yield machine if machine is not None else await self._own_machine()

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

    async def _own_machine(self) -> Machine:
        """Reads or creates the Machine, and retries until it succeeds."""
        while True:
            try:
                return await self.read()
            except FleetError as error:
                LOG.warning("machine %s cannot be created: %s", self._name, error)
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
    """Returns `status` for a merge patch. Absent values are null, so that the patch removes them."""
    return {
        "os": machine.os,
        "bootID": machine.boot_id,
        "kernel": machine.kernel,
        "kernelArguments": machine.kernel_arguments or None,
        "layered": list(machine.layered) or None,
        "etc": _etc(machine.etc),
        "livePatches": list(machine.live_patches) or None,
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


def _log(log: LogAnswer | None) -> dict[str, object] | None:
    return None if log is None else {"token": log.token, "text": log.text or None, "error": log.error or None}


def _etc(etc: EtcChanges | None) -> dict[str, object] | None:
    """`more` is always there: without it nothing changed would be nothing known."""
    return None if etc is None else {"changed": list(etc.changed) or None, "more": etc.more}


def _units(units: Units | None) -> dict[str, object] | None:
    return None if units is None else {"state": units.state, "failed": list(units.failed) or None}
