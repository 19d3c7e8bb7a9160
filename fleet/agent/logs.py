"""What an agent's pod logs: a line a record, with what hosts said visible."""

from __future__ import annotations

import logging

from fleet.core.visible import visible


class Lines(logging.Formatter):
    """The text of each record is one line; a traceback follows as it is."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        record.message = visible(record.message)
        return super().formatMessage(record)


def begin() -> None:
    """Logs to stderr, from INFO on."""
    handler = logging.StreamHandler()
    handler.setFormatter(Lines("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
