"""Counts the boots of a simulated cluster's nodes, from its file alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fleet.simulated.cluster import snapshot_of
from tests.background import repeated


class Boots:
    """Watches a cluster's file. `reboots` is how often each node has booted anew since."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._seen: dict[str, list[str]] = defaultdict(list)

    @property
    def reboots(self) -> dict[str, int]:
        return {name: len(boots) - 1 for name, boots in self._seen.items()}

    def look(self) -> None:
        for node in snapshot_of(self._file).nodes:
            boots = self._seen[node.name]
            if node.boot_id and node.boot_id not in boots[-1:]:
                boots.append(node.boot_id)

    @contextmanager
    def watching(self) -> Iterator[Boots]:
        self.look()
        with repeated(self.look, 0.05):
            yield self
        self.look()
