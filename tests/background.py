"""What a test does all the time beside its work."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager


@contextmanager
def repeated(do: Callable[[], object], pause: float) -> Iterator[None]:
    """In a thread of its own, so many seconds apart, until it is left. What it raised ends it, and is raised there."""
    over = threading.Event()

    def repeat() -> None:
        while not over.wait(pause):
            do()

    with ThreadPoolExecutor(1) as pool:
        work = pool.submit(repeat)
        try:
            yield
        finally:
            over.set()
        work.result()
