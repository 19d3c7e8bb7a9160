"""Whether the API server can count on its etcd: `/readyz/etcd`, which reads from it through the majority."""

from __future__ import annotations

from fleet.core.records.errors import FleetError
from fleet.kube.client.transport import Transport
from fleet.kube.objects.errors import ApiRequest, error_of

PATH = "/readyz/etcd"
SECONDS = 5.0


class Readiness:
    """Behind a load balancer it is that of the server which answers."""

    def __init__(self, transport: Transport, seconds: float = SECONDS) -> None:
        self._transport = transport
        self._seconds = seconds

    async def etcd(self) -> str:
        """Returns why the API server cannot count on its etcd, or that nobody knows; empty: it can. Raises nothing."""
        call = ApiRequest(verb="get", path=PATH, resource="readyz", seconds=self._seconds)
        try:
            answer = await self._transport.request(call, retry_on_429=False)
            if answer.good:
                return ""
            raise error_of(self._transport.host, call, answer.status, answer.body)
        except FleetError as error:
            hint = f" ({error.hint})" if error.hint else ""
            return f"{PATH} of the API server: {error.message}{hint}"
