"""Commands of operators to a rollout: pause, resume, abort, release. Each is a record in the journal."""

from __future__ import annotations

from fleet.app.access.allowed import allowed
from fleet.app.planning.effects import refuse_unapproved_rollout
from fleet.app.rollouts.rollouts import Rollouts
from fleet.app.wiring.home import Home
from fleet.core.guards import gates
from fleet.core.objects.node import NodeRef
from fleet.core.policy.access import Role
from fleet.core.records.errors import UsageError
from fleet.core.rollout.codec import to_record
from fleet.core.rollout.commands import ORDERS, GateOverruled, NodeReleased
from fleet.core.rollout.rollout import Rollout
from fleet.core.rollout.stages.gate_state import GatePoint
from fleet.core.rollout.steps import RolloutState, Step


def send_command(home: Home, kind: str, ident: str = "", reason: str = "", object_uid: str = "") -> Rollout:
    """Writes pause, resume or abort into the journal as a command, with the reason. `object_uid`: of the object of the API
    by which it is given.

    Raises UsageError where the command is not possible in the rollout's state, NotAllowedError without the role, and
    HeldError for a resume of a rollout that has not begun and is not approved.
    """
    caller = allowed(home, Role.OPERATOR, f"{kind} rollouts")
    rollout = Rollouts.load(home.store).choose(ident)
    validate_command(rollout, kind)
    if kind == "resume":
        refuse_unapproved_rollout(home, rollout)
    record = to_record(ORDERS[kind](rollout=rollout.id, reason=reason, object_uid=object_uid))
    home.store.journal.append([record], at=home.now(), actor=caller.actor)
    return rollout


def validate_command(rollout: Rollout, kind: str) -> None:
    """Raises UsageError for a command that is not possible in the rollout's state, before anything is written."""
    if not rollout.active:
        raise UsageError(f"rollout {rollout.id} has ended: {rollout.state}", "fleet rollout list")
    if rollout.state is RolloutState.ABORTED:
        raise UsageError(
            f"rollout {rollout.id} was aborted by {rollout.state_by}: what has begun is finished, and it cannot be resumed",
            "make a new plan for the rest",
        )
    if kind == "resume" and rollout.state is RolloutState.RUNNING:
        raise UsageError(f"rollout {rollout.id} is running")
    if kind == "pause" and rollout.state is RolloutState.PAUSED:
        raise UsageError(f"rollout {rollout.id} is paused already, by {rollout.state_by}")
    if kind == "pause" and rollout.state is RolloutState.HALTED:
        raise UsageError(
            f"rollout {rollout.id} is halted: {rollout.why}", f"fleet rollout resume {rollout.id}"
        )


def what_follows(rollout: Rollout) -> tuple[str, ...]:
    """Returns what a rollout does after a user's `resume` or `release`, or the command that it still needs. Empty
    where the rollout simply goes on."""
    if not rollout.active or rollout.state is RolloutState.ABORTED:
        return ()
    kept = [
        ref for ref in rollout.canaries if rollout.runs[ref].step is Step.FAILED and rollout.runs[ref].slot
    ]
    notes = [
        f"The rest waits: canary {ref} failed and has not been released.\n  -> fleet rollout release {ref}"
        for ref in kept
    ]
    if rollout.state in (RolloutState.HALTED, RolloutState.PAUSED):
        notes.append(f"  -> fleet rollout resume {rollout.id} continues with the other nodes")
    if not kept and any(
        gates.missing_canaries(rollout, pool) and rollout.open_in[pool] for pool in rollout.required
    ):
        notes.insert(0, "The next best node that can be upgraded becomes the canary.")
    return tuple(notes)


def pass_gate(home: Home, ident: str, gate: str, reason: str) -> tuple[Rollout, tuple[GatePoint, ...]]:
    """Lets the gate of this name pass at every point that the rollout has reached. Returns the rollout and the points.

    Raises UsageError where no such gate is open, and NotAllowedError without the role.
    """
    caller = allowed(home, Role.APPROVER, "let gates pass")
    rollout = Rollouts.load(home.store).choose(ident)
    open_gates = {key: state for key, state in rollout.gates.items() if state.open}
    points = tuple(point for point, name in open_gates if name == gate)
    if not points:
        names = ", ".join(sorted({name for _, name in open_gates}))
        failed = any(name == gate and state.failed for (_, name), state in rollout.gates.items())
        raise UsageError(
            f"rollout {rollout.id} does not wait for gate {gate}",
            f"the gate has failed: fleet rollout resume {rollout.id} asks it anew"
            if failed
            else f"it waits for: {names or 'none'}",
        )
    records = [
        to_record(GateOverruled(rollout=rollout.id, point=point, gate=gate, reason=reason))
        for point in points
    ]
    home.store.journal.append(records, at=home.now(), actor=caller.actor)
    return rollout, points


def release(home: Home, name: str, reason: str = "") -> tuple[Rollout, NodeRef]:
    """Releases a failed node that an operator has checked: its slot becomes free, fleet's marks on the node are
    removed, and a release that the node rolled back from may be tried there again."""
    caller = allowed(home, Role.OPERATOR, "release nodes")
    rollout, run = Rollouts.load(home.store).failed_run(name)
    record = to_record(NodeReleased(rollout=rollout.id, node=run.node, reason=reason))
    home.store.journal.append([record], at=home.now(), actor=caller.actor)
    return rollout, run.node
