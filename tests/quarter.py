"""The quarter of the demo with few nodes, played for tests."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from fleet.app.demo.play import Told, play
from fleet.app.demo.prepare import a_quarter, prepare
from fleet.app.wiring.home import Home
from fleet.core.records.journal import JournalEntry

SMALL = 0.1
"""The share of the demo's workers: six in each cluster."""


class Played(NamedTuple):
    home: Home
    told: Sequence[Told]

    @property
    def entries(self) -> list[JournalEntry]:
        return list(self.home.store.journal.entries())


def played(folder: Path, until: datetime) -> Played:
    """Plays the quarter with few nodes until a moment."""
    home = prepare(folder, scenario=a_quarter(SMALL))
    told: list[Told] = []
    play(home, 60.0, told.append, end=until)
    return Played(Home(home.path), told)
