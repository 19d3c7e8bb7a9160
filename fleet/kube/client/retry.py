"""Retries of requests: after a conflict (client-go's `RetryOnConflict`), and with growing pauses after a failure (its
`wait.Backoff`)."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from msgspec import Struct

from fleet.kube.objects.errors import ConflictError

CONFLICT_TRIES = 10
"""The most attempts at one write. client-go's `DefaultRetry` makes 5; a Node that boots is written by its kubelet, by
controllers and by other operators at once."""

R = TypeVar("R")
Jitter = Callable[[], float]
"""A function that returns a factor around 1 by which a pause is longer or shorter."""


def random_jitter() -> float:
    """Returns a factor from 0.5 to 1.5: clients that have lost one API server must not all reconnect in the same
    moment."""
    return random.uniform(0.5, 1.5)  # noqa: S311 - not a secret


class Backoff(Struct, frozen=True):
    """Pauses in seconds between failed attempts: each is twice as long as the one before, up to a limit."""

    first: float = 0.5
    most: float = 8.0

    def seconds(self, failures: int) -> float:
        """Returns the pause in seconds after a failure; the first failure has number 0."""
        return min(self.first * 2.0 ** min(failures, 30), self.most)


async def retry_on_conflict(attempt: Callable[[], Awaitable[R]]) -> R:
    """Runs `attempt`, which reads an object and writes it with the resourceVersion that was read, until the API server
    does not answer 409, but at most `CONFLICT_TRIES` times.

    Raises ConflictError with the server's last message, and all other errors that `attempt` raises.
    """
    message = ""
    for _ in range(CONFLICT_TRIES):
        try:
            return await attempt()
        except ConflictError as error:
            message = error.message
    raise ConflictError(f"others changed it {CONFLICT_TRIES} times in a row: {message}")
