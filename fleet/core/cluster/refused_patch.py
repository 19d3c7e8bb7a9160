"""The refusal of an action by an API server, or by fleet in its place."""

from __future__ import annotations

from fleet.core.rollout.action import Result


class RefusedPatch(Exception):
    def __init__(self, result: Result, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.result = result
        self.message = message
        self.retry_after = retry_after
        """Retry-After, in seconds."""
