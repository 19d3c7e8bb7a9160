"""What one machine answers ends nobody else's work: an error that nobody foresaw is that machine's failure, and told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from fleet.core.errors import FleetError
from fleet.core.logs import log_of
from fleet.machines.os.family import MachineError

LOG = log_of(__name__)
SHOWN = 200
"""Letters of such an error that are told."""


@contextmanager
def contained(node: str = "") -> Iterator[None]:
    """Raises MachineError in place of anything but a FleetError; where in fleet it happened is logged."""
    try:
        yield
    except FleetError:
        raise
    except Exception as error:
        LOG.exception("%s: an answer that fleet does not understand", node or "this machine")
        words = " ".join(str(error).split())[:SHOWN]
        raise MachineError(
            f"{f'{node}: ' if node else ''}fleet does not understand what this machine answers "
            f"({type(error).__name__}: {words})",
            "the log of whoever works on it (fleet run, or the node's agent) says where; please report that",
        ) from error
