"""Plans, what is held, settings."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from fleet.core.errors import StoreError, UsageError
from fleet.core.held import Held, Reason
from fleet.core.plan import Plan, PlannedRun, PlannedStep
from fleet.histories.builders import NEW, START, a_policy
from fleet.store import Store

BUDGET = Held(Reason.BUDGET, "web/checkout", {"allowed": 0, "need": 1})
LATER = START + timedelta(minutes=3)


def a_plan(name: str) -> Plan:
    run = PlannedRun(
        "n-1", "workers", NEW.version, 0.0, 61.5, (PlannedStep("cordon", 0.0, 1.5),), cluster="east"
    )
    return Plan(
        plan_id=name,
        target=NEW,
        policy=a_policy(),
        start=START,
        makespan_seconds=61.5,
        lower_bound_seconds=60.0,
        bound_by="budget web/checkout",
        evictions=3,
        pods=3,
        peak_unavailable=1,
        runs=(run,),
        pools=("workers",),
        clusters=("east",),
    )


def test_a_plan_is_found_by_its_name_and_by_a_prefix_of_it(store: Store) -> None:
    plan, other = a_plan("p-9c41"), a_plan("p-9d00")
    store.plans.save(plan)
    store.plans.save(other)
    assert store.plans.get("p-9c41") == plan
    assert store.plans.get("p-9d") == other
    with pytest.raises(UsageError, match="p-9 fits several plans: p-9c41, p-9d00"):
        store.plans.get("p-9")
    for unknown in ("q", "", "p-9c412", "p%", "P-9C41"):
        with pytest.raises(UsageError, match="no plan"):
            store.plans.get(unknown)


def test_a_name_that_begins_another_is_itself(store: Store) -> None:
    store.plans.save(a_plan("p-1"))
    store.plans.save(a_plan("p-12"))
    assert store.plans.get("p-1").plan_id == "p-1"


def test_plans_are_listed_without_their_runs(store: Store) -> None:
    store.plans.save(a_plan("p-1"))
    store.plans.save(replace(a_plan("p-2"), start=LATER))
    rows = store.plans.list()
    assert [row.plan_id for row in rows] == ["p-2", "p-1"]
    assert (rows[1].start, rows[1].target, rows[1].nodes) == (START, NEW.version, 1)


def test_a_saved_plan_never_changes(store: Store) -> None:
    store.plans.save(a_plan("p-1"))
    store.plans.save(a_plan("p-1"))
    with pytest.raises(StoreError, match="another plan is saved as p-1"):
        store.plans.save(replace(a_plan("p-1"), evictions=4))


def test_what_holds_a_node_is_told_since_when(store: Store) -> None:
    fewer = replace(BUDGET, facts={"allowed": 0, "need": 1, "healthy": 2})
    store.held.replace("r-1", {"east/n-1": (BUDGET,), "east/n-2": (BUDGET,)}, at=START)
    store.held.replace("r-1", {"east/n-1": (fewer,), "east/n-2": (Held(Reason.TURN),)}, at=LATER)
    waiting = store.held.of("r-1")
    assert {node: (each.since, each.held) for node, each in waiting.items()} == {
        "east/n-1": (START, (fewer,)),
        "east/n-2": (LATER, (Held(Reason.TURN),)),
    }


def test_nodes_that_are_not_named_stay_held(store: Store) -> None:
    store.held.replace("r-1", {"east/n-1": (BUDGET,), "east/n-2": (BUDGET,)}, at=START)
    store.held.replace("r-1", {"east/n-1": ()}, at=LATER)
    assert list(store.held.of("r-1")) == ["east/n-2"]


def test_a_node_may_be_held_in_several_rollouts(store: Store) -> None:
    for rollout in ("r-1", "r-2"):
        store.held.replace(rollout, {"east/n-1": (BUDGET,)}, at=START)
    assert [each.rollout for each in store.held.of_node("east/n-1")] == ["r-1", "r-2"]
    store.held.clear("r-1")
    assert [each.rollout for each in store.held.of_node("east/n-1")] == ["r-2"]


def test_many_nodes_are_held_at_once(store: Store) -> None:
    many = {f"east/n-{number}": (BUDGET,) for number in range(1200)}
    store.held.replace("r-1", many, at=START)
    store.held.replace("r-1", dict.fromkeys(many, (BUDGET,)), at=LATER)
    assert {each.since for each in store.held.of("r-1").values()} == {START}
    assert len(store.held.of("r-1")) == 1200


def test_a_setting_is_kept(store: Store) -> None:
    assert store.settings.get("home") is None
    store.settings.set("home", "simulated")
    store.settings.set("home", "live")
    assert store.settings.get("home") == "live"
