"""Computes how long the nodes may take to run a release, and since when that time counts."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

from msgspec import Struct, UnsetType

from fleet.core.releases.release import Release

CountedFrom = Literal["release", "advisory"]
"""`release`: the day on which the release was published. `advisory`: the day on which the first of the advisories that
the release fixes was published."""
MOST_DAYS = 3660


class Deadline(Struct, frozen=True):
    """A rule for how soon a release has to be on the nodes."""

    name: str
    days: int
    counted_from: CountedFrom = "release"
    severities: tuple[str, ...] = ()
    """The severities of advisories that make a release count. Empty: every release counts. A release whose advisories
    or severities the stream does not name always counts: it may fix anything."""
    source: str = ""
    """The requirement and its text; empty for a number of days that the user chose."""

    def starts(self, release: Release) -> datetime | None:
        """Returns the moment from which the days of this release are counted; None if the stream does not say."""
        if self.counted_from == "release":
            return None if isinstance(release.released, UnsetType) else release.released
        advisories = () if isinstance(release.advisories, UnsetType) else release.advisories
        return min(
            (advisory.published for advisory in advisories if advisory.published is not None), default=None
        )

    def due(self, start: datetime) -> datetime:
        """Returns the end of the time that is allowed from `start` on."""
        return start + timedelta(days=self.days)

    def covers(self, release: Release) -> bool:
        """Returns whether the rule is about the release."""
        if not self.severities or isinstance(release.advisories, UnsetType):
            return True
        return any(
            not advisory.severity or advisory.severity in self.severities for advisory in release.advisories
        )


PCI_DSS = Deadline(
    "pci-dss",
    30,
    severities=("critical",),
    source=(
        "PCI DSS v4.0.1, requirement 6.3.3: patches/updates for critical vulnerabilities (identified according to the "
        "risk ranking process at requirement 6.3.1) are installed within one month of release. One month is counted "
        "as 30 days."
    ),
)


def deadline(text: str, counted_from: CountedFrom) -> Deadline:
    """Returns the rule of that name, or of that number of days. Raises ValueError with a message for another text."""
    if text == PCI_DSS.name:
        return Deadline(text, PCI_DSS.days, counted_from, PCI_DSS.severities, PCI_DSS.source)
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= MOST_DAYS):
        raise ValueError(f"expected {PCI_DSS.name} or a number of days from 1 to {MOST_DAYS}, found {text!r}")
    return Deadline(f"{int(text)} days", int(text), counted_from)


def deadline_of(name: str, counted_from: CountedFrom) -> Deadline:
    """Returns the rule with this `name`. Raises ValueError as `deadline`."""
    return deadline(name.removesuffix(" days"), counted_from)
