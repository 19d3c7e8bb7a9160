"""What an agent's pod logs: a line a record."""

from __future__ import annotations

import logging

from fleet.core.logs import Lines


def begin() -> None:
    """Logs to stderr, from INFO on."""
    handler = logging.StreamHandler()
    handler.setFormatter(Lines("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
