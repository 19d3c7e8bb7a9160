"""A refusal of the API server: what it answers instead of doing what it was asked to do."""

from __future__ import annotations

from fleet.core.rollout.action import Result


class RefusedPatch(Exception):
    def __init__(self, result: Result, words: str, retry_after: float | None = None) -> None:
        super().__init__(words)
        self.result = result
        self.words = words
        self.retry_after = retry_after
        """Retry-After, in seconds."""
