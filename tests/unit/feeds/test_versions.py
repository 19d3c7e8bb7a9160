"""The order of versions where a feed has none of its own."""

from __future__ import annotations

from random import Random

from fleet.feeds.versions import version_key

ORDERED = [
    "1.9.0-alpha.2",
    "1.9.0-rc.1",
    "1.9.0-rc.2",
    "1.9.0",
    "1.9.0.1",
    "v1.9.1",
    "1.10.0",
    "44.20260621.3.1",
    "44.20260707.3.1",
    "3033.3.2",
    "3033.3.18",
    "3510.2.0",
]


def test_versions_are_ordered_by_their_numbers() -> None:
    shuffled = ORDERED.copy()
    Random(1).shuffle(shuffled)
    assert sorted(shuffled, key=version_key) == ORDERED
