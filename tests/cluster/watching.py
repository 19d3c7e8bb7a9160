"""The versions of objects of one kind over time, as a watch reports them; and waiting until one meets a condition."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.cluster.rest import Cluster, Json

SECONDS = 120.0


class Watched:
    """Every version of every object that the watch has reported, newest last, by the object's name."""

    def __init__(self, cluster: Cluster, path: str) -> None:
        self._stream = cluster.stream(path)
        self._changed = threading.Condition()
        self._versions: dict[str, list[Json]] = {}
        self._gone: set[str] = set()
        self._thread = threading.Thread(target=self._follow, daemon=True)

    @classmethod
    @contextmanager
    def of(cls, cluster: Cluster, path: str) -> Iterator[Watched]:
        watched = cls(cluster, path)
        watched._thread.start()
        try:
            yield watched
        finally:
            watched._stream.stop()
            watched._thread.join()

    def until(self, name: str, condition: Callable[[Json], object], seconds: float = SECONDS) -> Json:
        """The first version, of those to come and the newest, that fulfils the condition."""

        def fulfilled() -> bool:
            versions = self._versions.get(name)
            return bool(versions and condition(versions[-1]))

        with self._changed:
            if not self._changed.wait_for(fulfilled, seconds):
                raise AssertionError(f"after {seconds} s {name} is {self._versions.get(name, [None])[-1]}")
            return self._versions[name][-1]

    def until_gone(self, name: str, seconds: float = SECONDS) -> None:
        with self._changed:
            if not self._changed.wait_for(lambda: name in self._gone, seconds):
                raise AssertionError(f"after {seconds} s {name} is there still")

    def versions(self, name: str) -> list[Json]:
        with self._changed:
            return list(self._versions.get(name, []))

    def _follow(self) -> None:
        for kind, found in self._stream.events():
            with self._changed:
                if kind == "SYNC":
                    self._gone = set(self._versions)
                for each in found if kind == "SYNC" else [found]:
                    name = each["metadata"]["name"]
                    self._versions.setdefault(name, []).append(each)
                    self._gone.discard(name)
                    if kind == "DELETED":
                        self._gone.add(name)
                self._changed.notify_all()
