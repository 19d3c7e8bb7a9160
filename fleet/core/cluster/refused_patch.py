"""A refusal of a cluster: what the API server, or fleet in its place, answers instead of performing an action."""

from __future__ import annotations

from fleet.core.rollout.action import Result


class RefusedPatch(Exception):
    def __init__(self, result: Result, words: str, retry_after: float | None = None) -> None:
        super().__init__(words)
        self.result = result
        self.message = words
        self.retry_after = retry_after
        """Retry-After, in seconds."""
