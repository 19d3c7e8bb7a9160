"""Commands of operators about a rollout's hooks: let one pass, or run it again."""

from __future__ import annotations

from msgspec import Struct

from fleet.app.access.allowed import allowed
from fleet.app.rollouts.rollouts import Rollouts
from fleet.app.wiring.home import Home
from fleet.core.policy.access import Role
from fleet.core.records.errors import UsageError
from fleet.core.rollout.codec import to_record
from fleet.core.rollout.commands import HookResolved
from fleet.core.rollout.hooks.hook_state import HookKey, HookResult, HookState
from fleet.core.rollout.rollout import Rollout


class HookOrder(Struct, frozen=True):
    """Names what an operator wants with a hook."""

    rollout: str
    hook: str
    again: bool
    """True: run the hook again. False: let it pass."""
    node: str = ""
    """As NODE or CLUSTER/NODE. Empty: the hook of this name is not of a node, or only one node waits for it."""
    reason: str = ""


def resolve_hook(home: Home, order: HookOrder) -> tuple[Rollout, HookKey]:
    """Writes the order into the journal. Returns the rollout, and the place and name of the hook.

    Raises UsageError where nothing waits for such a hook, several things do, or it runs and is to run again; and
    NotAllowedError without the role.
    """
    caller = allowed(home, *_right(order))
    rollout = Rollouts.load(home.store).choose(order.rollout)
    key, state = _find(rollout, order)
    if order.again and state.running:
        raise UsageError(f"hook {order.hook} {key[0]} is running", "wait until it has ended")
    place = key[0]
    record = HookResolved(
        rollout=rollout.id,
        node=place.node,
        moment=place.moment,
        stage="" if place.moment.of_node else place.subject,
        hook=order.hook,
        again=order.again,
        reason=order.reason,
    )
    home.store.journal.append([to_record(record)], at=home.now(), actor=caller.actor)
    return rollout, key


def _right(order: HookOrder) -> tuple[Role, str]:
    return (Role.OPERATOR, "run hooks again") if order.again else (Role.APPROVER, "let hooks pass")


def _find(rollout: Rollout, order: HookOrder) -> tuple[HookKey, HookState]:
    waited_for = {key: state for key, state in rollout.hooks.items() if _is_waited_for(rollout, key, state)}
    named = {key: state for key, state in waited_for.items() if key[1] == order.hook}
    if order.node:
        named = {key: state for key, state in named.items() if _is_of(key, order.node)}
    if not named:
        names = ", ".join(sorted({f"{name} {place}" for place, name in waited_for})) or "none"
        of_node = f" of node {order.node}" if order.node else ""
        raise UsageError(
            f"nothing in rollout {rollout.id} waits for hook {order.hook}{of_node}", f"it waits for: {names}"
        )
    if len(named) > 1:
        places = ", ".join(sorted(str(place) for place, _ in named))
        raise UsageError(f"several hooks have the name {order.hook}: {places}", "name one with --node")
    return next(iter(named.items()))


def _is_waited_for(rollout: Rollout, key: HookKey, state: HookState) -> bool:
    ref = key[0].node
    over = state.overruled or state.result in (HookResult.PASSED, HookResult.STOPPED)
    return not over and rollout.active and (ref is None or not rollout.runs[ref].ended)


def _is_of(key: HookKey, node: str) -> bool:
    ref = key[0].node
    return ref is not None and node in (ref.name, str(ref))
