"""Reads from the database what the metrics are computed from."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version

from fleet.app.reporting.status import fleet_status, held_in
from fleet.app.rollouts.rollouts import Rollouts
from fleet.app.wiring.home import Home
from fleet.core.metrics.controller import ControllerFacts, of_controller
from fleet.core.metrics.family import MetricFamily
from fleet.core.metrics.nodes import of_nodes
from fleet.core.metrics.rollouts import of_rollouts, of_windows
from fleet.drivers.identity import own_identity
from fleet.system.clock import WallClock


def collect(home: Home) -> Iterator[MetricFamily]:
    """Yields all families. Only the database and the policy are read. Raises what reading them raises."""
    now, policy = home.now(), home.policy_if_any()
    rollouts = Rollouts.load(home.store)
    status = fleet_status(home, rollouts=rollouts.all, count_pods=False)
    held = held_in(home, rollouts.active)
    places = dict.fromkeys((node.cluster, node.site) for node in status.nodes)
    yield from of_controller(_controller(home))
    yield from of_nodes(status, policy)
    yield from of_rollouts(rollouts.all, held, now)
    yield from of_windows(policy, list(places), now)


def _controller(home: Home) -> ControllerFacts:
    store = home.store
    # Controllers lead by the wall clock, also in a simulated home.
    holder = store.lease.current(WallClock().now())
    last, end = store.journal.last(), store.journal.checkpoint()
    entries = end.count if end is not None else 0
    signed = store.checkpoints.newest()
    return ControllerFacts(
        version=version("fleet"),
        leads=holder == own_identity(),
        led=holder is not None,
        epoch=store.lease.epoch(),
        journal_entries=entries,
        journal_written_at=last.at if last is not None else None,
        signed_entries=signed.count if signed is not None else None,
        requests=store.requests.totals(),
    )
