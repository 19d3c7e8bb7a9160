"""Runs a coroutine to its end, in a process that has no event loop yet."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def result_of(coroutine: Coroutine[Any, Any, T]) -> T:
    """Returns what the coroutine returns, and raises what it raises, as `asyncio.run` does.

    Python 3.11 to 3.13 make a text of all that the coroutine given to `asyncio.run` returns, whenever `run` gives back
    the handler of Ctrl-C (the value of `signal.getsignal` is looked up among the signals' own, and not found). For the
    objects of a large cluster this takes a second, and a hundred megabytes.
    """
    results: list[T] = []

    async def run() -> None:
        results.append(await coroutine)

    asyncio.run(run())
    return results[0]
