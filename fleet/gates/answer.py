"""Asks a server one question over HTTP, with bounds on time and size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import aiohttp
import msgspec

from fleet.core.policy.gate import GateVerdict

SECONDS = 10.0
"""A server that has not answered by then gives no answer."""
LARGEST = 4 << 20
"""The most bytes of an answer that are read."""


class Measurement(NamedTuple):
    """The result of one measurement."""

    verdict: GateVerdict
    message: str


class NoAnswerError(Exception):
    """The server gave no answer that can be used; the message says why."""


class ServerAnswer(NamedTuple):
    status: int
    body: bytes


async def get(
    url: str, params: Sequence[tuple[str, str]] = (), headers: Mapping[str, str] | None = None
) -> ServerAnswer:
    """Returns the answer to a GET request. Redirects are not followed: a token must not go elsewhere.

    Raises NoAnswerError if the server cannot be reached, takes too long or answers too much.
    """
    timeout = aiohttp.ClientTimeout(total=SECONDS)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, trust_env=True) as session,
            session.get(url, params=list(params), headers=headers, allow_redirects=False) as response,
        ):
            body = await _limited(response.content)
            return ServerAnswer(response.status, body)
    except TimeoutError:
        raise NoAnswerError(f"no answer within {SECONDS:.0f} s") from None
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise NoAnswerError(str(error) or type(error).__name__) from error


async def _limited(content: aiohttp.StreamReader) -> bytes:
    body = bytearray()
    async for chunk in content.iter_any():
        body += chunk
        if len(body) > LARGEST:
            raise NoAnswerError(f"the answer has more than {LARGEST >> 20} MiB")
    return bytes(body)


def decoded(body: bytes, shape: type[Any]) -> Any:
    """Returns the JSON of the body as the struct. Raises NoAnswerError for anything else."""
    try:
        return msgspec.json.decode(body, type=shape)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise NoAnswerError(f"the answer is not what its API documents: {error}") from error
