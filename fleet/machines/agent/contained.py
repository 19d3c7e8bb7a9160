"""Contains unexpected errors: what one machine answers must not end work for others, so such an error becomes that
machine's failure, with a message."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from fleet.core.records.errors import FleetError
from fleet.machines.errors import MachineError

LOG = logging.getLogger(__name__)
SHOWN = 200
"""The most characters of such an error that are shown."""


@contextmanager
def contained(node: str = "") -> Iterator[None]:
    """Raises MachineError in place of any error that is not a FleetError, and logs where in fleet it was raised."""
    try:
        yield
    except FleetError:
        raise
    except Exception as error:
        raise not_understood(error, node) from error


def not_understood(error: Exception, node: str = "") -> MachineError:
    """Logs an unexpected error and returns the MachineError that stands for it."""
    LOG.error("%s: an answer from the machine is not understood", node or "this machine", exc_info=error)
    message = " ".join(str(error).split())[:SHOWN]
    return MachineError(
        f"{f'{node}: ' if node else ''}fleet does not understand what this machine answers "
        f"({type(error).__name__}: {message})",
        "the log of fleet run, or of the node's agent, shows where; please report it",
    )
