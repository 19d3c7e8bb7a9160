"""Changes of random fleets that are known without a plan, beside the plans that are made with them."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from fleet.core.cluster.snapshot import Snapshot
from fleet.core.planning.estimates import DurationEstimates
from fleet.core.planning.what_if import Bind, loosened
from fleet.core.policy.policy import Amount, Limits, Policy, Pool, StageRule
from fleet.core.records.reasons.reason import Reason
from fleet.core.releases.release import Stream
from fleet.planner.assembly import drained_of, views_of
from fleet.planner.planner import make_plan
from fleet.planner.request import PlanRequest
from fleet.planner.what_if import without_plan
from tests.property.test_plan import NEW, OLD, START, fleets, times

limits = st.builds(
    Limits,
    st.builds(Amount, st.integers(1, 22)),
    per_zone=st.none() | st.builds(Amount, st.integers(1, 22)),
)
pools = st.builds(
    Pool,
    st.just("workers"),
    stream=st.just("stable"),
    limits=limits,
    stage=st.builds(StageRule, st.integers(1, 22)),
    soak_seconds=st.integers(0, 90),
    canaries=st.integers(0, 2),
)


@settings(max_examples=150, deadline=None)
@given(fleets, pools, times)
def test_change_that_is_known_without_a_plan_is_what_a_plan_shows(
    fleet: Snapshot, pool: Pool, lengths: DurationEstimates
) -> None:
    policy = Policy(pools=(pool,), streams=(Stream("stable", (OLD, NEW)),))
    request = PlanRequest("", [fleet], policy, ["workers"], NEW, START, lengths)
    plan = make_plan(request)
    views = views_of([fleet], {})
    drained_of(plan.begin().goals, policy, views)
    binds: list[Bind] = [
        ("stage", "workers"),
        ("limit", str(Reason.POOL_LIMIT), "workers"),
        ("limit", str(Reason.ZONE_LIMIT), "workers"),
        *(("budget", "east", str(budget.ref)) for budget in fleet.budgets),
    ]
    for bind in binds:
        loose = loosened(bind, request.snapshots, policy)
        known = without_plan(bind, loose, plan, request, views) if loose is not None else None
        if loose is None or known is None:
            continue
        truth = make_plan(replace(request, snapshots=loose.snapshots, policy=loose.policy))
        assert known.nodes == len(truth.runs)
        if known.at_most is True:
            # Moments are whole microseconds.
            assert plan.makespan_seconds - truth.makespan_seconds <= known.saved_seconds + 1e-3
        else:
            assert truth.runs == plan.runs
            assert (known.makespan_seconds, known.bound_by) == (truth.makespan_seconds, truth.bound_by)
