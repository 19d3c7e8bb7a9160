"""One Alertmanager, for its silences.

Source: https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from fleet.alertmanager.silence import StoredSilence, ours
from fleet.system.web import NO_CREDENTIALS, Credentials, NoAnswerError, ServerAnswer, ask, decoded


class Alertmanager(NamedTuple):
    """A server, and how it is reached."""

    url: str
    credentials: Credentials = NO_CREDENTIALS

    async def own(self, fleet: str) -> list[StoredSilence]:
        """Returns the silences of this fleet that have not ended. Raises NoAnswerError."""
        answer = await ask("GET", f"{self.url}/api/v2/silences", credentials=self.credentials)
        _check(answer)
        return ours(decoded(answer.body, list[StoredSilence]), fleet)

    async def post(self, silence: Mapping[str, Any]) -> None:
        """Makes a silence, or changes the one with its id. Raises NoAnswerError: it may be there nevertheless."""
        url = f"{self.url}/api/v2/silences"
        _check(await ask("POST", url, credentials=self.credentials, body=dict(silence)))

    async def delete(self, silence: str) -> None:
        """Ends a silence; one that is not there has ended. Raises NoAnswerError."""
        url = f"{self.url}/api/v2/silence/{silence}"
        answer = await ask("DELETE", url, credentials=self.credentials)
        if answer.status != 404:
            _check(answer)


def _check(answer: ServerAnswer) -> None:
    if answer.status != 200:
        raise NoAnswerError(f"status {answer.status}: {answer.body[:200].decode(errors='replace').strip()}")
