"""A machine is offered a release exactly when the share of machines has reached its place."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from fleet.core.releases.phasing import Phasing

START = datetime(2026, 11, 3, 14, tzinfo=UTC)
SHARES = st.floats(0, 1, allow_nan=False)
PHASINGS = st.builds(Phasing, st.just(START), SHARES, st.none() | st.integers(0, 10_000))


@given(PHASINGS, SHARES, st.integers(-3600, 700_000))
def test_offered_share_and_opening_time_agree(phasing: Phasing, wariness: float, seconds: int) -> None:
    now = START + timedelta(seconds=seconds)
    if phasing.includes(wariness, now):
        assert wariness <= phasing.offered(now) + 1e-9
    else:
        # The opening is rounded up to a whole second.
        assert wariness > phasing.offered(now - timedelta(seconds=1)) - 1e-9


@given(PHASINGS, SHARES, st.integers(-3600, 700_000), st.integers(0, 700_000))
def test_offer_is_never_withdrawn(phasing: Phasing, wariness: float, seconds: int, later: int) -> None:
    now = START + timedelta(seconds=seconds)
    assert not phasing.includes(wariness, now) or phasing.includes(wariness, now + timedelta(seconds=later))
