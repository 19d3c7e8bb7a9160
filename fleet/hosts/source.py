"""The inventory file as it is now: read anew when it has changed."""

from __future__ import annotations

from pathlib import Path

from fleet.hosts.inventory import Inventory, load


class Source:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._state: tuple[int, ...] = ()
        self._known: Inventory | None = None

    def now(self) -> Inventory:
        """Raises UsageError where it cannot be read, ConfigError with its mistakes."""
        state = self._look()
        if self._known is None or state != self._state:
            self._known = None
            self._known = load(self._path)
            self._state = state
        return self._known

    def _look(self) -> tuple[int, ...]:
        try:
            found = self._path.stat()
        except OSError:
            return ()
        return found.st_mtime_ns, found.st_size, found.st_ino
