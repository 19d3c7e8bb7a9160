"""The risks of a failover are reported from the server's settings and the URL."""

from __future__ import annotations

from contextlib import closing

import pytest

from fleet.store import Store
from fleet.store.db.postgres.durability import Durability, risks

SAFE = Durability(True, "standby", 1, 2, "")


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (SAFE, ()),
        (Durability(True, "", 0, 1, ""), ()),
        (Durability(True, "", 1, 1, ""), ("synchronous_standby_names",)),
        (Durability(True, "", 0, 2, "read-write"), ("synchronous_standby_names",)),
        (Durability(False, "", 0, 1, ""), ("fsync",)),
        (Durability(True, "standby", 1, 2, "any"), ("target_session_attrs=any",)),
        (Durability(True, "standby", 1, 1, "any"), ()),
        (
            Durability(False, "", 1, 2, "standby"),
            ("fsync", "synchronous_standby_names", "target_session_attrs"),
        ),
    ],
)
def test_each_risk_is_reported_with_the_setting(found: Durability, said: tuple[str, ...]) -> None:
    reported = risks(found)
    assert len(reported) == len(said)
    assert all(setting in message for setting, message in zip(said, reported, strict=True))


def test_settings_are_read_from_the_server(place: str) -> None:
    with closing(Store.open(place)) as store:
        assert [("fsync" in risk) for risk in store.risks()] == (
            [True] if place.startswith("postgresql") else []
        )
