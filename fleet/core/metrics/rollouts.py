"""Metrics of rollouts that are active, and of those that ended less than a day ago: series of older ones end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from fleet.core.metrics.family import MetricFamily, gauge
from fleet.core.objects.node import NodeRef
from fleet.core.policy.policy import Policy
from fleet.core.policy.schedule import Schedules
from fleet.core.records.held import Held
from fleet.core.rollout.rollout import Rollout
from fleet.core.rollout.steps import RolloutState, Step

ENDED_SHOWN = timedelta(days=1)
ROLLOUT = ("rollout",)


def of_rollouts(
    rollouts: Sequence[Rollout], held: Mapping[NodeRef, tuple[Held, ...]], now: datetime
) -> Iterator[MetricFamily]:
    """Yields the families about rollouts. `held`: what holds each node of an active rollout."""
    shown = [
        one for one in rollouts if one.active or one.ended_at is None or now - one.ended_at < ENDED_SHOWN
    ]
    yield gauge(
        "fleet_rollout_status",
        "1 for the state that the rollout is in, 0 for the others.",
        ("rollout", "status"),
        {(one.id, state.value): float(one.state is state) for one in shown for state in RolloutState},
    )
    yield _numbers("fleet_rollout_matched_nodes", "Nodes of the rollout.", shown, lambda one: len(one.runs))
    yield _numbers("fleet_rollout_in_progress", "Runs that have their slot.", shown, _in_progress)
    yield _numbers(
        "fleet_rollout_completed", "Runs that have succeeded.", shown, lambda one: one.counts[Step.DONE]
    )
    yield _numbers(
        "fleet_rollout_failed", "Runs that have failed.", shown, lambda one: one.counts[Step.FAILED]
    )
    yield _numbers(
        "fleet_rollout_failure_limit",
        "Failures that halt the rollout.",
        shown,
        lambda one: one.failure_limit + one.allowance,
    )
    yield gauge(
        "fleet_rollout_started_timestamp_seconds",
        "When the rollout was started.",
        ROLLOUT,
        {(one.id,): one.started_at.timestamp() for one in shown},
    )
    yield gauge(
        "fleet_rollout_runs",
        "Runs by step.",
        ("rollout", "step"),
        {(one.id, step.value): float(one.counts[step]) for one in shown for step in Step},
    )
    yield from _of_held(shown, held)


def _numbers(
    name: str, text: str, rollouts: Sequence[Rollout], value: Callable[[Rollout], int]
) -> MetricFamily:
    return gauge(name, text, ROLLOUT, {(one.id,): float(value(one)) for one in rollouts})


def _in_progress(rollout: Rollout) -> int:
    return sum(run.slot for run in rollout.runs.values())


def _of_held(rollouts: Sequence[Rollout], held: Mapping[NodeRef, tuple[Held, ...]]) -> Iterator[MetricFamily]:
    """A node with several reasons counts once for each."""
    yield gauge(
        "fleet_held_nodes",
        "Nodes of active rollouts that wait, by reason.",
        ("cluster", "reason"),
        Counter((ref.cluster, one.reason.value) for ref, reasons in held.items() for one in reasons),
    )
    draining = {
        ref for one in rollouts if one.active for ref, run in one.runs.items() if run.step is Step.DRAIN
    }
    yield gauge(
        "fleet_drain_blocked",
        "Nodes whose drain waits, by reason.",
        ("cluster", "reason"),
        Counter(
            (ref.cluster, one.reason.value)
            for ref, reasons in held.items()
            if ref in draining
            for one in reasons
        ),
    )


def of_windows(policy: Policy, places: Sequence[tuple[str, str]], now: datetime) -> Iterator[MetricFamily]:
    """Yields whether runs may start now, and when they next may. `places`: cluster and site."""
    schedules = Schedules(policy)
    opened: dict[tuple[str, ...], float] = {}
    next_open: dict[tuple[str, ...], float] = {}
    for pool in policy.pools:
        for cluster, site in places:
            if pool.clusters and cluster not in pool.clusters:
                continue
            opens = schedules.of(pool.name, cluster, site).opens(now)
            opened[pool.name, cluster, site] = float(opens is not None and opens <= now)
            if opens is not None:
                next_open[pool.name, cluster, site] = max(opens, now).timestamp()
    labels = ("pool", "cluster", "site")
    yield gauge("fleet_window_open", "1 if windows and freezes let runs start now, else 0.", labels, opened)
    yield gauge(
        "fleet_window_next_open_timestamp_seconds",
        "When runs may start next; now if they may. No sample where no window opens any more.",
        labels,
        next_open,
    )
