"""Moments among the options of commands."""

from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fleet.app.wiring.home import Home


def moment_of(home: "Home", text: str, option: str) -> datetime:
    """Returns the moment that an option names. Raises UsageError for another text."""
    from fleet.core.records.errors import UsageError
    from fleet.core.text.moments import FORMS, moment

    try:
        return moment(text, home.now())
    except ValueError as error:
        raise UsageError(f"{option}: {error}", f"{option} takes {FORMS}") from None
