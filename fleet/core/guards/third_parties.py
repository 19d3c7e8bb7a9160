"""Holds a node that another party has announced to delete, or works on. Two programs that work on one node would break
each other's guarantees."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from fleet.core.records.held import Held
from fleet.core.records.reasons.reason import Reason
from fleet.core.third_parties.notice import Notice
from fleet.core.third_parties.party import Does

SHOWN = 3
"""The number of notices that one message names."""


def holding_notices(notices: Sequence[Notice], now: datetime) -> list[Notice]:
    """Returns the notices that hold the node: first those that an operator must end, then those of parties that delete
    the node."""
    valid = (notice for notice in notices if notice.holds and (notice.until is None or now < notice.until))
    return sorted(valid, key=lambda notice: (not notice.stays, notice.does is not Does.DELETES))


def held(node: str, notices: Sequence[Notice], now: datetime) -> Held | None:
    """Returns what holds a node that another party deletes or works on, or None. `notices`: all notices about the
    node."""
    holding = holding_notices(notices, now) if notices else []
    if not holding:
        return None
    first = holding[0]
    params: dict[str, str | int] = {
        "party": first.party,
        "does": str(first.does),
        "mark": first.mark,
        "told": "; ".join(dict.fromkeys(notice.summary for notice in holding[:SHOWN])),
        "advice": first.remedy,
    }
    if first.since is not None:
        params["since"] = first.since.isoformat()
    return Held(Reason.OTHERS_STAY if first.stays else Reason.OTHERS, node, params)
