"""Whatever the journal gets, whenever a controller ends or is killed, and whatever the receiver answers: a receiver gets at
most one message a key, apart from reminders and from one repetition that says so."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from fleet.core.notifications.delivery import Delivery, DeliveryState, MessageText
from fleet.core.notifications.derivation import messages_of
from fleet.core.objects.node import NodeRef
from fleet.core.policy.alerting.notification import Notification
from fleet.core.policy.gate import OperatorGate
from fleet.core.records.journal import GENESIS, JournalEntry, JournalRecord
from fleet.core.rollout.goal import Goal, Start
from fleet.drivers.alerting.notifier import Notifier
from fleet.lab.simulation.builders import NEW, START, a_policy

POINT = {"of": "pool", "name": "workers"}
POOL = replace(a_policy().pools[0], gates=(OperatorGate(name="looked"),))
GOAL = Goal(NodeRef("east", "n-0"), "uid-0", "workers")
BEGIN = msgspec.to_builtins(Start("p-1", NEW, replace(a_policy(), pools=(POOL,)), (GOAL,)))

whys = st.sampled_from(["2.084 s", "2.076 s", "pod shop-7f9c4", "12:00:03"])
records = st.one_of(
    st.builds(lambda why: JournalRecord("decision", "halt", "r-1", detail={"why": why}), whys),
    st.builds(
        lambda why: JournalRecord(
            "decision", "gate-failed", "r-1", detail={"point": POINT, "gate": "looked", "why": why}
        ),
        whys,
    ),
    st.sampled_from(
        [
            JournalRecord("command", "start", "r-1", detail=BEGIN),
            JournalRecord("command", "resume", "r-1"),
            JournalRecord("command", "abort", "r-1"),
            JournalRecord("decision", "finish", "r-1"),
            JournalRecord("decision", "gates", "r-1", detail={"point": POINT}),
            JournalRecord("command", "pass", "r-1", detail={"point": POINT, "gate": "looked"}),
            JournalRecord("command", "start", "r-2", detail=BEGIN),
            JournalRecord("decision", "halt", "r-2", detail={"why": "x"}),
        ]
    ),
)
T = TypeVar("T")
happenings = st.lists(
    st.one_of(records, st.sampled_from(["look", "restart", "kill", "refuse", "accept", "later"])), max_size=30
)


def one_start(happened: Sequence[T]) -> list[T]:
    """Returns what happens with one start a rollout: no other one ever has the same id."""
    kept: list[T] = []
    for happening in happened:
        again = isinstance(happening, JournalRecord) and happening.kind == "start" and happening in kept
        kept += [] if again else [happening]
    return kept


class MemoryJournal:
    def __init__(self) -> None:
        self.list: list[JournalEntry] = []

    def write(self, record: JournalRecord, at: datetime) -> None:
        self.list.append(JournalEntry(len(self.list) + 1, at, "ada@desk", 0, record, GENESIS, ""))

    def entries(
        self, *, rollout: str | None = None, kinds: Collection[str] = (), after: int = 0
    ) -> Sequence[JournalEntry]:
        return [
            entry
            for entry in self.list
            if entry.seq > after
            and (rollout is None or entry.record.rollout == rollout)
            and (not kinds or entry.record.kind in kinds)
        ]

    def place(self) -> str:
        return f"{len(self.list)}:x" if self.list else ""


class MemoryMessages:
    """What the database does, without one (tests/store/test_messages.py)."""

    def __init__(self) -> None:
        self.rows: dict[str, Delivery] = {}
        self.seq = 0

    def read_until(self) -> int:
        return self.seq

    def take_in(
        self, seq: int, made: Sequence[Delivery], settled: Collection[str], *, epoch: int
    ) -> list[Delivery]:
        for delivery in made:
            self.rows.setdefault(delivery.key, delivery)
        for key in settled:
            if key in self.rows:
                row = replace(self.rows[key], waits=False)
                queued = row.state is DeliveryState.QUEUED
                self.rows[key] = replace(row, state=DeliveryState.SETTLED) if queued else row
        self.seq = seq
        return []

    def put(self, delivery: Delivery, *, epoch: int) -> bool:
        before = self.rows[delivery.key]
        if before.state is DeliveryState.SETTLED:
            return False
        self.rows[delivery.key] = replace(delivery, waits=before.waits)
        return True

    def open(self) -> list[Delivery]:
        active = (DeliveryState.QUEUED, DeliveryState.SENDING)
        return [row for row in self.rows.values() if row.state in active or row.waits]

    def forget(self, before: datetime, *, epoch: int) -> int:
        return 0


class World:
    def __init__(self) -> None:
        self.journal = MemoryJournal()
        self.messages = MemoryMessages()
        self.at = START
        self.accepts = True
        self.killed = False
        self.got: list[MessageText] = []
        self.notifier = self.started()

    def now(self) -> datetime:
        return self.at

    async def sleep(self, seconds: float) -> None:
        raise AssertionError("nothing waits by this clock")

    def started(self) -> Notifier:
        receivers = [Notification(name="chat", url_env="FLEET_X", remind_seconds=86400 * 30)]
        return Notifier(self.journal, self.messages, lambda: receivers, self.send, self, epoch=0)  # type: ignore[arg-type]

    async def send(self, receiver: Notification, text: MessageText) -> str:
        if self.accepts or self.killed:
            self.got.append(text)
        if self.killed:
            await asyncio.Event().wait()
        return "" if self.accepts else "refused with status 429"

    async def happen(self, happening: JournalRecord | str) -> None:
        match happening:
            case JournalRecord():
                self.journal.write(happening, self.at)
            case "look":
                await self.notifier.finish()
            case "restart":
                await self.notifier.close()
                self.notifier = self.started()
            case "kill":
                self.killed = True
                self.notifier.look()
                await asyncio.sleep(0)
                await asyncio.sleep(0)
                await self.notifier.close()
                self.killed = False
                self.notifier = self.started()
            case "later":
                self.at += timedelta(minutes=20)
            case _:
                self.accepts = happening == "accept"


async def lived(happened: Sequence[JournalRecord | str]) -> World:
    world = World()
    for happening in one_start(happened):
        await world.happen(happening)
    for happening in ("accept", "later", "look", "later", "look", "restart", "look"):
        await world.happen(happening)
    return world


@settings(max_examples=150, deadline=None)
@given(happenings)
def test_a_receiver_gets_at_most_one_message_a_key(happened: Sequence[JournalRecord | str]) -> None:
    world = asyncio.run(lived(happened))
    derived = {message.key: message for message in messages_of(world.journal.list).messages}
    assert set(world.messages.rows) == set(derived)
    texts = Counter(text.body for text in world.got)
    plain = Counter(row.body for row in world.messages.rows.values())
    for body, count in texts.items():
        if "may have this message already" not in body:
            assert count <= plain[body]
    repeated = [text for text in world.got if "may have this message already" in text.body]
    assert len(repeated) <= happened.count("kill")
    active = (DeliveryState.QUEUED, DeliveryState.SENDING)
    assert [row for row in world.messages.rows.values() if row.state in active] == []


@settings(max_examples=150, deadline=None)
@given(st.lists(records, max_size=20), st.lists(st.integers(0, 20), max_size=4))
def test_messages_are_the_same_whoever_reads_the_journal_and_how_often_it_is_begun_anew(
    written: Sequence[JournalRecord], restarts: Sequence[int]
) -> None:
    async def read() -> World:
        world = World()
        for number, record in enumerate(one_start(written)):
            await world.happen(record)
            await world.happen("restart" if number in restarts else "look")
        await world.happen("look")
        return world

    world = asyncio.run(read())
    derived = messages_of(world.journal.list)
    assert {row.key: (row.title, row.body) for row in world.messages.rows.values()} == {
        message.key: (message.title, message.body) for message in derived.messages
    }
    assert {key for key, row in world.messages.rows.items() if row.waits} == {
        message.key for message in derived.messages if message.waits
    } - set(derived.settled)
