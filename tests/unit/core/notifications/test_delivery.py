"""What is sent next, when a receiver is tried again, and when an operator is reminded."""

from __future__ import annotations

from datetime import timedelta

from msgspec.structs import replace

from fleet.core.notifications.delivery import (
    FIRST_PAUSE,
    LONGEST_PAUSE,
    STALE,
    Delivery,
    DeliveryState,
    deliveries,
    in_order,
    pause_seconds,
    reminder_due,
    text_of,
)
from fleet.core.notifications.message import TITLE, Message
from fleet.core.policy.alerting.notification import Notification, NotificationEvent
from fleet.lab.simulation.builders import START

E = NotificationEvent
HALT = Message(
    key="r-1/44.2/halted/0",
    seq=1,
    at=START,
    events=(E.GATE_FAILED, E.HALTED),
    rollout="r-1",
    pools=("workers",),
    title="t" * TITLE,
    body="why",
    waits=True,
)


def receiver(name: str, *on: NotificationEvent, pools: tuple[str, ...] = ()) -> Notification:
    return Notification(name=name, url_env="URL", on=frozenset(on or NotificationEvent), pools=pools)


def delivery(seq: int = 1, important: bool = True) -> Delivery:
    made = deliveries(replace(HALT, seq=seq), [receiver("chat")], START)[0]
    return replace(made, important=important)


def test_a_receiver_gets_the_events_and_pools_that_it_wants_and_one_message_for_two_events() -> None:
    receivers = [
        receiver("all"),
        receiver("halts", E.HALTED),
        receiver("gates and halts", E.HALTED, E.GATE_FAILED),
        receiver("starts", E.STARTED),
        receiver("its pool", pools=("workers", "gpu")),
        receiver("another pool", pools=("gpu",)),
    ]
    made = deliveries(HALT, receivers, START)
    assert [each.receiver for each in made] == ["all", "halts", "gates and halts", "its pool"]
    assert all(each.important and each.state is DeliveryState.QUEUED for each in made)


def test_nothing_is_sent_about_old_entries() -> None:
    assert deliveries(HALT, [receiver("chat")], START + STALE)
    assert not deliveries(HALT, [receiver("chat")], START + STALE + timedelta(seconds=1))


def test_important_messages_are_sent_first() -> None:
    queue = [delivery(1, False), delivery(2, True), delivery(3, False), delivery(4, True)]
    assert [each.seq for each in in_order(queue)] == [2, 4, 1, 3]


def test_pauses_grow_up_to_the_longest() -> None:
    pauses = [pause_seconds(failures) for failures in range(12)]
    assert pauses[0] == 0 and pauses[1] == FIRST_PAUSE and pauses[-1] == LONGEST_PAUSE
    assert pauses == sorted(pauses)
    assert pause_seconds(10**6) == LONGEST_PAUSE


def test_an_operator_is_reminded_of_what_still_waits() -> None:
    sent = replace(delivery(), state=DeliveryState.SENT)
    day = timedelta(days=1)
    assert reminder_due(sent, 86400, START + day)
    assert not reminder_due(sent, 86400, START + day - timedelta(seconds=1))
    assert not reminder_due(replace(sent, waits=False), 86400, START + day)
    assert not reminder_due(replace(sent, state=DeliveryState.QUEUED), 86400, START + day)
    assert reminder_due(replace(sent, state=DeliveryState.DROPPED), 86400, START + day)


def test_reminders_and_repetitions_say_so() -> None:
    assert text_of(delivery()).body == "why"
    reminder = text_of(replace(delivery(), reminders=1))
    assert reminder.title.startswith("Reminder: ") and len(reminder.title) <= TITLE
    assert "still waits" in reminder.body and reminder.body.endswith("why")
    assert "may have this message already" in text_of(replace(delivery(), unknown=1)).body
