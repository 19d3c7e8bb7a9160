"""What is said where something waits: in words, with what to do, or why nobody has to do anything."""

from __future__ import annotations

import pytest

from fleet.core.records.held import ADVICE, LASTING, WITHOUT_ADVICE, WORDS, Held, Reason

BY_TIME = {
    *(Reason.WINDOW, Reason.FREEZE, Reason.STAGING, Reason.BACKOFF, Reason.TURN, Reason.NODE_ABSENT),
    *(Reason.TERMINATING, Reason.NOT_VERIFIED, Reason.CANARY, Reason.BUDGET, Reason.SNAPSHOT, Reason.LEADER),
}


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_words_and_either_advice_or_why_there_is_none(reason: Reason) -> None:
    assert WORDS[reason]
    assert (reason in ADVICE) != (reason in WITHOUT_ADVICE)
    assert ADVICE.get(reason) or WITHOUT_ADVICE[reason]


@pytest.mark.parametrize("reason", sorted(LASTING))
def test_what_lasts_says_what_to_do(reason: Reason) -> None:
    assert reason in ADVICE
    assert Held(reason, "x", {"remedy": "do this"}).remedy


def test_what_time_mends_does_not_last() -> None:
    assert not BY_TIME & LASTING
