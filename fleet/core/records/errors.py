"""The exceptions of fleet, in one tree. The command line maps them to exit codes in one place (`fleet.cli.line`)."""

from __future__ import annotations

import errno
from collections.abc import Sequence

DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
"""Values of `OSError.errno` that mean that a disk is full, or the user's quota is used up."""


class FleetError(Exception):
    """An error that a user must see: what happened, and what to do (`hint`). Exit code 1."""

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    @property
    def reason(self) -> str:
        """Returns what happened, for a message that already names the cluster or host."""
        return self.message

    @property
    def full_message(self) -> str:
        """Returns what happened and what to do, in one line."""
        return f"{self.message} ({self.hint})" if self.hint else self.message


class UsageError(FleetError):
    """The command or its configuration is wrong, and nothing was started. Exit code 2."""

    exit_code = 2


class ConfigError(UsageError):
    """A file with mistakes. All mistakes are reported at once, each with its location (`file:line: message`)."""

    def __init__(
        self,
        problems: Sequence[str],
        hint: str = "",
        *,
        where: str = "the configuration",
        count: int | None = None,
    ) -> None:
        """`where`: what has the mistakes. `count`: how many there are, where `problems` does not have all."""
        super().__init__("\n".join(problems), hint)
        self.problems = tuple(problems)
        self.where = where
        self.count = len(problems) if count is None else count


class HeldError(FleetError):
    """Nothing is wrong and nothing was started, because something else must come first. Exit code 3."""

    exit_code = 3


class UnreachableError(FleetError):
    """A cluster or host did not answer (connection refused, timeout, name not found, certificate not trusted)."""

    def __init__(self, message: str, hint: str = "", *, reason: str = "") -> None:
        """`reason`: the message without the name of the cluster or host that does not answer. Empty: the message does
        not contain the name."""
        super().__init__(message, hint)
        self._reason = reason

    @property
    def reason(self) -> str:
        return self._reason or self.message


class AuthenticationError(FleetError):
    """Credentials were refused (expired token, unknown certificate)."""


class NotAllowedError(FleetError):
    """The role of the user, or the rule of four eyes, does not allow the command."""


class ForbiddenError(FleetError):
    """The API server refused a verb. The hint names the missing RBAC rule."""


class StoreError(FleetError):
    """The database refused an operation because it is locked, full or gone."""


class UnwritableError(StoreError):
    """The database can be read but not written."""


class ReadOnlyError(UnwritableError):
    """The database may not be written from here, or by this user."""


class NoRoomError(UnwritableError):
    """The disk of the database is full. What was committed is safe and can be read; an operator has to free some
    space."""


class SchemaError(UsageError, StoreError):
    """The database belongs to a newer version of fleet, or is not a database of fleet."""

    exit_code = 2


class TamperedError(StoreError):
    """The journal differs from what was written or signed."""


class StaleEpochError(StoreError):
    """A controller that no longer leads tried to write. The controller must stop at once."""


class LostEntriesError(StoreError):
    """The journal lacks an entry that was committed: the database is an older copy, or a standby that had not received
    the entry when it became the primary."""


class JournalMovedError(StoreError):
    """Another process has appended to the journal since the writer read the journal. The writer has to read again and
    decide again."""
