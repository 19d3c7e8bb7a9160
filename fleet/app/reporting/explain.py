"""Explains a node: why it waits, what must happen first, and what rollouts have done on the node."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from difflib import get_close_matches

from msgspec import Struct, field
from msgspec.structs import replace

from fleet.app.reporting.status import fleet_status
from fleet.app.rollouts.follow import node_timeline
from fleet.app.rollouts.rollouts import Rollouts
from fleet.app.wiring.home import Home
from fleet.core.objects.node import NodeRef
from fleet.core.records.errors import UsageError
from fleet.core.records.held import Held
from fleet.core.reporting.node_state import RolloutPart, StatusNode, needs_action_first, parts_of
from fleet.core.reporting.node_timeline import Eviction, NodeTimeline, OperatorCommand, StepTaken
from fleet.core.reporting.standstill import Standstill
from fleet.core.rollout.rollout import Rollout
from fleet.core.rollout.run import Run
from fleet.core.rollout.steps import Step
from fleet.core.text.counts import counted
from fleet.core.text.durations import format_duration
from fleet.core.third_parties.notice import of_node

Why = Callable[[Home, NodeRef], tuple[Held, ...]]
"""A function that returns everything that holds the node's next step, or its first step in a rollout that would begin
now."""


class NodeEvent(Struct, frozen=True):
    at: datetime
    rollout: str
    what: str
    """A step, `evict`, `retry`, a user's command, or how the run ended."""
    message: str = field(name="words", default="")


class Explanation(Struct, frozen=True):
    status: StatusNode
    now: datetime
    held: tuple[Held, ...] = ()
    """The reasons that hold the node; those that an operator must act on come first. For a node in no rollout: the
    reasons that would hold it now."""
    held_since: dict[str, datetime] = {}
    """Since when each reason has held the node, where that is known."""
    since: datetime | None = None
    """When the step began, or when the node entered its state."""
    slot: bool = False
    """True if its failed run keeps its slot until an operator releases the node."""
    unknown: str = ""
    """Why the node's state is not known for certain."""
    may_be_deleted: tuple[str, ...] = ()
    """Other parties that may delete the node and do not do so yet: the node is a canary only where no other node can
    be one."""
    history: tuple[NodeEvent, ...] = ()
    """Events of all rollouts, oldest first."""
    gone: str = ""
    """How the node's last run ended, where no cluster has the node any more; empty: the node exists."""
    standstill: Standstill | None = None
    """Set where no controller carries out the node's rollout: what was seen and held then dates from when one did."""


def explain(home: Home, name: str, why: Why) -> Explanation:
    """Explains one node: its state, what holds it, and what rollouts did to it. Raises UsageError where no node, or
    more than one, has that name."""
    rollouts = Rollouts.load(home.store)
    fleet = fleet_status(home, rollouts=rollouts.all)
    if (left := _gone(home, rollouts, fleet.nodes, name)) is not None:
        return left
    status = find(fleet.nodes, name)
    ref = NodeRef(status.cluster, status.name)
    store = home.store
    waiting = store.held.of_node(str(ref))
    board = {node.rollout: node for node in waiting}
    pasts = _pasts(home, rollouts, ref)
    part = parts_of(rollouts.all, {}).get(ref)
    now_held = board.get(status.rollout)
    wanted = status.state not in ("patched", "orphan", "unknown", "failed")
    reported = now_held.held if now_held is not None else ()
    held = _together(reported, why(home, ref)) if wanted else reported
    cluster = next(row for row in home.clusters() if row.name == ref.cluster)
    result = explanation(
        status,
        home.now(),
        part,
        held,
        {now_held.held[0].reason: now_held.since} if now_held is not None else {},
        pasts,
        f"{cluster.name} is unreachable: {cluster.last_error}" if cluster.last_error else "",
        _may_be_deleted(home, ref),
    )
    stands = fleet.standstill
    mine = stands is not None and status.rollout in stands.rollouts
    return replace(result, standstill=stands) if mine else result


def _together(reported: Sequence[Held], found: Sequence[Held]) -> tuple[Held, ...]:
    """Returns the controller's reasons first, as every other view shows them, and then those that were found in
    addition. A reason that needed an operator and is no longer found counts as fixed."""
    if not found:
        return tuple(reported)
    known = {(held.reason, held.subject) for held in reported}
    fixed = {(held.reason, held.subject) for held in reported if held.needs_action} - {
        (held.reason, held.subject) for held in found
    }
    return (
        *(held for held in reported if (held.reason, held.subject) not in fixed),
        *(held for held in found if (held.reason, held.subject) not in known),
    )


def _gone(home: Home, rollouts: Rollouts, nodes: Sequence[StatusNode], name: str) -> Explanation | None:
    """Explains a node that rollouts worked on and that no cluster has any more. Returns None for any other name."""
    if any(name in (node.name, f"{node.cluster}/{node.name}") for node in nodes):
        return None
    runs = [run for rollout in rollouts.all for run in rollout.runs.values()]
    last = {run.node: run for run in runs if name in (run.node.name, str(run.node))}
    if len(last) != 1:
        return None
    ((ref, run),) = last.items()
    status = StatusNode(
        cluster=ref.cluster,
        site=run.goal.site,
        zone=run.goal.zone,
        pool=run.goal.pool,
        name=ref.name,
        os="",
        version="",
        kernel="",
        booted="",
        staged="",
        target="",
        state="unknown",
    )
    pasts = _pasts(home, rollouts, ref)
    found = explanation(status, home.now(), None, pasts=pasts)
    ended = f"{run.step}{f': {run.why}' if run.why else ''}"
    return replace(found, gone=f"its run in {pasts[-1][0].id} is {ended}")


def _may_be_deleted(home: Home, ref: NodeRef) -> tuple[str, ...]:
    rows = (row.node for row in home.store.inventory.nodes(cluster=ref.cluster) if row.name == ref.name)
    return tuple(
        notice.summary for node in rows if node is not None for notice in of_node(node) if not notice.holds
    )


def find(nodes: Sequence[StatusNode], name: str) -> StatusNode:
    """Returns the node named NODE, where that is unique, or CLUSTER/NODE. Raises UsageError."""
    found = [node for node in nodes if name in (node.name, f"{node.cluster}/{node.name}")]
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(f"{node.cluster}/{node.name}" for node in found)
        raise UsageError(f"{name} is ambiguous: {names}", "name the cluster too: CLUSTER/NODE")
    near = get_close_matches(name.rpartition("/")[2], {node.name for node in nodes}, 1)
    raise UsageError(
        f"the inventory has no node {name}",
        f"did you mean {near[0]}?" if near else "fleet sync reads the clusters",
    )


def explanation(
    status: StatusNode,
    now: datetime,
    part: RolloutPart | None,
    held: Sequence[Held] = (),
    held_since: Mapping[str, datetime] | None = None,
    pasts: Iterable[tuple[Rollout, NodeTimeline]] = (),
    unknown: str = "",
    may_be_deleted: tuple[str, ...] = (),
) -> Explanation:
    """Builds the explanation. `held` has the results of the guards, or the reasons that the controller stored;
    `pasts` has the node's rollouts, with what each has done on the node."""
    ref = NodeRef(status.cluster, status.name)
    run = part.run if part is not None and status.rollout else None
    history = [event for rollout, past in pasts for event in happenings(rollout, ref, past)]
    return Explanation(
        status=status,
        now=now,
        held=needs_action_first(held),
        held_since=dict(held_since or {}),
        since=run.since if run is not None else status.since,
        slot=run is not None and run.step is Step.FAILED and run.slot,
        unknown=unknown,
        may_be_deleted=may_be_deleted,
        history=tuple(sorted(history, key=lambda event: event.at)),
    )


def _pasts(home: Home, rollouts: Rollouts, ref: NodeRef) -> list[tuple[Rollout, NodeTimeline]]:
    found = [rollout for rollout in rollouts.all if ref in rollout.runs]
    return [(rollout, node_timeline(home, rollout, ref)) for rollout in found]


def happenings(rollout: Rollout, ref: NodeRef, past: NodeTimeline) -> Iterator[NodeEvent]:
    """Yields what one rollout did to the node."""
    start = rollout.start
    freezes = f", freezes ignored: {rollout.override_freeze}" if rollout.override_freeze else ""
    yield NodeEvent(
        rollout.started_at,
        rollout.id,
        "start",
        f"by {rollout.by}: plan {start.plan} to {start.release.version}{freezes}",
    )
    for step in past.steps:
        if step.step != Step.PENDING:
            yield NodeEvent(step.start, rollout.id, step.step, _step(step))
    for eviction in past.evictions.values():
        yield NodeEvent(eviction.asked_at, rollout.id, "evict", _eviction(eviction))
    for retry in past.retries:
        yield NodeEvent(retry.at, rollout.id, "retry", retry.why)
    for change in past.changes:
        yield NodeEvent(change.at, rollout.id, change.kind, change.why)
    for command in past.commands:
        yield NodeEvent(command.at, rollout.id, command.kind, _command(command))
    run = rollout.runs[ref]
    if run.ended and run.since is not None:
        yield NodeEvent(run.since, rollout.id, str(run.step), _ending(run))


def _command(command: OperatorCommand) -> str:
    return f"by {command.by}" + (f": {command.reason}" if command.reason else "")


def _step(step: StepTaken) -> str:
    if step.seconds is None:
        return "now"
    ended = "" if step.turn in ("done", "begin") else f", {step.turn}"
    return f"{format_duration(step.seconds)}{ended}"


def _eviction(eviction: Eviction) -> str:
    text = f"{eviction.pod}: {eviction.result or 'no answer yet'}"
    if (
        eviction.answered_at is not None
        and (seconds := (eviction.answered_at - eviction.asked_at).total_seconds()) >= 1
    ):
        text += f" after {format_duration(seconds)}"
    if eviction.refusals:
        text += f", refused {counted(eviction.refusals, 'time')}"
    return f"{text} ({eviction.detail})" if eviction.detail and eviction.result != "done" else text


def _ending(run: Run) -> str:
    if run.step is Step.DONE and run.proof:
        text = f"proven: {run.proof.get('version', '?')}, kernel {run.proof.get('kernel', '?')}"
        before, after = (run.proof.get(f"boot_id_{when}", "?")[:13] for when in ("before", "after"))
        return f"{text}, boot id {before} -> {after}"
    return run.why
