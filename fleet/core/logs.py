"""What is logged, by whatever library and whoever reads it: a line a record, with what hosts and clusters said visible."""

from __future__ import annotations

import logging
from types import TracebackType

from fleet.core.visible import visible, visible_lines

Raised = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


class Lines(logging.Formatter):
    """The text of each record is one line; a traceback follows, with its lines."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        record.message = visible(record.message)
        return super().formatMessage(record)

    def formatException(self, ei: Raised) -> str:
        return visible_lines(super().formatException(ei))


def log_of(module: str) -> logging.Logger:
    """The logger of a module. Where nobody has said where logs go, as in most commands, they go to stderr as Lines."""
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(Lines())
    return logging.getLogger(module)
