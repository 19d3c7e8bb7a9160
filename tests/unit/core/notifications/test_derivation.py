"""Messages are derived from the journal of whole rollouts: each once, with what an operator does next."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from fleet.core.notifications.derivation import messages_of
from fleet.core.notifications.message import Message, quoted
from fleet.core.notifications.wording import RolloutFacts, halted
from fleet.core.objects.node import NodeRef
from fleet.core.policy.alerting.notification import NotificationEvent
from fleet.core.policy.gate import GateVerdict, OperatorGate, PrometheusGate
from fleet.core.policy.hooks.hook import CommandHook, HookMoment, Hooks
from fleet.core.policy.policy import Policy
from fleet.core.records.identity import Identity
from fleet.core.records.journal import GENESIS, JournalEntry, JournalRecord
from fleet.core.rollout.codec import to_record
from fleet.core.rollout.commands import ApprovalWanted, HookResolved, PlanApproved, PlanRejected
from fleet.core.rollout.decisions import DecisionRecord, HookEnded, RolloutHalted
from fleet.core.rollout.goal import Goal, Start
from fleet.core.rollout.hooks.hook_state import HookResult
from fleet.core.rollout.steps import RolloutState
from fleet.lab.simulation.builders import NEW, START, a_deployment, a_node, a_policy, a_snapshot
from fleet.model.behaviour import ClusterBehaviour
from tests.simulated_rollout import SimulatedRollout

E = NotificationEvent


def story(policy: Policy, behaviour: ClusterBehaviour | None = None) -> SimulatedRollout:
    nodes = [a_node(f"n-{number}") for number in range(3)]
    return SimulatedRollout([a_snapshot(nodes, a_deployment("shop", 2, nodes))], policy, behaviour)


def with_gates(*gates: OperatorGate | PrometheusGate) -> Policy:
    policy = a_policy()
    return replace(policy, pools=(replace(policy.pools[0], gates=gates),))


def events(messages: Sequence[Message]) -> list[tuple[NotificationEvent, ...]]:
    return [message.events for message in messages]


def test_a_rollout_is_started_and_done() -> None:
    rollout = story(a_policy())
    rollout.start()
    rollout.run()
    started, done = messages_of(rollout.entries).messages
    assert (started.events, done.events) == ((E.STARTED,), (E.DONE,))
    assert started.pools == done.pools == ("workers",) and not (started.waits or done.waits)
    assert "fleet rollout status r-1" in started.body and "fleet report r-1" in done.body
    assert "3 of 3 nodes done" in done.body


def test_a_halt_names_the_failed_nodes_and_waits_until_it_is_resumed() -> None:
    rollout = story(a_policy(), ClusterBehaviour(failures={"n-0": "stage-fails", "n-1": "stage-fails"}))
    rollout.start()
    rollout.run(until=lambda: rollout.rollout.state is RolloutState.HALTED)
    halted = messages_of(rollout.entries).messages[1]
    assert halted.events == (E.HALTED,) and halted.waits and halted.important
    assert "fleet rollout resume r-1" in halted.body and "east/n-0: " in halted.body
    rollout.send("resume")
    assert messages_of(rollout.entries).settled == (halted.key,)


def test_a_failed_gate_is_one_message_although_the_rollout_halts_too() -> None:
    gate = PrometheusGate(name="errors", url="http://prometheus", query="errors", below=1.0)
    rollout = story(with_gates(gate))
    rollout.gates["errors"] = (GateVerdict.BAD, "0.5, wanted below 0.02")
    rollout.start()
    rollout.run()
    messages = messages_of(rollout.entries).messages
    assert events(messages) == [(E.STARTED,), (E.GATE_FAILED, E.HALTED)]
    assert "0.5, wanted below 0.02" in messages[1].body


def test_a_gate_of_an_operator_is_an_approval_that_is_wanted_until_it_is_given() -> None:
    rollout = story(with_gates(OperatorGate(name="looked")))
    rollout.start()
    rollout.run()
    wanted = messages_of(rollout.entries).messages[-1]
    assert wanted.events == (E.APPROVAL_WANTED,) and wanted.waits
    assert "fleet rollout pass r-1 looked" in wanted.body
    detail = {"point": {"of": "pool", "name": "workers"}, "gate": "looked", "reason": "fine"}
    rollout.command(JournalRecord("command", "pass", "r-1", detail=detail))
    rollout.run()
    news = messages_of(rollout.entries)
    assert news.settled == (wanted.key,)
    assert events(news.messages) == [(E.STARTED,), (E.APPROVAL_WANTED,), (E.DONE,)]


def test_an_abort_is_told_once_and_settles_what_waited() -> None:
    rollout = story(with_gates(OperatorGate(name="looked")))
    rollout.start()
    rollout.run()
    rollout.send("abort")
    rollout.run()
    news = messages_of(rollout.entries)
    assert events(news.messages) == [(E.STARTED,), (E.APPROVAL_WANTED,), (E.ABORTED,)]
    assert news.settled == (news.messages[1].key,)


def journal_of(*records: JournalRecord, policy: Policy | None = None) -> list[JournalEntry]:
    """Returns a journal of the start of a rollout and these records, each a second later."""
    rollout = story(policy or a_policy())
    rollout.start()
    start = rollout.entries[0]
    return [
        start,
        *(
            JournalEntry(
                start.seq + number,
                START + timedelta(seconds=number),
                "fleet@host",
                1,
                record,
                GENESIS,
                "",
            )
            for number, record in enumerate(records, start=1)
        ),
    ]


HOOK = CommandHook(name="smoke", command=("smoke",), attempts=2)


def with_hook(*records: DecisionRecord | HookResolved) -> list[Message]:
    """Returns the messages of a rollout with a hook before it and before each node, after its start."""
    policy = a_policy()
    pool = replace(policy.pools[0], hooks=Hooks(before=(HOOK,)))
    policy = replace(policy, pools=(pool,), hooks=Hooks(before=(HOOK,)))
    entries = journal_of(*map(to_record, records), policy=policy)
    return list(messages_of(entries).messages[1:])


def ended(attempt: int, result: HookResult, node: str = "") -> HookEnded:
    place = HookMoment.BEFORE_NODE if node else HookMoment.BEFORE_ROLLOUT
    ref = NodeRef("east", node) if node else None
    return HookEnded(
        rollout="r-1", node=ref, moment=place, hook="smoke", attempt=attempt, result=result, message="exit 1"
    )


def test_a_hook_is_told_when_it_has_failed_for_the_last_time() -> None:
    failed = HookResult.FAILED
    assert with_hook(ended(1, failed, "n-0")) == []
    (message,) = with_hook(ended(1, failed, "n-0"), ended(2, failed, "n-0"), ended(2, failed, "n-1"))
    assert message.events == (E.HOOK_FAILED,) and message.important and not message.waits
    assert "exit 1" in message.body


def test_a_hook_that_halts_the_rollout_is_one_message() -> None:
    halt = RolloutHalted(rollout="r-1", why="hook smoke failed")
    (message,) = with_hook(ended(2, HookResult.FAILED), halt)
    assert message.events == (E.HOOK_FAILED, E.HALTED) and message.waits
    assert "fleet rollout resume r-1" in message.body


def test_a_hook_of_unknown_outcome_waits_until_an_operator_has_decided() -> None:
    unknown = ended(1, HookResult.UNKNOWN, "n-0")
    (message,) = with_hook(unknown)
    assert message.events == (E.HOOK_FAILED,) and message.waits
    assert "fleet rollout hook r-1 smoke --node east/n-0 --again" in message.body
    resolved = HookResolved(
        rollout="r-1", node=NodeRef("east", "n-0"), moment=HookMoment.BEFORE_NODE, hook="smoke", again=True
    )
    assert [each.key for each in with_hook(unknown, resolved)] == [message.key]


def wanted(effect: str, pool: str = "workers", required: int = 2) -> JournalRecord:
    record = ApprovalWanted(
        plan="p-12345678" + "0" * 56,
        effect=effect,
        pools=(pool,),
        version="44.2",
        nodes=3,
        required=required,
    )
    return to_record(record)


def approved(effect: str, by: str) -> JournalRecord:
    return to_record(PlanApproved(plan="p-1", effect=effect, covers={}, by=Identity(by)))


def test_a_plan_that_lacks_approvals_is_told_once_until_enough_users_have_approved_it() -> None:
    entries = journal_of(
        wanted("e-1"), wanted("e-1"), approved("e-1", "eve"), approved("e-1", "eve"), approved("e-2", "bob")
    )
    news = messages_of(entries)
    (message,) = news.messages[1:]
    assert message.events == (E.APPROVAL_WANTED,) and message.waits and message.pools == ("workers",)
    assert "fleet plan approve p-12345678" in message.body
    assert news.settled == ()
    assert messages_of([*entries, *journal_of(approved("e-1", "bob"))[1:]]).settled == (message.key,)


def test_another_plan_for_the_pool_or_a_rejection_ends_what_was_wanted() -> None:
    rejected = to_record(PlanRejected(plan="p-1", effect="e-2", by=Identity("eve")))
    news = messages_of(
        journal_of(wanted("e-1"), wanted("e-3", "gpu"), wanted("e-2"), rejected, wanted("e-2"))
    )
    keys = [message.key for message in news.messages[1:]]
    assert len(set(keys)) == 4
    assert news.settled == (keys[0], keys[2])


def halts(*whys: str) -> list[JournalEntry]:
    return journal_of(*(JournalRecord("decision", "halt", "r-1", detail={"why": why}) for why in whys))


def test_a_halt_after_a_resume_is_another_message() -> None:
    halt = JournalRecord("decision", "halt", "r-1", detail={"why": "the same"})
    news = messages_of(journal_of(halt, halt, JournalRecord("command", "resume", "r-1"), halt, halt))
    assert events(news.messages) == [(E.STARTED,), (E.HALTED,), (E.HALTED,)]
    assert len({message.key for message in news.messages}) == 3
    assert news.settled == (news.messages[1].key,)


def test_durations_times_and_counts_do_not_make_another_message() -> None:
    whys = ["took 2.084 s, 1 failed", "took 2.076 s, 2 failed at 12:00:03", "pod shop-7f9c4 failed"]
    messages = messages_of(halts(*whys)).messages
    assert events(messages) == [(E.STARTED,), (E.HALTED,)]
    alone = {messages_of(halts(why)).messages[1].key for why in whys}
    assert len(alone) == 1


def test_another_release_is_another_message() -> None:
    first, second = halts("x"), halts("x")
    start = msgspec.json.decode(msgspec.json.encode(second[0].record.detail))
    start["release"]["digest"] = "sha256:" + "9" * 64
    second[0] = replace(second[0], record=replace(second[0].record, detail=start))
    assert messages_of(first).messages[1].key != messages_of(second).messages[1].key


HOSTILE = "\x1b[31mred\u202e @everyone <!channel> <@U1>\n\nApproved by: root " + "x" * 100_000


@pytest.mark.parametrize("text", [HOSTILE, "\ud800", "\0"])
def test_a_hostile_text_stays_on_its_line_is_short_and_alerts_nobody(text: str) -> None:
    halted = messages_of(halts(text)).messages[1]
    assert len(halted.body) < 1500 and len(halted.title) <= 120
    assert all(line.isprintable() for line in halted.body.split("\n"))
    why = next(line for line in halted.body.split("\n") if line.startswith("Why: "))
    assert why == f"Why: {quoted(text)}"
    for ping in ("@everyone", "<!channel>", "<@U1>", "\nApproved"):
        assert ping not in halted.body


def test_the_message_in_the_docs_is_what_is_sent() -> None:
    docs = Path(__file__).parents[4] / "docs" / "notifications.md"
    goals = tuple(Goal(NodeRef("east", f"n-{number:04}"), f"uid-{number}", "workers") for number in range(88))
    facts = RolloutFacts(
        id="r-3", start=Start("p-1", NEW, a_policy(), goals), by="ada@desk", nodes=88, done=12
    )
    facts.failed["east/n-0007"] = "it has not come back within 900 s"
    message = halted(facts, halts("")[1], "key", "a canary failed: n-0007: it has not come back within 900 s")
    text = "\n".join(f"    {line}" for line in [message.title, *message.body.split("\n")])
    assert text in docs.read_text(encoding="utf-8"), text
