"""The errors of feeds."""

from __future__ import annotations


class FeedError(Exception):
    """Says why a feed cannot be read, in one line without secrets."""


class UnauthorizedError(FeedError):
    """The server asks for credentials."""

    def __init__(self, challenge: str) -> None:
        super().__init__("the server answers 401: it asks for credentials")
        self.challenge = challenge
        """The header WWW-Authenticate."""
