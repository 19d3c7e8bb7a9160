"""One exception tree. The command line maps it to exit codes in one place (`fleet.cli.line`)."""

from __future__ import annotations

import errno
from collections.abc import Sequence

DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
"""Of an OSError: a disk is full, or its user's share of it."""


class FleetError(Exception):
    """Something that a user must be told: what happened, and what to do (`hint`). Exit code 1."""

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    @property
    def reason(self) -> str:
        """Returns what happened, for a place that names the cluster or host itself."""
        return self.message

    @property
    def full_message(self) -> str:
        """Returns what happened and what to do, in one line."""
        return f"{self.message} ({self.hint})" if self.hint else self.message


class UsageError(FleetError):
    """The call or its configuration is wrong; nothing was started. Exit code 2."""

    exit_code = 2


class ConfigError(UsageError):
    """A file with mistakes: all of them at once, each with its place (`file:line: message`)."""

    def __init__(self, problems: Sequence[str], hint: str = "") -> None:
        super().__init__("\n".join(problems), hint)
        self.problems = tuple(problems)


class HeldError(FleetError):
    """Nothing is wrong, and nothing was started: something else must come first. Exit code 3."""

    exit_code = 3


class UnreachableError(FleetError):
    """A cluster or host gave no answer (refused, timed out, name not found, certificate not trusted)."""

    def __init__(self, message: str, hint: str = "", *, reason: str = "") -> None:
        """`reason`: the message without the name of what does not answer; empty: the message has none in it."""
        super().__init__(message, hint)
        self._reason = reason

    @property
    def reason(self) -> str:
        return self._reason or self.message


class AuthenticationError(FleetError):
    """Credentials were refused (expired token, unknown certificate)."""


class ForbiddenError(FleetError):
    """The API server refused a verb; the hint names the RBAC rule that is missing."""


class StoreError(FleetError):
    """The database refused: locked, full, gone."""


class UnwritableError(StoreError):
    """The database can be read, and not written."""


class ReadOnlyError(UnwritableError):
    """The database may not be written from here, or by this user."""


class NoRoomError(UnwritableError):
    """The disk of the database is full. What was committed is safe and can be read; somebody has to free some space."""


class SchemaError(UsageError, StoreError):
    """The database is of a newer version than this program, or is not one of ours."""

    exit_code = 2


class TamperedError(StoreError):
    """The journal is not as it was written, or as it was signed."""


class StaleEpochError(StoreError):
    """A controller that no longer leads tried to write; it must stop at once."""


class JournalMovedError(StoreError):
    """Somebody has appended to the journal since the writer read it: read it again, and decide anew."""
