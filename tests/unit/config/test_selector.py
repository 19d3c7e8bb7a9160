"""Which pools never get a node."""

from __future__ import annotations

import pytest

from fleet.config.selector import hidden
from fleet.core.objects.selector import Requirement, Selector
from fleet.core.policy.policy import Pool

ALL = Selector()
WEB = Selector({"role": "web"})
ROLE = Selector({}, (Requirement("role", "Exists"),))
NOT_DB = Selector({}, (Requirement("role", "NotIn", ("db",)),))
NO_ROLE = Selector({}, (Requirement("role", "DoesNotExist"),))
WEB_OR_DB = Selector({}, (Requirement("role", "In", ("web", "db")),))
WEB_SSD = Selector({"role": "web", "disk": "ssd"})


@pytest.mark.parametrize(
    ("wide", "narrow"),
    [
        (ALL, WEB),
        (WEB, WEB),
        (WEB, WEB_SSD),
        (ROLE, WEB),
        (ROLE, WEB_OR_DB),
        (WEB_OR_DB, WEB),
        (NOT_DB, WEB),
        (NOT_DB, NO_ROLE),
        (NO_ROLE, NO_ROLE),
    ],
)
def test_wide_pool_hides_a_narrow_one_behind_it(wide: Selector, narrow: Selector) -> None:
    assert hidden([Pool("wide", wide), Pool("narrow", narrow)]) == [(0, 1)]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (WEB, ALL),
        (WEB_SSD, WEB),
        (WEB, ROLE),
        (WEB, WEB_OR_DB),
        (WEB, NOT_DB),
        (NO_ROLE, NOT_DB),
        (WEB, NO_ROLE),
    ],
)
def test_narrow_pool_before_a_wide_one_is_right(first: Selector, second: Selector) -> None:
    assert hidden([Pool("first", first), Pool("second", second)]) == []


def test_pools_of_other_clusters_hide_nothing() -> None:
    east, west = Pool("east", WEB, ("east",)), Pool("west", WEB, ("west",))
    assert hidden([east, west]) == []
    assert hidden([east, Pool("everywhere", WEB)]) == []
    assert hidden([Pool("both", WEB, ("east", "west")), east]) == [(0, 1)]
