"""A coroutine is run to its end, and what it returns is handed on without being written out."""

from __future__ import annotations

import asyncio

import pytest

from fleet.system.event_loop import result_of


class Large:
    """Stands for a cluster of thousands of objects."""

    written_out = 0

    def __repr__(self) -> str:
        self.written_out += 1
        return "large"


def test_nothing_makes_a_text_of_what_the_coroutine_returns() -> None:
    """asyncio.run does, in Python 3.11 to 3.13: `[large]`, when it looks up whose handler of Ctrl-C was set."""

    async def work() -> list[Large]:
        await asyncio.sleep(0)
        return [Large()]

    [large] = result_of(work())
    assert large.written_out == 0


def test_an_error_is_raised_as_it_is() -> None:
    async def work() -> None:
        raise LookupError("gone")

    with pytest.raises(LookupError, match="gone"):
        result_of(work())
