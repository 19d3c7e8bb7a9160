"""Writes into the journal what operators get messages about: a standing policy that refuses or is halted, and a plan of a
policy that waits for approval."""

from __future__ import annotations

from fleet.app.planning.approvals_wanted import want_approvals
from fleet.app.planning.effects import last_known_state
from fleet.app.wiring.home import Home
from fleet.core.planning.plan import Plan
from fleet.core.rollout.codec import from_record, to_record
from fleet.core.rollout.commands import PolicyResumed
from fleet.core.rollout.record import StandingChanged
from fleet.core.standing.reason import StandingReason
from fleet.core.standing.standing_pool import StandingPool
from fleet.core.standing.state import StandingState

STUCK = (StandingState.REFUSED, StandingState.HALTED)


def note_state(home: Home, actor: str, found: StandingPool) -> None:
    """Writes that the policy of a pool refuses or is halted, and why, or that it does so no longer; nothing where the
    journal says so already. A rollout that is halted has a message of its own."""
    why = found.why
    stuck = found.state in STUCK and why is not None and why.reason is not StandingReason.HALTED
    now = StandingChanged(
        pool=found.pool,
        state=str(found.state),
        target=found.target,
        reason=str(why.reason) if stuck and why is not None else "",
        about=str(why.params.get("rollout", "")) if stuck and why is not None else "",
        message=why.message if stuck and why is not None else "",
        remedy=why.remedy if stuck and why is not None else "",
    )
    before = _last(home, found.pool)
    same = before is not None and (before.target, before.reason, before.about) == (
        now.target,
        now.reason,
        now.about,
    )
    if same or (not now.reason and (before is None or not before.reason)):
        return
    home.store.journal.append([to_record(now)], at=home.now(), actor=actor)


def _last(home: Home, pool: str) -> StandingChanged | None:
    """Returns the last record of the pool; None: there is none, or an operator has resumed the policy since."""
    last: StandingChanged | None = None
    for entry in home.store.journal.entries(kinds=("policy-state", "resume-policy")):
        record = from_record(entry.record)
        if isinstance(record, StandingChanged | PolicyResumed) and record.pool == pool:
            last = record if isinstance(record, StandingChanged) else None
    return last


def ask_approvers(home: Home, actor: str, plan: Plan) -> None:
    """Writes that the plan of a policy lacks approvals."""
    state = last_known_state(home, plan)
    if state is not None:
        want_approvals(home, actor, plan, state)
