"""Lists what happens next in a fleet: read from the policy and the database, with or without a controller."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fleet.app.approvals.listing import approvals
from fleet.app.rollouts.background import controller_of
from fleet.app.rollouts.rollouts import Rollouts
from fleet.app.schedule.registry import jobs_in
from fleet.app.wiring.home import Home
from fleet.config.policy import PolicyFile
from fleet.core.policy.schedule import Schedules
from fleet.core.reporting.ahead.fleet_schedule import FleetSchedule, ScheduledPlace, fleet_schedule
from fleet.core.rollout.rollout import Rollout
from fleet.core.text.counts import counted


def schedule(home: Home) -> FleetSchedule:
    """Returns what happens next. Raises ConfigError for a policy with mistakes, and UsageError where there is no fleet."""
    store, now = home.store, home.now()
    home.policy_if_any()  # shows its warnings
    file = home.whole_policy()
    rollouts = Rollouts.load(store)
    states = store.jobs.all()
    places = list(_of_rollouts(rollouts.active))
    taken = {(place.pool, place.cluster) for place in places}
    places += (each for each in _of_standing_pools(home, file) if (each.pool, each.cluster) not in taken)
    started = {rollout.start.plan for rollout in rollouts.all}
    return fleet_schedule(
        now,
        controller_of(home),
        [(job, states.get(job.name)) for job in jobs_in(home, file)],
        places,
        [each for each in approvals(home).approvals if each.plan not in started],
        rollouts.active,
    )


def _of_rollouts(rollouts: Sequence[Rollout]) -> Iterator[ScheduledPlace]:
    """Yields the places where rollouts have nodes that have not begun."""
    for rollout in rollouts:
        waiting = [run for run in rollout.runs.values() if run.waiting]
        places = dict.fromkeys((run.goal.pool, run.node.cluster, run.goal.site) for run in waiting)
        for pool, cluster, site in places:
            count = sum(run.goal.pool == pool for run in waiting)
            why = f"rollout {rollout.id} has {counted(count, 'node')} to start"
            yield ScheduledPlace(pool, cluster, rollout.schedules.of(pool, cluster, site), why)


def _of_standing_pools(home: Home, file: PolicyFile) -> Iterator[ScheduledPlace]:
    """Yields the places of pools that go to new releases by themselves."""
    schedules = Schedules(file.policy)
    rows = home.store.clusters.list()
    for pool in file.policy.automatic:
        for row in rows:
            if not pool.clusters or row.name in pool.clusters:
                schedule = schedules.of(pool.name, row.name, row.site)
                yield ScheduledPlace(pool.name, row.name, schedule, "its policy has upgrade: auto")
