"""Checks whether the API server can rely on its etcd: `/readyz/etcd`, which reads from etcd with a quorum."""

from __future__ import annotations

from fleet.core.records.errors import FleetError
from fleet.kube.client.transport import Transport
from fleet.kube.objects.errors import ApiRequest, error_of

PATH = "/readyz/etcd"
SECONDS = 5.0


class Readiness:
    """The readiness of an API server. Behind a load balancer it is that of the server which happens to answer."""

    def __init__(self, transport: Transport, seconds: float = SECONDS) -> None:
        self._transport = transport
        self._seconds = seconds

    async def etcd(self) -> str:
        """Returns why the API server cannot rely on its etcd, or that this is unknown; empty: it can. Raises
        nothing."""
        call = ApiRequest(verb="get", path=PATH, resource="readyz", seconds=self._seconds)
        try:
            answer = await self._transport.request(call, retry_on_429=False)
            if answer.good:
                return ""
            raise error_of(self._transport.host, call, answer.status, answer.body)
        except FleetError as error:
            hint = f" ({error.hint})" if error.hint else ""
            return f"{PATH} of the API server: {error.message}{hint}"
