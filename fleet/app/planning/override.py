"""Checks a second person's approval of a start in spite of a freeze."""

from __future__ import annotations

from fleet.app.planning.effects import files_of, rule_for
from fleet.app.wiring.home import Home
from fleet.core.approval.effect import effect_of
from fleet.core.approval.ledger import PlanApproval
from fleet.core.planning.plan import Plan, short_id
from fleet.core.records.errors import HeldError
from fleet.drivers.journal.approvals import ledger_of


def ensure_override_approved(home: Home, plan: Plan) -> tuple[PlanApproval, ...]:
    """Returns the approvals of a start of this plan in spite of a freeze (`fleet plan approve --override-freeze`);
    empty where the policy asks for none (`approvals.override`). Raises HeldError where too few are in force."""
    rule = rule_for(plan, home.policy())
    files = files_of(plan)
    found = ledger_of(home.store.journal).in_force(
        effect_of(plan.begin()), home.now(), rule.valid_seconds, without=(plan.maker,)
    )
    counting = tuple(each for each in found if each.override and each.files == files)
    if len(counting) < rule.override:
        raise HeldError(
            f"a start of plan {short_id(plan.plan_id)} in a freeze is not approved: "
            f"{len(counting)} of {rule.override}",
            f"a user other than {plan.maker or 'its maker'} approves it: "
            f"fleet plan approve {short_id(plan.plan_id)} --override-freeze REASON",
        )
    return counting
