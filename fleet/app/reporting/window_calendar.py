"""The windows of the policy, and a calendar of the days to come with the rollouts in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from fleet.app.rollouts.rollouts import Rollouts
from fleet.app.wiring.feeds import fetch_calendars
from fleet.app.wiring.home import Home
from fleet.app.wiring.names import pool_named
from fleet.core.planning.eta import seconds_left
from fleet.core.planning.plan import short_id
from fleet.core.policy.policy import Policy
from fleet.core.reporting.ahead.window_calendar import ExpectedRollout, Place, WindowCalendar, window_calendar
from fleet.store import Store


def current_policy(home: Home) -> Policy:
    """Returns the policy after its calendars have been fetched. Raises ConfigError for a policy with mistakes, and
    UsageError where there is none."""
    fetch_calendars(home)
    return home.policy()


def preview(home: Home, pools: Sequence[str], days: int) -> WindowCalendar:
    """Returns the calendar of the named pools, or of all, from now on. Clusters that the fleet knows have rows of their
    own where their windows differ; no cluster is asked. Raises as `current_policy`, and UsageError for an unknown
    pool."""
    policy = current_policy(home)
    chosen = [pool_named(policy, name) for name in pools] if pools else policy.pools
    now = home.now()
    store = home.store_if_any
    rows = store.clusters.list() if store is not None else []
    places = [Place(row.name, row.sites[0] if row.sites else "") for row in rows]
    rollouts = [*_running(store, now), *_planned(store, now)] if store is not None else []
    return window_calendar(policy, chosen, places, now, now + timedelta(days=days), rollouts)


def _running(store: Store, now: datetime) -> Iterator[ExpectedRollout]:
    for rollout in Rollouts.load(store).active:
        plan = store.plans.find(rollout.start.plan)
        left = seconds_left(rollout, plan, now) if plan is not None else None
        pools = tuple(dict.fromkeys(run.goal.pool for run in rollout.runs.values()))
        end = now + timedelta(seconds=left) if left is not None else None
        yield ExpectedRollout(rollout.id, "running", pools, rollout.started_at, end)


def _planned(store: Store, now: datetime) -> Iterator[ExpectedRollout]:
    """Yields the plans that nobody has started and that would not be over yet."""
    started = {rollout.start.plan for rollout in Rollouts.load(store).all}
    for row in store.plans.list():
        end = row.start + timedelta(seconds=row.makespan_seconds)
        if row.nodes and row.plan_id not in started and end > now:
            yield ExpectedRollout(short_id(row.plan_id), "planned", row.pools, row.start, end)
