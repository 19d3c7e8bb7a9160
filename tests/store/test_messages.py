"""Messages to operators in the database: queued once a key, settled, bounded, and fenced by the controller's epoch."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from fleet.core.notifications.delivery import MOST_QUEUED, Delivery, DeliveryState
from fleet.core.records.errors import StaleEpochError
from fleet.store import Store

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


def delivery(key: str, seq: int = 1, important: bool = False, waits: bool = False) -> Delivery:
    return Delivery(
        receiver="chat",
        key=key,
        seq=seq,
        at=NOW,
        important=important,
        waits=waits,
        title=f"title {key}",
        body="body",
        queued_at=NOW,
    )


def states(store: Store) -> dict[str, DeliveryState]:
    return {each.key: each.state for each in store.messages.all()}


def test_a_key_is_queued_once_also_after_a_restart(place: str) -> None:
    made = delivery("r-1/44.2/halted/0", important=True, waits=True)
    with Store.open(place) as store:
        assert store.messages.read_until() == 0
        store.messages.take_in(7, [made], (), epoch=0)
        assert store.messages.put(replace(made, state=DeliveryState.SENT, attempts=2, error="late"), epoch=0)
    with Store.open(place) as store:
        assert store.messages.read_until() == 7
        store.messages.take_in(8, [replace(made, body="12 seconds")], (), epoch=0)
        assert store.messages.all() == [replace(made, state=DeliveryState.SENT, attempts=2, error="late")]


def test_what_is_settled_is_not_sent_any_more(store: Store) -> None:
    queued, sent = delivery("queued", waits=True), delivery("sent", waits=True)
    store.messages.take_in(1, [queued, sent], (), epoch=0)
    store.messages.put(replace(sent, state=DeliveryState.SENT), epoch=0)
    store.messages.take_in(2, [], ["queued", "sent"], epoch=0)
    assert states(store) == {"queued": DeliveryState.SETTLED, "sent": DeliveryState.SENT}
    assert store.messages.open() == []
    assert not store.messages.put(replace(queued, state=DeliveryState.SENDING), epoch=0)
    assert states(store)["queued"] is DeliveryState.SETTLED


def test_a_long_queue_drops_the_oldest_and_important_ones_last(store: Store) -> None:
    many = [delivery(f"k-{number}", number, important=number < 3) for number in range(MOST_QUEUED + 5)]
    dropped = store.messages.take_in(9, many, (), epoch=0)
    assert {each.key for each in dropped} == {"k-3", "k-4", "k-5", "k-6", "k-7"}
    assert len(store.messages.open()) == MOST_QUEUED
    assert {key for key, state in states(store).items() if state is DeliveryState.DROPPED} == {
        each.key for each in dropped
    }


def test_a_controller_that_no_longer_leads_writes_nothing(store: Store) -> None:
    lead = store.lease.acquire("a", at=NOW, seconds=10, abandoned=lambda holder: False)
    made = delivery("k")
    store.messages.take_in(1, [made], (), epoch=lead.epoch)
    store.lease.acquire("b", at=NOW + timedelta(seconds=60), seconds=10, abandoned=lambda holder: False)
    with pytest.raises(StaleEpochError):
        store.messages.put(replace(made, state=DeliveryState.SENDING), epoch=lead.epoch)
    with pytest.raises(StaleEpochError):
        store.messages.take_in(2, [delivery("other")], (), epoch=lead.epoch)
    assert states(store) == {"k": DeliveryState.QUEUED} and store.messages.read_until() == 1


def test_old_deliveries_that_are_over_are_forgotten(store: Store) -> None:
    store.messages.take_in(
        1, [delivery("queued"), delivery("sent"), delivery("waits", waits=True)], (), epoch=0
    )
    for key in ("sent", "waits"):
        store.messages.put(replace(delivery(key), state=DeliveryState.SENT), epoch=0)
    assert store.messages.forget(NOW, epoch=0) == 0
    assert store.messages.forget(NOW + timedelta(seconds=1), epoch=0) == 1
    assert set(states(store)) == {"queued", "waits"}
