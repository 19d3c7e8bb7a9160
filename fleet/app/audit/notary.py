"""Signs the journal while a controller works."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from fleet.app.audit.keys import signing_key
from fleet.app.audit.signing import NO_COPY, sign_journal
from fleet.app.wiring.home import Home
from fleet.core.records.errors import TamperedError, UsageError
from fleet.drivers.journal.log import LOG

if TYPE_CHECKING:
    from fleet.store.journal.signing import PrivateKey


EVERY = timedelta(minutes=10)
"""The longest time after which a controller signs new entries."""


class HomeNotary:
    """Signs for a controller: every ten minutes if entries were written, and soon after a rollout's end."""

    def __init__(self, home: Home, key: PrivateKey, now: Callable[[], datetime]) -> None:
        self._home = home
        self._key = key
        self._now = now
        self._seq = 0
        """The seq of the last checkpoint."""
        self._at: datetime | None = None
        """When this controller last signed."""
        self._warned = False

    def look(self) -> None:
        """Signs the end of the journal where ten minutes have passed, or a rollout has ended, since the last
        checkpoint."""
        at = self._now()
        if self._at is None or at - self._at >= EVERY or self._home.store.checkpoints.ended_since(self._seq):
            self.sign()

    def sign(self) -> None:
        """Signs the end of the journal. A journal that was tampered with, or whose copies of checkpoints cannot be
        read, is not signed: one warning is logged, and the work goes on."""
        self._at = self._now()
        try:
            found = sign_journal(self._home, self._key, self._at)
        except (TamperedError, UsageError) as error:
            self._warn(f"{error.message}{f'; {error.hint}' if error.hint else ''}")
        except OSError as error:
            self._warn(f"{NO_COPY}: {error}")
        else:
            self._seq = found.seq if found is not None else 0

    def _warn(self, message: str) -> None:
        if not self._warned:
            LOG.warning("%s", message)
        self._warned = True


def notary_of(home: Home) -> HomeNotary | None:
    """Returns the notary for a controller of this home; None where the home has no signing key. Raises UsageError for
    a key that cannot be read."""
    key = signing_key(home)
    return None if key is None else HomeNotary(home, key, home.clock.now)
