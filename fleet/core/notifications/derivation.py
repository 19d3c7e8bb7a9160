"""Derives messages from the journal: a fold over the entries of a rollout, so that whoever reads the same entries, now or
after a crash, gets the same messages with the same keys."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from fleet.core.notifications import wording
from fleet.core.notifications.message import NOTHING, DerivedMessages, Message
from fleet.core.notifications.standing_messages import STANDING_KINDS, StandingMessages
from fleet.core.notifications.wanted_approvals import APPROVAL_KINDS, WantedApprovals
from fleet.core.policy.alerting.notification import NotificationEvent
from fleet.core.policy.gate import OperatorGate
from fleet.core.records.journal import JournalEntry
from fleet.core.rollout.codec import Journaled, from_record
from fleet.core.rollout.commands import (
    GateOverruled,
    HookResolved,
    RolloutAborted,
    RolloutResumed,
    RolloutStarted,
)
from fleet.core.rollout.decisions import (
    GateFailed,
    GatePassed,
    GateReached,
    HookEnded,
    HookStarted,
    RolloutFinished,
    RolloutHalted,
    StepFinished,
)
from fleet.core.rollout.hooks.hook_state import HookResult
from fleet.core.rollout.hooks.hook_states import HookStates
from fleet.core.rollout.hooks.hook_turn import NextMove, turn_of
from fleet.core.rollout.stages.gate_state import GatePoint
from fleet.core.rollout.steps import Step, StepResult

KINDS = (
    "start",
    "step",
    "halt",
    "gates",
    "gate-passed",
    "gate-failed",
    "pass",
    "resume",
    "abort",
    "finish",
    "hook-started",
    "hook-ended",
    "hook",
    *APPROVAL_KINDS,
    *STANDING_KINDS,
)
"""The kinds of the journal's records that messages are derived from."""


class RolloutMessages:
    """The messages of one rollout. Mutable only through `take`, in the order of the journal."""

    def __init__(self, entry: JournalEntry, started: RolloutStarted) -> None:
        """Begins with the entry that starts the rollout."""
        self.facts = wording.RolloutFacts(
            id=started.rollout, start=started.start, by=entry.actor, nodes=len(started.start.goals)
        )
        self._halts = 0
        """The number of resumes after a halt: the next halt is another one."""
        self._halted = False
        self._hooks = HookStates()
        self._pools = {str(goal.node): goal.pool for goal in started.start.goals}
        self._made: set[str] = set()
        """The keys of the messages so far."""
        self._waiting: dict[str, None] = {}

    def take(self, entry: JournalEntry, record: Journaled) -> DerivedMessages:
        """Returns what this entry leads to; a message that was made before is not made again."""
        made = [message for message in self._messages(entry, record) if message.key not in self._made]
        self._made.update(message.key for message in made)
        self._waiting.update({message.key: None for message in made if message.waits})
        settled = tuple(key for key in self._settled(record) if key in self._waiting)
        for key in settled:
            del self._waiting[key]
        return DerivedMessages(tuple(made), settled) if made or settled else NOTHING

    def _messages(self, entry: JournalEntry, record: Journaled) -> Iterator[Message]:
        facts = self.facts
        match record:
            case RolloutStarted():
                yield wording.started(facts, entry, self._key(NotificationEvent.STARTED))
            case StepFinished():
                self._count(record)
            case GateFailed():
                self._halted = True
                yield wording.gate_failed(facts, entry, self._halt_key, record)
            case RolloutHalted():
                self._halted = True
                yield wording.halted(facts, entry, self._halt_key, record.why)
            case GateReached():
                for gate in record.point.gates(facts.start.policy):
                    if isinstance(gate, OperatorGate):
                        key = self._gate_key(record.point, gate.name)
                        yield wording.operator_gate(facts, entry, key, record.point, gate.name)
            case HookStarted() | HookEnded() | HookResolved():
                yield from self._hook(entry, record)
            case RolloutAborted() if not facts.ended:
                facts.ended = True
                yield wording.aborted(facts, entry, self._key(NotificationEvent.ABORTED), record.reason)
            case RolloutFinished() if not facts.ended:
                facts.ended = True
                yield wording.done(facts, entry, self._key(NotificationEvent.DONE))

    def _settled(self, record: Journaled) -> Iterator[str]:
        match record:
            case RolloutResumed():
                yield self._halt_key
                self._halts += self._halted
                self._halted = False
            case GateOverruled() | GatePassed():
                yield self._gate_key(record.point, record.gate)
            case HookResolved():
                yield self._unknown_hook_key(record)
            case RolloutAborted() | RolloutFinished():
                yield from list(self._waiting)

    def _hook(self, entry: JournalEntry, record: HookStarted | HookEnded | HookResolved) -> Iterator[Message]:
        """Yields the message that a hook has failed for good, or that nobody knows its outcome. Nodes whose hook of the same
        name fails are one message."""
        self._hooks.apply(record, entry.at)
        place = record.place
        hooks = place.hooks(self.facts.start.policy, self._pools.get(place.subject, ""))
        hook = next((each for each in hooks if each.name == record.hook), None)
        if hook is None or not isinstance(record, HookEnded) or record.result is HookResult.PASSED:
            return
        turn = turn_of(place, (hook,), self._hooks)
        if turn is not None and turn.next is NextMove.UNKNOWN:
            yield wording.hook_unknown(self.facts, entry, self._unknown_hook_key(record), record)
        elif record.result is HookResult.FAILED and (turn is None or turn.next is NextMove.FAILED):
            halts = turn is not None and not place.moment.of_node and not self.facts.ended
            subject = "" if place.moment.of_node else place.subject
            key = self._key(
                NotificationEvent.HOOK_FAILED, place.moment, subject, record.hook, str(self._halts)
            )
            yield wording.hook_failed(self.facts, entry, self._halt_key if halts else key, record, halts)
            self._halted |= halts

    def _unknown_hook_key(self, record: HookEnded | HookResolved) -> str:
        place = record.place
        return self._key(
            NotificationEvent.HOOK_FAILED,
            place.moment,
            place.subject,
            record.hook,
            "unknown",
            str(self._halts),
        )

    def _count(self, record: StepFinished) -> None:
        if record.turn is StepResult.FAILED:
            self.facts.failed[str(record.node)] = record.why or ""
        self.facts.done += record.to is Step.DONE

    @property
    def _halt_key(self) -> str:
        return self._key(NotificationEvent.HALTED, str(self._halts))

    def _gate_key(self, point: GatePoint, gate: str) -> str:
        return self._key(NotificationEvent.APPROVAL_WANTED, point.of, point.name, gate)

    def _key(self, event: NotificationEvent, *more: str) -> str:
        release = self.facts.start.release
        return "/".join([self.facts.id, release.digest or release.version, event, *more])


class JournalMessages:
    """The messages of a whole journal."""

    def __init__(self) -> None:
        self.rollouts: dict[str, RolloutMessages] = {}
        self._approvals = WantedApprovals()
        self._standing = StandingMessages()

    def take_outside(self, entry: JournalEntry, record: Journaled) -> DerivedMessages:
        """Returns what this entry leads to for plans and standing policies: all that is about no rollout."""
        first, second = self._approvals.take(entry, record), self._standing.take(entry, record)
        return DerivedMessages(first.messages + second.messages, first.settled + second.settled)

    def take(self, entry: JournalEntry) -> DerivedMessages:
        """Returns what this entry leads to. An entry of a rollout whose start was not taken in leads to nothing."""
        record = from_record(entry.record)
        if isinstance(record, RolloutStarted):
            self.rollouts.setdefault(record.rollout, RolloutMessages(entry, record))
        outside = self.take_outside(entry, record)
        rollout = self.rollouts.get(entry.record.rollout)
        found = rollout.take(entry, record) if rollout is not None else NOTHING
        return DerivedMessages(found.messages + outside.messages, found.settled + outside.settled)


def messages_of(entries: Iterable[JournalEntry]) -> DerivedMessages:
    """Returns what a journal leads to, from its first entry on."""
    journal = JournalMessages()
    found = [journal.take(entry) for entry in entries]
    return DerivedMessages(
        tuple(message for news in found for message in news.messages),
        tuple(key for news in found for key in news.settled),
    )
