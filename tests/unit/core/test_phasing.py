"""A release that is offered to more and more machines, with the numbers of a recorded rollout of Fedora CoreOS."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from fleet.core.releases.phasing import Phasing

START = datetime(2022, 1, 5, 23, tzinfo=UTC)
"""1641423600: next 35.20220103.1.0, in 2880 minutes from 0.0 on (fedora-coreos-streams, updates/next.json)."""
RECORDED = Phasing(START, 0.0, 2880)


@pytest.mark.parametrize(
    ("phasing", "hours", "share"),
    [
        (RECORDED, -1, 0.0),
        (RECORDED, 0, 0.0),
        (RECORDED, 12, 0.25),
        (RECORDED, 48, 1.0),
        (RECORDED, 1000, 1.0),
        (Phasing(START, 0.2, 600), 5, 0.6),
        (Phasing(START, 0.2, 0), 1, 1.0),
        (Phasing(START, 0.2), 1000, 0.2),
        (Phasing(share=1.0), 0, 1.0),
        (Phasing(), 0, 0.0),
        (Phasing(minutes=60), 0, 1.0),
    ],
)
def test_share_that_is_offered_the_release(phasing: Phasing, hours: int, share: float) -> None:
    assert phasing.offered(START + timedelta(hours=hours)) == pytest.approx(share)


@pytest.mark.parametrize(
    ("phasing", "wariness", "opens"),
    [
        (RECORDED, 0.0, START),
        (RECORDED, 0.25, START + timedelta(hours=12)),
        (RECORDED, 1.0, START + timedelta(hours=48)),
        (Phasing(START, 0.2), 0.2, START),
        (Phasing(START, 0.2), 0.21, None),
    ],
)
def test_time_at_which_a_machine_is_offered_it(
    phasing: Phasing, wariness: float, opens: datetime | None
) -> None:
    assert phasing.opens(wariness) == opens
    if opens is not None:
        assert phasing.includes(wariness, opens)
        assert not phasing.includes(wariness, opens - timedelta(seconds=1))
