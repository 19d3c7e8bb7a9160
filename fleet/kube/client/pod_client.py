"""Sends requests to programs in pods through the API server: no network path to the pod is needed.

HTTP requests and commands need permissions that fleet's ClusterRole leaves out, because they are far-reaching: `get
pods/proxy`, and `get` and `create` `pods/exec`. A Role in the pods' namespace grants them (docs/quorum.md).
"""

from __future__ import annotations

from urllib.parse import quote, urlencode

import msgspec
from msgspec import Struct

from fleet.core.objects.pod import PodRef
from fleet.core.quorum.probe import ExecProbe, HttpProbe
from fleet.core.records.errors import FleetError
from fleet.core.text.untrusted import UNREADABLE
from fleet.kube.client.transport import Transport
from fleet.kube.objects.errors import ApiRequest, error_of, one_line

SECONDS = 5.0
MOST_BYTES = 4 << 20
PROTOCOL = "v4.channel.k8s.io"
WORDS = 200
"""The most characters of a server's message about a failed command, and of the command's own message."""
STDOUT, STDERR, OUTCOME = 1, 2, 3


class CommandStatus(Struct, frozen=True):
    """The result of a command (a Status on a channel of its own)."""

    status: str = ""
    message: str = ""


_ENDED = msgspec.json.Decoder(CommandStatus)


class PodClient:
    """Sends HTTP requests and commands to pods of one cluster, each bounded in time and size."""

    def __init__(self, transport: Transport, seconds: float = SECONDS) -> None:
        self._transport = transport
        self._seconds = seconds

    async def ask(self, pod: PodRef, how: HttpProbe | ExecProbe) -> bytes:
        """Returns the body of a successful response, or the output of a command that succeeded. Raises FleetError."""
        match how:
            case HttpProbe():
                return await self._get(pod, how)
            case ExecProbe():
                return await self._run(pod, how)

    async def _get(self, pod: PodRef, how: HttpProbe) -> bytes:
        name = f"{pod.name}:{how.port}" if how.scheme == "http" else f"https:{pod.name}:{how.port}"
        call = ApiRequest(
            verb="get",
            path=f"{_path(pod, name)}/proxy{how.path}",
            resource="pods/proxy",
            seconds=self._seconds,
            most=MOST_BYTES,
        )
        answer = await self._transport.request(call, retry_on_429=False)
        if not answer.good and answer.status not in how.also:
            raise error_of(self._transport.host, call, answer.status, answer.body)
        return answer.body

    async def _run(self, pod: PodRef, how: ExecProbe) -> bytes:
        parameters = [("command", argument) for argument in how.command]
        parameters += [("container", how.container)] if how.container else []
        query = urlencode([*parameters, ("stdout", "true"), ("stderr", "true")])
        call = ApiRequest(
            verb="get",
            path=f"{_path(pod, pod.name)}/exec?{query}",
            resource="pods/exec",
            seconds=self._seconds,
            most=MOST_BYTES,
        )
        channels: dict[int, bytes] = {}
        async for frame in self._transport.frames(call, PROTOCOL):
            if frame:
                channels[frame[0]] = channels.get(frame[0], b"") + frame[1:]
            if sum(map(len, channels.values())) > MOST_BYTES:
                raise FleetError(f"{how.command[0]} in {pod} printed more than {MOST_BYTES >> 20} MiB")
        outcome, complaint = (
            self._transport.masked(channels.get(channel, b"")) for channel in (OUTCOME, STDERR)
        )
        _refuse_failure(pod, how, outcome, complaint)
        return channels.get(STDOUT, b"")


def _refuse_failure(pod: PodRef, how: ExecProbe, outcome: bytes, complaint: bytes) -> None:
    """Raises FleetError unless the command is known to have succeeded."""
    try:
        ended = _ENDED.decode(outcome)
    except UNREADABLE:
        raise FleetError(f"{how.command[0]} in {pod} was interrupted") from None
    if ended.status != "Success":
        why, printed = one_line(ended.message, WORDS), one_line(complaint.decode(errors="replace"), WORDS)
        raise FleetError(f"{how.command[0]} in {pod}: {why}{f': {printed}' if printed else ''}")


def _path(pod: PodRef, name: str) -> str:
    return f"/api/v1/namespaces/{quote(pod.namespace, safe='')}/pods/{quote(name, safe=':')}"
