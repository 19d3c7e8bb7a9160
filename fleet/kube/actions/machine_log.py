"""Asks the agent of one machine for a log, through its Machine object: the agent listens to nothing else."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from fleet.core.objects.machine import GROUP, LogAnswer, LogAsk
from fleet.core.records.errors import FleetError, UnreachableError
from fleet.kube.client.retry import retry_on_conflict
from fleet.kube.client.transport import Transport
from fleet.kube.kinds.api_resources import MACHINES
from fleet.kube.kinds.machine import MACHINE, MachineWire, log_ask, log_told
from fleet.kube.objects.errors import ApiRequest, NotFoundError, decoded
from fleet.system.clock import Clock

_INSTALL = "fleet cluster install brings this cluster's agents up to date"
_POD = (
    "kubectl get pods -A -o wide -l app.kubernetes.io/name=fleet-agent shows whether it runs; "
    f"{_INSTALL}, if the agent is older"
)
LOOK = 0.5
"""Seconds between two readings of the Machine while its answer is awaited."""


async def machine_log(transport: Transport, clock: Clock, name: str, ask: LogAsk, seconds: float) -> str:
    """Returns the log that the agent of this machine sends. Nothing is left in the Machine, unless this process is
    killed: then the request stays until the next one replaces it.

    Raises UnreachableError where the agent has not answered after `seconds`; FleetError with what it answers if it
    has no log, where there is no agent, or where somebody else asks for another log meanwhile.
    """
    wish = {"token": ask.token, "unit": ask.unit or None, "lines": ask.lines}
    try:
        machine = _decoded(await transport.call(_call("patch", name, {"spec": {"log": wish}})))
    except NotFoundError:
        raise FleetError(f"there is no Machine {name}: no agent has ever reported it", _POD) from None
    if log_ask(machine) != ask:
        raise FleetError(
            "the Machine CRD of this cluster cannot hold the request: it is that of an older fleet", _INSTALL
        )
    try:
        async with asyncio.timeout(seconds):
            log = await _answer(transport, clock, name, ask)
    except TimeoutError:
        raise UnreachableError(f"the agent of {name} has not answered within {seconds:.0f} s", _POD) from None
    finally:
        await _take_back(transport, name, ask.token)
    if log.error:
        raise FleetError(f"{name}: {log.error}")
    return log.text


async def _answer(transport: Transport, clock: Clock, name: str, ask: LogAsk) -> LogAnswer:
    while True:
        found = _decoded(await transport.call(_call("get", name)))
        log = log_told(found)
        if log is not None and log.token == ask.token:
            return log
        if log_ask(found) != ask:
            raise FleetError(f"another user is reading a log of {name} at this moment", "try again")
        await clock.sleep(LOOK)


async def _take_back(transport: Transport, name: str, token: str) -> None:
    """Removes the request, unless another one has replaced it. The agent then removes its answer."""

    async def attempt() -> None:
        found = _decoded(await transport.call(_call("get", name)))
        ask = log_ask(found)
        if ask is None or ask.token != token:
            return
        metadata = {"uid": found.metadata.uid, "resourceVersion": found.metadata.resource_version}
        await transport.call(_call("patch", name, {"metadata": metadata, "spec": {"log": None}}))

    with suppress(NotFoundError):
        await retry_on_conflict(attempt)


def _call(verb: str, name: str, body: object = None) -> ApiRequest:
    return ApiRequest(
        verb=verb, path=f"{MACHINES.path}/{name}", group=GROUP, resource=MACHINES.resource, body=body
    )


def _decoded(body: bytes) -> MachineWire:
    return decoded(MACHINE, body, "the Machine")
