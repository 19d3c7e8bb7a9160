"""The notifier with a real database and a real receiver over HTTP: what is sent, when, and what survives a crash."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fleet.core.notifications.delivery import FIRST_PAUSE, DeliveryState, MessageText
from fleet.core.objects.node import NodeRef
from fleet.core.policy.alerting.notification import Notification, NotificationEvent
from fleet.core.records.journal import JournalRecord
from fleet.core.rollout.goal import Goal, Start
from fleet.drivers.alerting.notifier import Notifier
from fleet.drivers.journal.log import LOG
from fleet.lab.simulation.builders import NEW, START, a_policy
from fleet.receivers.receiver import send
from fleet.store import Store
from tests.gates.servers import served

SECRET = "T0K3N-of-the-chat"
HALT = JournalRecord("decision", "halt", "r-1", detail={"why": "2 nodes have failed in 2.084 s"})
RESUME = JournalRecord("command", "resume", "r-1")
GOAL = Goal(NodeRef("east", "n-0"), "uid-0", "workers")
BEGIN = JournalRecord(
    "command", "start", "r-1", detail=msgspec.to_builtins(Start("p-1", NEW, a_policy(), (GOAL,)))
)


class StoppedClock:
    def __init__(self) -> None:
        self.at = START

    def now(self) -> datetime:
        return self.at

    async def sleep(self, seconds: float) -> None:
        raise AssertionError("nothing waits by this clock")


class ChatServer:
    """A receiver of `json://` that accepts what it gets, or answers with another status."""

    def __init__(self) -> None:
        self.got: list[dict[str, Any]] = []
        self.status = 200
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if outer.status == 200:
                    outer.got.append(body)
                self.send_response(outer.status)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Writes nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"json://127.0.0.1:{self.server.server_address[1]}/{SECRET}"

    @property
    def titles(self) -> list[str]:
        return [message["title"] for message in self.got]

    def served(self) -> AbstractContextManager[None]:
        return served(self.server)


@pytest.fixture
def chat() -> Iterator[ChatServer]:
    made = ChatServer()
    with made.served():
        yield made


class World:
    """A database with a journal; notifiers come and go."""

    def __init__(self, folder: Path) -> None:
        self.store = Store.open(folder / "fleet.db")
        self.clock = StoppedClock()
        self.file = folder / "chat.url"
        self.receivers: Sequence[Notification] = [
            Notification(name="chat", url_file=str(self.file), remind_seconds=3600)
        ]

    def write(self, *records: JournalRecord) -> None:
        self.store.journal.append(records, at=self.clock.at, actor="fleet@host")

    def notifier(self, send: Callable[[Notification, MessageText], Awaitable[str]] = send) -> Notifier:
        return Notifier(
            self.store.journal, self.store.messages, lambda: self.receivers, send, self.clock, epoch=0
        )

    def rounds(self, *notifiers: Notifier) -> None:
        """Runs a round of each notifier, and waits for what they send."""

        async def once() -> None:
            for notifier in notifiers:
                await notifier.finish()

        asyncio.run(once())

    def states(self) -> list[DeliveryState]:
        return [each.state for each in reversed(self.store.messages.all())]


@pytest.fixture
def world(tmp_path: Path, chat: ChatServer) -> Iterator[World]:
    made = World(tmp_path)
    made.file.write_text(f"{chat.url}\n")
    with made.store:
        yield made


def test_a_message_is_sent_once_also_by_the_next_controller(world: World, chat: ChatServer) -> None:
    world.write(BEGIN, HALT)
    first = world.notifier()
    world.rounds(first, first)
    assert chat.titles == [
        f"Rollout r-1 is halted: workers to {NEW.version}",
        f"Rollout r-1 started: workers to {NEW.version}",
    ]
    world.write(HALT)
    world.rounds(first, world.notifier(), world.notifier())
    assert len(chat.got) == 2
    world.write(RESUME, HALT)
    world.rounds(world.notifier())
    assert len(chat.got) == 3


def test_a_receiver_that_refuses_is_left_alone_for_a_while_and_gets_important_messages_first(
    world: World, chat: ChatServer, caplog: pytest.LogCaptureFixture
) -> None:
    chat.status = 429
    notifier = world.notifier()
    world.write(BEGIN)
    world.rounds(notifier)
    delivery = world.store.messages.open()[0]
    assert "429" in delivery.error and delivery.attempts == 1
    chat.status = 200
    world.write(HALT)
    world.rounds(notifier)
    assert chat.got == []
    world.clock.at += timedelta(seconds=FIRST_PAUSE)
    world.rounds(notifier)
    assert [title.split(":")[0] for title in chat.titles] == ["Rollout r-1 is halted", "Rollout r-1 started"]
    assert SECRET not in caplog.text


def test_a_message_that_is_refused_for_a_day_is_given_up(world: World, chat: ChatServer) -> None:
    chat.status = 500
    notifier = world.notifier()
    world.write(BEGIN)
    world.rounds(notifier)
    world.clock.at += timedelta(days=1)
    world.rounds(notifier)
    assert world.states() == [DeliveryState.FAILED]


def test_what_was_being_sent_at_a_crash_is_sent_once_more_and_says_so(world: World, chat: ChatServer) -> None:
    async def killed() -> None:
        begun = asyncio.Event()

        async def endless(receiver: Notification, text: MessageText) -> str:
            begun.set()
            await asyncio.Event().wait()
            raise AssertionError("not reached")

        notifier = world.notifier(endless)
        assert notifier.look()
        await begun.wait()
        await notifier.close()

    world.write(BEGIN)
    asyncio.run(killed())
    assert world.states() == [DeliveryState.SENDING]
    world.rounds(world.notifier())
    assert len(chat.got) == 1 and "may have this message already" in chat.got[0]["message"]
    world.write(HALT)
    asyncio.run(killed())
    asyncio.run(killed())
    world.rounds(world.notifier(), world.notifier())
    assert len(chat.got) == 1 and world.states() == [DeliveryState.SENT, DeliveryState.FAILED]


def test_what_waits_for_an_operator_is_sent_again_after_a_while(world: World, chat: ChatServer) -> None:
    world.write(BEGIN, HALT)
    world.rounds(world.notifier())
    world.clock.at += timedelta(hours=1)
    notifier = world.notifier()
    world.rounds(notifier, notifier)
    assert [title for title in chat.titles if title.startswith("Reminder: ")] == [
        f"Reminder: Rollout r-1 is halted: workers to {NEW.version}"
    ]
    world.write(RESUME)
    world.clock.at += timedelta(hours=5)
    world.rounds(notifier)
    assert len(chat.got) == 3


def test_a_new_receiver_gets_nothing_of_long_ago(world: World, chat: ChatServer) -> None:
    world.write(BEGIN, HALT)
    world.clock.at += timedelta(days=2)
    world.rounds(world.notifier())
    assert chat.got == []
    world.write(RESUME, HALT)
    world.rounds(world.notifier())
    assert len(chat.got) == 1


def test_only_what_a_receiver_wants_is_sent(world: World, chat: ChatServer) -> None:
    world.receivers = [
        Notification(name="chat", url_file=str(world.file), on=frozenset({NotificationEvent.HALTED}))
    ]
    world.write(BEGIN, HALT)
    world.rounds(world.notifier())
    assert chat.titles == [f"Rollout r-1 is halted: workers to {NEW.version}"]


@pytest.mark.parametrize("url", ["", "no url", f"foo://{SECRET}", "json://127.0.0.1:1/" + SECRET])
def test_a_receiver_that_cannot_be_reached_is_no_error_of_the_controller(
    world: World, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    world.file.write_text(url)
    world.write(BEGIN)
    notifier = world.notifier()
    with caplog.at_level("DEBUG", LOG.name):
        world.rounds(notifier)
    delivery = world.store.messages.open()[0]
    assert delivery.error and SECRET not in delivery.error
    assert "has not accepted" in caplog.text and SECRET not in caplog.text


def test_a_redirect_is_not_followed(world: World, chat: ChatServer) -> None:
    chat.status = 302
    world.write(BEGIN)
    world.rounds(world.notifier())
    assert "302" in world.store.messages.open()[0].error


def test_a_url_from_the_environment(world: World, chat: ChatServer, monkeypatch: pytest.MonkeyPatch) -> None:
    world.receivers = [Notification(name="chat", url_env="FLEET_TEST_CHAT")]
    world.write(BEGIN)
    notifier = world.notifier()
    world.rounds(notifier)
    assert "FLEET_TEST_CHAT" in world.store.messages.open()[0].error
    monkeypatch.setenv("FLEET_TEST_CHAT", chat.url)
    world.clock.at += timedelta(seconds=FIRST_PAUSE)
    world.rounds(notifier)
    assert len(chat.got) == 1
