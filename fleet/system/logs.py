"""The logging of every process of fleet: to stderr, one line for each record, as text for users or as JSON for a log
collector."""

from __future__ import annotations

import logging
import sys
from contextvars import ContextVar
from datetime import UTC, datetime
from types import TracebackType
from typing import Literal

from fleet.core.text.visible import visible, visible_lines

Form = Literal["text", "json"]
Level = Literal["debug", "info", "warning", "error"]
Raised = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
CLUSTER: ContextVar[str] = ContextVar("cluster", default="")
"""The cluster that the running task works for."""
PLACE = ("cluster", "rollout", "node")
"""The subjects of a record, which are given to a logger's method as `extra`. The tasks of a cluster have the cluster
in their context."""


def begin(form: Form, level: Level) -> None:
    """Starts logging: fleet's own loggers from `level` on. Records of libraries are for developers: they are logged
    from warning on, and with debug from info on."""
    handler = Stderr()
    handler.setFormatter(Json() if form == "json" else Lines())
    root = logging.getLogger()
    for earlier in [known for known in root.handlers if isinstance(known, Stderr)]:
        root.removeHandler(earlier)
    root.addHandler(handler)
    root.setLevel(logging.INFO if level == "debug" else logging.WARNING)
    logging.getLogger("fleet").setLevel(level.upper())


class Stderr(logging.Handler):
    """Writes to the current value of sys.stderr, which is read for each record."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            print(self.format(record), file=sys.stderr, flush=True)
        except Exception:
            self.handleError(record)


class Lines(logging.Formatter):
    """Formats each record as one line of text; a traceback follows with its own lines."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s")

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        return _time(record)

    def formatMessage(self, record: logging.LogRecord) -> str:
        cluster, rollout, node = (place_of(record).get(name, "") for name in PLACE)
        place = " ".join(
            part for part in (rollout, "/".join(part for part in (cluster, node) if part)) if part
        )
        record.message = visible(f"{place}: {record.message}" if place else record.message)
        return super().formatMessage(record)

    def formatException(self, ei: Raised) -> str:
        return visible_lines(super().formatException(ei))


class Json(logging.Formatter):
    """Formats each record as one JSON object a line: time, level, logger, message and, where known, cluster, rollout
    and node; `error` is a traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """Returns one log record as a line."""
        line = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **place_of(record),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        import json

        return json.dumps(line)


def place_of(record: logging.LogRecord) -> dict[str, str]:
    """Returns what the record is about, by the keys of PLACE; unknown ones are left out."""
    found = {name: str(getattr(record, name, "")) for name in PLACE}
    found["cluster"] = found["cluster"] or CLUSTER.get()
    return {name: value for name, value in found.items() if value}


def _time(record: logging.LogRecord) -> str:
    at = datetime.fromtimestamp(record.created, UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}Z"
