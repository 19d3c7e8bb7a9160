"""One pass of the standing policies: decides for each pool, and starts what is to be started."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from hashlib import sha256

import msgspec

from fleet.app.access.allowed import allowed
from fleet.app.planning.plan import StandingScope, make
from fleet.app.planning.standing_nodes import direct_nodes
from fleet.app.rollouts.start import StandingOrder, start
from fleet.app.standing.facts import facts_of, identity_of, standing_plans
from fleet.app.standing.notices import ask_approvers, note_state
from fleet.app.standing.outlook import chosen_pools
from fleet.app.wiring.home import Home
from fleet.app.wiring.refresh import Refresh, refresh
from fleet.core.planning.plan import Plan, short_id
from fleet.core.policy.access import Role
from fleet.core.policy.policy import Policy, Pool
from fleet.core.policy.schedule import Schedules
from fleet.core.policy.upgrades.approver import needs_users
from fleet.core.records.errors import FleetError, HeldError
from fleet.core.rollout.goal import StandingStart
from fleet.core.standing.decision import StandingDecision, decide
from fleet.core.standing.facts import StandingFacts
from fleet.core.standing.outlook import outlook_of
from fleet.core.standing.standing_pool import StandingOutcome, StandingPass
from fleet.core.standing.state import StandingState
from fleet.core.text.durations import format_duration
from fleet.store.journal import chain


def look(home: Home, name: str) -> StandingDecision:
    """Decides about one pool and does nothing, except that the journal says where the policy refuses or is halted. Raises
    as `decisions`."""
    policy = home.policy()
    (pool,) = chosen_pools(policy, [name])
    facts, decision = _decided(home, policy, pool)
    if not due(decision):
        note_state(home, identity_of(pool), outlook_of(facts, decision))
    return decision


def evaluate(home: Home, names: Sequence[str] = ()) -> StandingPass:
    """Decides about each of the pools, and starts a rollout or makes a plan where one is due. Clusters are read again
    only then. What cannot be done for one pool does not keep the others.

    Raises as `decisions`, and NotAllowedError without the role of an operator.
    """
    allowed(home, Role.OPERATOR, "start rollouts")
    policy, now = home.policy(), home.now()
    return StandingPass(now, tuple(_noted(home, policy, pool) for pool in chosen_pools(policy, names)))


def _noted(home: Home, policy: Policy, pool: Pool) -> StandingOutcome:
    outcome = _evaluate(home, policy, pool)
    note_state(home, identity_of(pool), outcome.pool)
    return outcome


class LaterError(HeldError):
    """Says that what was due is not done now, and nothing is wrong: a later pass does what is right then."""


def due(decision: StandingDecision) -> bool:
    """Returns whether there is something to do now."""
    return decision.state is StandingState.START or bool(decision.ask)


def _evaluate(home: Home, policy: Policy, pool: Pool) -> StandingOutcome:
    facts, decision = _decided(home, policy, pool)
    if not due(decision):
        return StandingOutcome(outlook_of(facts, decision))
    asked = rollout = problem = remedy = ""
    waits = False
    try:
        seen = refresh(home)
        facts, decision = _decided(home, policy, pool)
        if decision.ask:
            plan = _made(home, facts, decision.ask, seen)
            ask_approvers(home, identity_of(pool), plan)
            asked = short_id(plan.plan_id)
        if decision.state is StandingState.START:
            rollout = _started(home, facts, decision, seen)
    except FleetError as error:
        problem, remedy, waits = error.message, error.hint, isinstance(error, LaterError)
    return StandingOutcome(outlook_of(facts, decision), rollout, asked, problem, remedy, waits)


def _decided(home: Home, policy: Policy, pool: Pool) -> tuple[StandingFacts, StandingDecision]:
    (facts,) = facts_of(home, policy, [pool])
    return facts, decide(facts, home.now())


def _started(home: Home, facts: StandingFacts, decision: StandingDecision, seen: Refresh) -> str:
    """Starts a rollout to the decision's target and returns its id. Raises LaterError where that is no longer right."""
    pool, target = facts.pool, decision.target
    plan = _approved(home, pool, target) if needs_users(pool) else _made(home, facts, target, seen)
    _ensure_fits(plan, home)

    def check() -> None:
        now = _decided(home, facts.policy, pool)[1]
        if now.state is not StandingState.START or now.target != target:
            why = now.obstacle.message if now.obstacle is not None else f"the target is {now.target}"
            raise LaterError(f"pool {pool.name} no longer goes to {target}: {why}")

    order = StandingOrder(_standing(facts, decision, target), not needs_users(pool), check)
    begun = start(home, plan, lambda clusters: refresh(home, clusters).fresh, order=order)
    return begun.rollout


def _made(home: Home, facts: StandingFacts, version: str, seen: Refresh) -> Plan:
    """Makes a plan of the pool's nodes that run an older release than the version. Raises HeldError where no cluster
    answers."""
    if not seen.fresh:
        name, why = next(iter(seen.lost.items()), ("", "the fleet has none"))
        raise HeldError(f"no cluster answers: {name}: {why}", f"fleet cluster check {name}")
    release = facts.stream.find(version)
    assert release is not None
    snapshots = (*seen.fresh, *seen.old)
    nodes = direct_nodes(facts.policy, facts.pool.name, release, snapshots)
    decision = decide(facts, home.now())
    scope = StandingScope(_standing(facts, decision, version), nodes)
    return make(home, [facts.pool.name], version, snapshots, seen.lost, scope)


def _approved(home: Home, pool: Pool, version: str) -> Plan:
    """Returns the plan that users have approved. Raises HeldError where it has been replaced meanwhile."""
    approved = (plan for plan in standing_plans(home, identity_of(pool)) if plan.target.version == version)
    found = list(approved)
    if not found:
        raise HeldError(f"the approved plan of pool {pool.name} to {version} is gone", "fleet policy status")
    return found[-1]


def _ensure_fits(plan: Plan, home: Home) -> None:
    """Raises LaterError where no run of the plan would end before the windows close: its target would be settled long
    before anything begins."""
    schedules, now = Schedules(plan.policy), home.now()
    needed = timedelta(seconds=plan.run_seconds)
    places = {(goal.pool, goal.node.cluster, goal.site) for goal in plan.begin().goals}
    if places and all(schedules.of(*place).held(now, needed) is not None for place in places):
        raise LaterError(
            f"too little of the window is left: one run takes {format_duration(plan.run_seconds)}",
            "the next window is used",
        )


def _standing(facts: StandingFacts, decision: StandingDecision, version: str) -> StandingStart:
    """Returns who starts the rollout, and why the release qualifies."""
    grounds = next((each.grounds for each in decision.candidates if each.version == version), ())
    rule = chain.canonical(msgspec.to_builtins(facts.rule))
    return StandingStart(facts.pool.name, f"u-{sha256(rule).hexdigest()}", grounds)
