"""The programs of a lab that run now."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import msgspec

from fleet.lab import nodes


class ProgramStatus(msgspec.Struct, frozen=True):
    """One program of a lab."""

    name: str
    pid: int
    alive: bool
    log: Path


class LabStatus(msgspec.Struct, frozen=True):
    """A lab as it is now. `nodes` is None where its API server does not answer."""

    directory: Path
    kubeconfig: Path
    server: str
    kubernetes: str
    started_at: datetime
    programs: tuple[ProgramStatus, ...]
    wanted: tuple[str, ...]
    """The names of all programs that the lab should run."""
    nodes: nodes.NodeCount | None

    @property
    def running(self) -> bool:
        """Returns whether every program runs and the API server answers."""
        names = {program.name for program in self.programs if program.alive}
        return names == set(self.wanted) and self.nodes is not None
