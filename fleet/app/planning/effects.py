"""The effect of a plan as it was made and as it would be now, and whether it is approved."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from fleet.app.planning.standing_nodes import direct_nodes
from fleet.app.wiring.home import Home
from fleet.core.approval.difference import EffectDifference, differences
from fleet.core.approval.effect import Effect, effect_of, make_effect, rule_of, strictest
from fleet.core.approval.gate import ApprovalGate
from fleet.core.approval.ledger import PlanApproval
from fleet.core.cluster.snapshot import Snapshot
from fleet.core.objects.node import NodeRef
from fleet.core.planning.plan import Plan, short_id
from fleet.core.policy.hooks.hook import PlaybookHook
from fleet.core.policy.policy import ApprovalRule, Policy, Pool
from fleet.core.records.errors import HeldError
from fleet.core.rollout.goal import GivenApproval, Goal, Start, StartApproval
from fleet.core.rollout.rollout import Rollout
from fleet.drivers.journal.approvals import ledger_of
from fleet.store.journal import chain

SHOWN = 8
"""The most differences that a message names."""


class PlanState(Struct, frozen=True):
    """The facts that decide whether a plan may be started."""

    rule: ApprovalRule
    effect: Effect
    """The value in the plan."""
    changes: tuple[EffectDifference, ...]
    """How the plan would differ if it were made now."""
    approvals: tuple[PlanApproval, ...]
    """The approvals that count: of this effect, in force, and not by the plan's maker."""
    earlier: PlanApproval | None
    """The last approval for the same pools that does not count."""


def hash_of(effect: Effect) -> str:
    """Returns the name of an effect: `e-` and the SHA-256, in hex, of its canonical JSON (RFC 8785)."""
    return f"e-{sha256(chain.canonical(effect)).hexdigest()}"


def effect_now(plan: Plan, snapshots: Sequence[Snapshot], policy: Policy) -> Effect:
    """Returns the effect that the plan would have if it were made now, of these snapshots and this policy. Nodes of
    clusters without a snapshot, and the choice of canaries, are taken from the plan."""
    from fleet.core.planning.estimates import DurationEstimates
    from fleet.planner.request import PlanRequest

    release = policy.find_release(plan.target.version)
    planned = {goal.node: goal for goal in plan.begin().goals}
    read = {snapshot.cluster for snapshot in snapshots}
    goals = [goal for goal in planned.values() if goal.node.cluster not in read]
    request = PlanRequest(
        plan_id="",
        snapshots=snapshots,
        policy=policy,
        pools=plan.pools,
        release=release or plan.target,
        start=plan.start,
        times=DurationEstimates(),
        only=_only(plan, frozenset(planned), snapshots, policy),
    )
    goals += [_with_canary(goal, planned.get(goal.node)) for goal in request.goals()]
    return make_effect(release, policy, goals)


def _only(
    plan: Plan, planned: frozenset[NodeRef], snapshots: Sequence[Snapshot], policy: Policy
) -> frozenset[NodeRef] | None:
    """Returns the nodes that the plan may have; None: all nodes of its pools."""
    if plan.rolls_back:
        return planned
    if isinstance(plan.standing, UnsetType):
        return None
    return direct_nodes(policy, plan.standing.pool, plan.target, snapshots)


def _with_canary(goal: Goal, planned: Goal | None) -> Goal:
    return replace(goal, canary=planned is not None and planned.canary)


def rule_for(plan: Plan, policy: Policy) -> ApprovalRule:
    """Returns the strictest rule that the plan's policy and the present one have for the plan's pools."""
    return strictest((rule_of(plan.policy, plan.pools), rule_of(policy, plan.pools)))


def has_rule(plan: Plan, policy: Policy) -> bool:
    """Returns whether one of the two policies has a rule about approvals for one of the plan's pools."""
    return any(
        pool.approvals is not UNSET
        for each in (plan.policy, policy)
        for pool in each.pools
        if pool.name in plan.pools
    )


def state_of(home: Home, plan: Plan, snapshots: Sequence[Snapshot], policy: Policy) -> PlanState:
    """Returns whether the plan is approved, and would still be the same, by the journal as it is now."""
    rule = rule_for(plan, policy)
    ledger = ledger_of(home.store.journal)
    effect = effect_of(plan.begin())
    files = files_of(plan)
    found = ledger.in_force(effect, home.now(), rule.valid_seconds, without=(plan.maker,))
    counting = tuple(each for each in found if each.files == files)
    same = [each for each in ledger.approvals if each.covers["pools"].keys() == effect["pools"].keys()]
    others = [each for each in same if each not in counting]
    return PlanState(
        rule,
        effect,
        differences(effect, effect_now(plan, snapshots, policy)),
        counting,
        others[-1] if others else None,
    )


def last_known_state(home: Home, plan: Plan) -> PlanState | None:
    """Returns whether the plan is approved, and how it would differ by the policy and what is known of the clusters; None
    where the policy has no rule about approvals for its pools."""
    policy = home.policy_if_any()
    if not has_rule(plan, policy):
        return None
    known = {row.name for row in home.store.clusters.list()}
    snapshots = [home.store.inventory.snapshot(name) for name in plan.clusters if name in known]
    return state_of(home, plan, snapshots, policy)


def files_of(plan: Plan) -> Mapping[str, str]:
    """Returns the SHA-256 of each playbook that the plan's pools and their hooks name, by path; empty for a file that
    cannot be read."""
    pools = (pool for pool in plan.policy.pools if pool.name in plan.pools)
    return {path: _digest(Path(path)) for pool in pools for path in _playbooks(pool)}


def _playbooks(pool: Pool) -> list[str]:
    hooks = (*pool.hooks.before, *pool.hooks.after) if pool.hooks else ()
    return sorted(
        {*pool.playbooks.values(), *(hook.playbook for hook in hooks if isinstance(hook, PlaybookHook))}
    )


def _digest(path: Path) -> str:
    try:
        return sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


def refuse_unapproved(home: Home, plan: Plan, state: PlanState, *, override: bool = False) -> None:
    """Raises HeldError where the plan lacks approvals, or would differ now from what was approved. `override`: it is to be
    started in spite of freezes, which one approval can allow as well."""
    if not state.rule.required:
        return
    name = short_id(plan.plan_id)
    count, required = len(state.approvals), state.rule.required
    if count < required:
        raise HeldError(
            "\n  ".join(
                [f"plan {name} is not approved: {count} of {required}", *_why_not(home, plan, state)]
            ),
            f"a user other than {plan.maker or 'its maker'} approves it: fleet plan approve {name}"
            f"{' --override-freeze REASON' if override and state.rule.override else ''}",
        )
    if state.changes:
        raise HeldError(
            "\n  ".join([f"the approval of plan {name} has lapsed:", *changes(state.changes)]),
            f"a new plan, and a new approval: {plan_again(plan)}",
        )


def refuse_unapproved_rollout(home: Home, rollout: Rollout) -> None:
    """Raises HeldError for a rollout that has not begun, and lacks approvals."""
    if why := ApprovalGate(ledger_of(home.store.journal)).lacking(rollout, home.now()):
        raise HeldError(
            f"rollout {rollout.id} has not begun: {why}",
            f"another user approves it: fleet plan approve {short_id(rollout.start.plan)}",
        )


def start_of(plan: Plan, state: PlanState, begin: Start | None = None) -> Start:
    """Returns what a rollout of the plan starts with, or `begin`, with who asked for it and who approved it."""
    given = tuple(
        GivenApproval(each.by, each.at, each.plan, each.entry, each.comment, each.override)
        for each in state.approvals
    )
    found = StartApproval(plan.maker, hash_of(state.effect), state.rule.required, given)
    return replace(begin or plan.begin(), approval=found)


def changes(found: Sequence[EffectDifference]) -> list[str]:
    """Returns a line for each difference, up to SHOWN."""
    more = [f"and {len(found) - SHOWN} more"] if len(found) > SHOWN else []
    return [*map(str, found[:SHOWN]), *more]


def plan_again(plan: Plan) -> str:
    """Returns the command that makes a new plan of the same kind."""
    if plan.rolls_back:
        return f"fleet rollout rollback {plan.rolls_back} --to {plan.target.version}"
    return f"fleet plan --pool {' --pool '.join(plan.pools)} --to {plan.target.version}"


def _why_not(home: Home, plan: Plan, state: PlanState) -> Iterable[str]:
    """Yields why the last approval for these pools does not count."""
    last = state.earlier
    if last is None:
        return
    who = f"{last.by.name} approved plan {short_id(last.plan)}"
    if last.rejection is not None:
        reason = last.rejection.reason
        yield f"{who}; {last.rejection.by.name} rejected it: {reason}"
    elif last.state(home.now(), state.rule.valid_seconds) == "expired":
        yield f"{who}, which expired {last.expires(state.rule.valid_seconds):%Y-%m-%d %H:%M} UTC"
    elif last.by.name == plan.maker and last.covers == state.effect:
        yield f"{who}, and made this plan: nobody approves their own"
    elif last.covers == state.effect:
        yield f"{who}; playbooks have changed since"
    else:
        yield f"{who}, from which this plan differs:"
        yield from (f"  {each}" for each in changes(differences(last.covers, state.effect)))
