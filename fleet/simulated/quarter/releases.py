"""The releases that are published in the quarter, as they stand in the file of their stream."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256

from msgspec.structs import replace

from fleet.core.releases.release import Advisory, Release


def _release(month: int, day: int, kernel: str, *advisories: Advisory, hour: int = 14) -> Release:
    version = f"44.2026{month:02}{day:02}.3.0"
    digest = f"sha256:{sha256(version.encode()).hexdigest()}"
    released = datetime(2026, month, day, hour, tzinfo=UTC)
    dated = tuple(replace(each, published=released) for each in advisories)
    return Release(version, digest, kernel, released=released, advisories=dated)


FIRST = _release(9, 14, "6.11.4", hour=0)
"""What every node runs when the quarter begins."""
OCTOBER = _release(10, 5, "6.12.1", Advisory("CVE-2026-41207", "high"))
LATE_OCTOBER = _release(10, 20, "6.12.4", Advisory("CVE-2026-42981", "medium"))
DEFECTIVE = _release(11, 3, "6.12.6", Advisory("CVE-2026-44310", "high"))
"""A unit of systemd fails on every machine that boots it."""
FIXED = _release(11, 10, "6.12.7", Advisory("CVE-2026-44310", "high"))
BEFORE_SALE = _release(11, 18, "6.12.9", Advisory("CVE-2026-45102", "critical"))
DECEMBER = _release(12, 15, "6.13.2", Advisory("CVE-2026-47766", "medium"))
"""It comes when no window opens any more before the freeze at the end of the year."""
PUBLISHED = (OCTOBER, LATE_OCTOBER, DEFECTIVE, FIXED, BEFORE_SALE, DECEMBER)
"""The releases of the quarter, oldest first."""


def feed(releases: Sequence[Release]) -> str:
    """Returns the file of the stream with these releases, oldest first."""
    return "".join(["releases:\n", *map(_entry, releases)])


def _entry(release: Release) -> str:
    advisories = release.advisories if isinstance(release.advisories, tuple) else ()
    lines = [
        f"  - version: {release.version}",
        f"    digest: {release.digest}",
        f"    kernel: {release.kernel}",
        f"    released: {_moment(release.released)}",
        *(["    advisories:"] if advisories else []),
        *(
            f"      - {{id: {each.id}, severity: {each.severity}, published: {_moment(each.published)}}}"
            for each in advisories
        ),
    ]
    return "".join(f"{line}\n" for line in lines)


def _moment(moment: object) -> str:
    assert isinstance(moment, datetime)
    return f"{moment:%Y-%m-%dT%H:%MZ}"
