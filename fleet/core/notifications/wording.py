"""The texts of messages: a short title; then what happened, why, and what an operator does next."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct, field

from fleet.core.notifications.message import TITLE, Message, quoted
from fleet.core.planning.plan import short_id
from fleet.core.policy.alerting.notification import NotificationEvent
from fleet.core.records.journal import JournalEntry
from fleet.core.rollout.commands import ApprovalWanted
from fleet.core.rollout.decisions import GateFailed, HookEnded
from fleet.core.rollout.goal import Start
from fleet.core.rollout.record import StandingChanged
from fleet.core.rollout.stages.gate_state import GatePoint
from fleet.core.text.counts import counted

NAMED = 3
"""The number of failed nodes that a message names."""


class RolloutFacts(Struct, kw_only=True):
    """Holds what the messages about a rollout say of it."""

    id: str
    start: Start
    by: str
    nodes: int
    done: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    """Failed nodes, as `cluster/name`, with the reasons."""
    ended: bool = False
    """Whether the rollout was aborted or has finished."""

    @property
    def pools(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(goal.pool for goal in self.start.goals))

    @property
    def what(self) -> str:
        """Returns what the rollout does, in a few words."""
        names = self.pools
        pools = ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")
        return f"{quoted(pools, 60)} to {quoted(self.start.release.version, 40)}"

    @property
    def progress(self) -> str:
        failed = f", {len(self.failed)} failed" if self.failed else ""
        return f"{self.done:,} of {counted(self.nodes, 'node')} done{failed}."


def started(facts: RolloutFacts, entry: JournalEntry, key: str) -> Message:
    """Returns the message that a rollout has begun."""
    reason = facts.start.override_freeze
    override = [f"It ignores freezes: {quoted(reason)}"] if reason else []
    lines = [f"{quoted(facts.by)} started it: {counted(facts.nodes, 'node')}.", *override]
    return _message(
        facts,
        entry,
        key,
        [NotificationEvent.STARTED],
        f"Rollout {facts.id} started: {facts.what}",
        lines,
        [f"fleet rollout status {facts.id}"],
    )


def halted(facts: RolloutFacts, entry: JournalEntry, key: str, why: str) -> Message:
    """Returns the message that a rollout is halted and waits for an operator."""
    return _message(
        facts,
        entry,
        key,
        [NotificationEvent.HALTED],
        f"Rollout {facts.id} is halted: {facts.what}",
        [f"Why: {quoted(why)}", *_failed(facts), facts.progress, "No further node begins."],
        _decide(facts),
        waits=True,
    )


def gate_failed(facts: RolloutFacts, entry: JournalEntry, key: str, record: GateFailed) -> Message:
    """Returns the message that a gate has failed, which halts the rollout."""
    return _message(
        facts,
        entry,
        key,
        [NotificationEvent.GATE_FAILED, NotificationEvent.HALTED],
        f"Gate {quoted(record.gate, 40)} failed, rollout {facts.id} is halted: {facts.what}",
        [
            f"The gate is behind {quoted(str(record.point), 120)}.",
            f"Why: {quoted(record.why)}",
            facts.progress,
            "No further node begins. After a resume the gate is asked again.",
        ],
        _decide(facts),
        waits=True,
    )


def operator_gate(facts: RolloutFacts, entry: JournalEntry, key: str, point: GatePoint, gate: str) -> Message:
    """Returns the message that a rollout waits at a gate until an operator lets it pass."""
    return _message(
        facts,
        entry,
        key,
        [NotificationEvent.APPROVAL_WANTED],
        f"Rollout {facts.id} waits for an operator at gate {quoted(gate, 40)}: {facts.what}",
        [f"The gate is behind {quoted(str(point), 120)}.", facts.progress],
        [
            f"fleet rollout status {facts.id}",
            f'fleet rollout pass {facts.id} {quoted(gate, 100)} --reason "..."',
            f"fleet rollout abort {facts.id}",
        ],
        waits=True,
    )


def hook_failed(
    facts: RolloutFacts, entry: JournalEntry, key: str, record: HookEnded, halts: bool
) -> Message:
    """Returns the message that a hook has failed for the last time. `halts`: which halts the rollout."""
    after = f", rollout {facts.id} is halted" if halts else f" in rollout {facts.id}"
    return _message(
        facts,
        entry,
        key,
        [NotificationEvent.HOOK_FAILED, *([NotificationEvent.HALTED] if halts else [])],
        f"Hook {quoted(record.hook, 40)} failed{after}: {facts.what}",
        [f"It ran {quoted(str(record.place), 120)}.", f"Why: {quoted(record.message)}", facts.progress],
        _decide(facts) if halts else [f"fleet rollout status {facts.id}"],
        waits=halts,
    )


def hook_unknown(facts: RolloutFacts, entry: JournalEntry, key: str, record: HookEnded) -> Message:
    """Returns the message that nobody knows whether a hook has done its work, and that an operator has to find out."""
    node = f" --node {quoted(str(record.node), 120)}" if record.node is not None else ""
    hook = f"fleet rollout hook {facts.id} {quoted(record.hook, 100)}{node}"
    return _message(
        facts,
        entry,
        key,
        [NotificationEvent.HOOK_FAILED],
        f"Nobody knows the outcome of hook {quoted(record.hook, 40)} in rollout {facts.id}: {facts.what}",
        [
            f"It ran {quoted(str(record.place), 120)}.",
            f"Why: {quoted(record.message)}",
            "Find out whether it has done its work.",
        ],
        [f"{hook} --pass", f"{hook} --again"],
        waits=True,
    )


def approval_wanted(entry: JournalEntry, key: str, record: ApprovalWanted) -> Message:
    """Returns the message that a plan lacks approvals."""
    plan = short_id(record.plan)
    names = ", ".join(record.pools[:NAMED])
    return Message(
        key=key,
        seq=entry.seq,
        at=entry.at,
        events=(NotificationEvent.APPROVAL_WANTED,),
        pools=record.pools,
        title=quoted(f"Plan {plan} waits for approval: {names} to {record.version}", TITLE),
        body="\n".join(
            [
                f"{quoted(entry.actor)} wants to start it: {counted(record.nodes, 'node')}, "
                f"{counted(record.required, 'approval')} needed.",
                "Next:",
                f"  fleet plan show {plan}",
                f"  fleet plan approve {plan}",
            ]
        ),
        waits=True,
    )


def refused(entry: JournalEntry, key: str, record: StandingChanged) -> Message:
    """Returns the message that a standing policy starts nothing until an operator acts."""
    pool, target = quoted(record.pool, 60), quoted(record.target, 40)
    halted = record.state == "halted"
    return Message(
        key=key,
        seq=entry.seq,
        at=entry.at,
        events=(NotificationEvent.REFUSED,),
        pools=(record.pool,),
        title=quoted(
            f"The standing policy of pool {pool} {'is halted' if halted else 'starts nothing'}", TITLE
        ),
        body="\n".join(
            [
                f"Why: {f'{target}: ' if target else ''}{quoted(record.message)}",
                *([f"What helps: {quoted(record.remedy)}"] if record.remedy else []),
                "Next:",
                f"  fleet policy status {pool}",
            ]
        ),
        waits=True,
    )


def aborted(facts: RolloutFacts, entry: JournalEntry, key: str, reason: str) -> Message:
    """Returns the message that an operator has aborted a rollout."""
    why = [f"Why: {quoted(reason)}"] if reason else []
    return _message(
        facts,
        entry,
        key,
        [NotificationEvent.ABORTED],
        f"Rollout {facts.id} is aborted: {facts.what}",
        [
            f"{quoted(entry.actor)} aborted it.",
            *why,
            facts.progress,
            "What has begun is given back or ended.",
        ],
        [f"fleet rollout status {facts.id}"],
    )


def done(facts: RolloutFacts, entry: JournalEntry, key: str) -> Message:
    """Returns the message that nothing is left to do in a rollout."""
    result = f"done with {counted(len(facts.failed), 'failed node')}" if facts.failed else "done"
    return _message(
        facts,
        entry,
        key,
        [NotificationEvent.DONE],
        f"Rollout {facts.id} is {result}: {facts.what}",
        [facts.progress, *_failed(facts)],
        [f"fleet report {facts.id}"],
    )


def _message(
    facts: RolloutFacts,
    entry: JournalEntry,
    key: str,
    events: Sequence[NotificationEvent],
    title: str,
    lines: Sequence[str],
    commands: Sequence[str],
    waits: bool = False,
) -> Message:
    return Message(
        key=key,
        seq=entry.seq,
        at=entry.at,
        events=tuple(events),
        rollout=facts.id,
        pools=facts.pools,
        title=quoted(title, TITLE),
        body="\n".join([*lines, "Next:", *(f"  {command}" for command in commands)]),
        waits=waits,
    )


def _failed(facts: RolloutFacts) -> list[str]:
    """Returns a line for each of the first failed nodes."""
    lines = [
        f"{quoted(node, 120)}: {quoted(why) or 'failed'}" for node, why in list(facts.failed.items())[:NAMED]
    ]
    more = len(facts.failed) - NAMED
    return [*lines, *([f"and {counted(more, 'more node')}"] if more > 0 else [])]


def _decide(facts: RolloutFacts) -> list[str]:
    return [
        f"fleet rollout status {facts.id}",
        f"fleet rollout resume {facts.id}",
        f"fleet rollout abort {facts.id}",
    ]
