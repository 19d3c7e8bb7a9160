"""The Lease that decides which controller works on a cluster.

Clocks of two controllers differ, so `renewTime` is compared with nothing: a lease has expired when it has not been seen
to change for its duration, by the clock of the controller that wants it. `leaseTransitions` is the epoch.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec

from fleet.core.records.errors import FleetError
from fleet.core.records.leadership import Leadership, LeaseSighting
from fleet.kube.client.retry import retry_on_conflict
from fleet.kube.client.transport import Transport
from fleet.kube.objects.errors import ApiRequest, ConflictError, NotFoundError, decoded
from fleet.kube.objects.permissions import LEASE_NAME, LEASE_NAMESPACE
from fleet.kube.objects.wire import ApiStruct
from fleet.system.clock import Clock

GROUP = "coordination.k8s.io"
SECONDS = 10.0
"""Time-out of one request in seconds."""
PLACE = "fleet.internal/journal"
"""The annotation with the place that the holder's journal had reached."""

_FOLDER = f"/apis/{GROUP}/v1/namespaces/{LEASE_NAMESPACE}/leases"


class LeaseSpec(ApiStruct, frozen=True):
    holder_identity: str | None = None
    lease_duration_seconds: int | None = None
    acquire_time: str | None = None
    renew_time: str | None = None
    lease_transitions: int | None = None


class LeaseMeta(ApiStruct, frozen=True):
    resource_version: str = ""
    uid: str = ""
    annotations: dict[str, str] | None = None


class LeaseWire(ApiStruct, frozen=True):
    metadata: LeaseMeta = LeaseMeta()
    spec: LeaseSpec = LeaseSpec()

    @property
    def holder(self) -> str:
        return self.spec.holder_identity or ""

    @property
    def epoch(self) -> int:
        return self.spec.lease_transitions or 0

    @property
    def place(self) -> str:
        return (self.metadata.annotations or {}).get(PLACE, "")


_LEASE = msgspec.json.Decoder(LeaseWire)


class LeaseClient:
    """Takes, renews and gives back the Lease of one cluster."""

    def __init__(self, transport: Transport, clock: Clock, cluster: str) -> None:
        self._transport = transport
        self._clock = clock
        self._cluster = cluster
        self._seen: LeaseSighting | None = None
        """The last observed renewal, and when it was first observed by the event loop's clock."""

    async def attempt(
        self, identity: str, seconds: int, abandoned: Callable[[str], bool], place: str = ""
    ) -> Leadership:
        """Takes or renews the lease for `seconds`, if this controller may, and writes `place` to it. Raises
        FleetError."""

        async def attempt() -> Leadership:
            found = await self._read()
            if found is not None and not self._may_take(found, identity, abandoned):
                return Leadership(False, found.holder, found.epoch, found.place)
            return await self._write(found, identity, seconds, place)

        try:
            return await retry_on_conflict(attempt)
        except ConflictError:
            raise ConflictError(
                f"the lease of cluster {self._cluster} is written by several controllers at once"
            ) from None

    async def resign(self, identity: str) -> None:
        """Gives the lease back if `identity` holds it. Raises FleetError."""
        found = await self._read()
        if found is None or found.holder != identity:
            return
        spec = msgspec.to_builtins(found.spec) | {"holderIdentity": "", "leaseDurationSeconds": 1}
        try:
            await self._send("update", found, spec, found.place)
        except ConflictError:
            # Only another holder writes it: so it is not ours any more.
            return

    async def place(self) -> str:
        """Returns the place in the journal that was last written to the lease. Raises FleetError."""
        found = await self._read()
        return "" if found is None else found.place

    async def see(self) -> LeaseSighting | None:
        """Returns the last renewal, and since when it has been the last one. Raises FleetError."""
        found = await self._read()
        return None if found is None else self._sighting(found)

    def recall(self, sighting: LeaseSighting) -> None:
        """Takes over what another client of the same lease has seen."""
        self._seen = sighting

    def _sighting(self, found: LeaseWire) -> LeaseSighting:
        if self._seen is None or self._seen.renewal != found.spec:
            self._seen = LeaseSighting(found.spec, asyncio.get_running_loop().time())
        return self._seen

    def _may_take(self, found: LeaseWire, identity: str, abandoned: Callable[[str], bool]) -> bool:
        since = self._sighting(found).since
        expired = asyncio.get_running_loop().time() - since >= (found.spec.lease_duration_seconds or 0)
        holder = found.holder
        return not holder or holder == identity or expired or abandoned(holder)

    async def _read(self) -> LeaseWire | None:
        try:
            body = await self._transport.call(_call("get", LEASE_NAME))
        except NotFoundError:
            return None
        return _decoded(body)

    async def _write(self, found: LeaseWire | None, identity: str, seconds: int, place: str) -> Leadership:
        now = _micro_time(self._clock.now())
        ours = found is not None and found.holder == identity
        before = found.epoch if found is not None else 0
        spec = {
            "holderIdentity": identity,
            "leaseDurationSeconds": seconds,
            "acquireTime": found.spec.acquire_time if ours and found is not None else now,
            "renewTime": now,
            "leaseTransitions": before if ours else before + 1,
        }
        noted = "" if found is None else found.place
        written = await self._send("create" if found is None else "update", found, spec, place or noted)
        return Leadership(True, identity, written.epoch, noted)

    async def _send(self, verb: str, found: LeaseWire | None, spec: dict[str, Any], place: str) -> LeaseWire:
        meta: dict[str, Any] = {"name": LEASE_NAME, "namespace": LEASE_NAMESPACE}
        if place:
            meta["annotations"] = {PLACE: place}
        if found is not None:
            meta |= {"resourceVersion": found.metadata.resource_version, "uid": found.metadata.uid}
        body = {"apiVersion": f"{GROUP}/v1", "kind": "Lease", "metadata": meta, "spec": spec}
        try:
            return _decoded(
                await self._transport.call(_call(verb, "" if found is None else LEASE_NAME, body))
            )
        except NotFoundError as error:
            if found is not None:
                raise ConflictError(error.message) from None  # deleted meanwhile
            raise FleetError(
                f"cluster {self._cluster} has no namespace {LEASE_NAMESPACE}",
                f"fleet cluster install {self._cluster}",
            ) from None


def _call(verb: str, name: str, body: object = None) -> ApiRequest:
    path = f"{_FOLDER}/{name}" if name else _FOLDER
    return ApiRequest(verb=verb, path=path, group=GROUP, resource="leases", body=body, seconds=SECONDS)


def _decoded(body: bytes) -> LeaseWire:
    return decoded(_LEASE, body, "the lease")


def _micro_time(now: datetime) -> str:
    """Returns the moment as metav1.MicroTime."""
    return now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
