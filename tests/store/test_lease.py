"""The database's lease: one holder, judged by the moments that are given."""

from __future__ import annotations

from datetime import timedelta

from fleet.core.records.leadership import Leadership
from fleet.lab.simulation.builders import START
from fleet.store import Store

ANN, BOB = "fleet@a/10/1", "fleet@b/20/2"


def take(store: Store, identity: str, second: int, abandoned: frozenset[str] = frozenset()) -> Leadership:
    return store.lease.acquire(
        identity,
        at=START + timedelta(seconds=second),
        seconds=15,
        abandoned=lambda holder: holder in abandoned,
    )


def test_first_candidate_holds_the_lease_while_it_renews(store: Store) -> None:
    assert take(store, ANN, 0) == Leadership(True, ANN, 1)
    assert take(store, BOB, 1) == Leadership(False, ANN, 1)
    assert take(store, ANN, 10) == Leadership(True, ANN, 1)
    assert take(store, BOB, 24) == Leadership(False, ANN, 1)


def test_expired_lease_can_be_taken_over(store: Store) -> None:
    take(store, ANN, 0)
    assert take(store, BOB, 15) == Leadership(True, BOB, 2)
    assert take(store, ANN, 16) == Leadership(False, BOB, 2)
    assert take(store, ANN, 30) == Leadership(True, ANN, 3)


def test_lease_of_a_dead_process_is_not_waited_for(store: Store) -> None:
    take(store, ANN, 0)
    assert take(store, BOB, 1, abandoned=frozenset({ANN})) == Leadership(True, BOB, 2)


def test_late_renewal_keeps_the_epoch_if_nobody_took_over(store: Store) -> None:
    take(store, ANN, 0)
    assert take(store, ANN, 100) == Leadership(True, ANN, 1)


def test_released_lease_is_free_and_the_epoch_increases(store: Store) -> None:
    take(store, ANN, 0)
    store.lease.release(BOB)
    assert store.lease.current(START) == ANN
    store.lease.release(ANN)
    assert store.lease.current(START) is None
    assert take(store, ANN, 1) == Leadership(True, ANN, 2)


def test_holder_is_known_until_the_lease_expires(store: Store) -> None:
    assert store.lease.current(START) is None
    take(store, ANN, 0)
    assert store.lease.current(START + timedelta(seconds=14)) == ANN
    assert store.lease.current(START + timedelta(seconds=15)) is None
