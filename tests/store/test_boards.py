"""Plans, what is held, settings."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from fleet.core.planning.plan import Plan, PlannedRun, PlannedStep, short_id
from fleet.core.records.errors import StoreError, TamperedError, UsageError
from fleet.core.records.held import Held
from fleet.core.records.reasons.reason import Reason
from fleet.lab.simulation.builders import NEW, START, a_policy
from fleet.store import Store
from fleet.store.journal import chain
from tests.store.raw import raw

BUDGET = Held(Reason.BUDGET, "web/checkout", {"allowed": 0, "need": 1})
LATER = START + timedelta(minutes=3)


def a_plan(start: datetime = START, evictions: int = 3) -> Plan:
    run = PlannedRun(
        "n-1", "workers", NEW.version, 0.0, 61.5, (PlannedStep("cordon", 0.0, 1.5),), cluster="east"
    )
    return Plan(
        plan_id="",
        target=NEW,
        policy=a_policy(),
        start=start,
        makespan_seconds=61.5,
        lower_bound_seconds=60.0,
        bound_by="budget web/checkout",
        evictions=evictions,
        pods=3,
        peak_unavailable=1,
        runs=(run,),
        pools=("workers",),
        clusters=("east",),
    )


def test_plan_is_found_by_its_hash_and_by_a_prefix(store: Store) -> None:
    plan, other = store.plans.save(a_plan()), store.plans.save(a_plan(LATER))
    assert re.fullmatch(r"p-[0-9a-f]{64}", plan.plan_id) and plan.plan_id != other.plan_id
    assert store.plans.get(plan.plan_id) == plan
    assert store.plans.get(short_id(other.plan_id)) == other
    with pytest.raises(UsageError, match="p- matches several plans"):
        store.plans.get("p-")
    for unknown in ("q", "", f"{plan.plan_id}0", "p%", short_id(plan.plan_id).upper()):
        with pytest.raises(UsageError, match="no plan"):
            store.plans.get(unknown)


def test_same_plan_has_the_same_name_and_another_plan_another(store: Store) -> None:
    plan = store.plans.save(a_plan())
    assert store.plans.save(a_plan()) == plan and len(store.plans.list()) == 1
    assert store.plans.save(plan) == plan
    assert store.plans.save(a_plan(evictions=4)).plan_id != plan.plan_id


def test_plans_are_listed_without_their_runs(store: Store) -> None:
    first, second = store.plans.save(a_plan()), store.plans.save(a_plan(LATER))
    rows = store.plans.list()
    assert [row.plan_id for row in rows] == [second.plan_id, first.plan_id]
    assert (rows[1].start, rows[1].target, rows[1].nodes) == (START, NEW.version, 1)


def test_list_names_the_stored_plans(store: Store, tamper: Callable[..., None]) -> None:
    """What it shows is kept beside the plan; without a name the newest of the list is shown and started."""
    plan, other = store.plans.save(a_plan()), store.plans.save(a_plan(LATER))
    tamper(f"UPDATE plan SET summary = replace(summary, '{other.plan_id}', '{plan.plan_id}')")
    assert [row.plan_id for row in store.plans.list()] == [other.plan_id, plan.plan_id]


def test_plan_changed_in_the_database_is_refused(store: Store, tamper: Callable[..., None]) -> None:
    plan = store.plans.save(a_plan())
    tamper("""UPDATE plan SET body = replace(body, '"evictions":3', '"evictions":0')""")
    with pytest.raises(TamperedError):
        store.plans.get(plan.plan_id)
    assert store.plans.find(plan.plan_id) is None


@pytest.mark.parametrize(
    "change", ["'{}'", "'[]'", "'nonsense'", """replace(body, '"evictions":3', '"evictions":"x"')"""]
)
def test_changed_plan_that_can_no_longer_be_read_is_refused_as_changed(
    store: Store, tamper: Callable[..., None], change: str
) -> None:
    plan = store.plans.save(a_plan())
    tamper(f"UPDATE plan SET body = {change}")
    with pytest.raises(TamperedError):
        store.plans.get(plan.plan_id)
    assert store.plans.find(plan.plan_id) is None


def test_database_error_is_not_a_missing_plan(store: Store, tamper: Callable[..., None]) -> None:
    plan = store.plans.save(a_plan())
    tamper("ALTER TABLE plan RENAME TO gone")
    with pytest.raises(StoreError):
        store.plans.find(plan.plan_id)


def test_plan_stored_under_the_name_of_another_is_refused(store: Store, tamper: Callable[..., None]) -> None:
    plan, other = store.plans.save(a_plan()), store.plans.save(a_plan(LATER))
    tamper(f"UPDATE plan SET body = (SELECT body FROM plan WHERE id = '{other.plan_id}')")
    with pytest.raises(TamperedError):
        store.plans.get(plan.plan_id)


def test_plan_of_an_earlier_version_of_fleet_keeps_its_name(
    store: Store, tamper: Callable[..., None]
) -> None:
    """A field that a newer fleet adds would have changed the hash, and every plan of before would count as tampered with."""
    plan = store.plans.save(a_plan())
    reported = msgspec.to_builtins(replace(plan, plan_id=""))
    for release in (reported["target"], *reported["policy"]["streams"][0]["releases"]):
        del release["reference_digest"], release["digests"]
    name = f"p-{sha256(chain.canonical(reported)).hexdigest()}"
    body = msgspec.json.encode(reported | {"plan_id": name}).decode()
    tamper(f"UPDATE plan SET id = '{name}', body = '{body}'")
    assert store.plans.get(name) == replace(plan, plan_id=name)


def test_plan_preview_replaces_the_previous_preview_of_the_same_user_only(store: Store) -> None:
    def known() -> list[int]:
        return sorted(store.plans.get(row.plan_id).evictions for row in store.plans.list())

    store.plans.save(a_plan(evictions=1))
    store.plans.save(a_plan(evictions=2), "ada@desk")
    store.plans.save(a_plan(evictions=3), "bob@desk")
    assert known() == [1, 2, 3]
    looked = store.plans.save(a_plan(evictions=4), "ada@desk")
    assert known() == [1, 3, 4]
    store.plans.save(looked)
    store.plans.save(a_plan(evictions=5), "ada@desk")
    assert known() == [1, 3, 4, 5]
    # What was kept is not in danger again because somebody happens to look at the same.
    store.plans.save(a_plan(evictions=1), "ada@desk")
    store.plans.save(a_plan(evictions=6), "ada@desk")
    assert known() == [1, 3, 4, 6]


def test_blockers_have_the_time_since_when(store: Store) -> None:
    fewer = replace(BUDGET, params={"allowed": 0, "need": 1, "healthy": 2})
    store.held.replace("r-1", {"east/n-1": (BUDGET,), "east/n-2": (BUDGET,)}, at=START)
    store.held.replace("r-1", {"east/n-1": (fewer,), "east/n-2": (Held(Reason.TURN),)}, at=LATER)
    waiting = store.held.of("r-1")
    assert {node: (each.since, each.held) for node, each in waiting.items()} == {
        "east/n-1": (START, (fewer,)),
        "east/n-2": (LATER, (Held(Reason.TURN),)),
    }


def test_unnamed_nodes_stay_held(store: Store) -> None:
    store.held.replace("r-1", {"east/n-1": (BUDGET,), "east/n-2": (BUDGET,)}, at=START)
    store.held.replace("r-1", {"east/n-1": ()}, at=LATER)
    assert list(store.held.of("r-1")) == ["east/n-2"]


def test_node_may_be_held_in_several_rollouts(store: Store) -> None:
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


def test_setting_is_stored(store: Store) -> None:
    assert store.settings.get("home") is None
    store.settings.set("home", "simulated")
    store.settings.set("home", "live")
    assert store.settings.get("home") == "live"


@pytest.mark.parametrize("what", ["since = 'x'", "since = x'ff'", "reasons = '{}'", "reasons = x'ff'"])
@pytest.mark.parametrize("number_of_nodes", [2, 200])
def test_unreadable_blockers_are_reported_and_overwritten(
    tmp_path: Path, what: str, number_of_nodes: int
) -> None:
    with Store.open(tmp_path / "fleet.db") as store:
        store.held.replace("r-1", {"east/n-1": (BUDGET,)}, at=START)
        with closing(raw(str(tmp_path / "fleet.db"))) as connection:
            connection.execute(f"UPDATE held SET {what}")
            connection.commit()
        with pytest.raises(StoreError) as refused:
            store.held.of("r-1")
        # Whoever writes it goes on: it is a board, and not the truth.
        nodes = {f"east/n-{number}": (BUDGET,) for number in range(number_of_nodes)}
        store.held.replace("r-1", nodes, at=LATER)
        assert [each.since for each in store.held.of_node("east/n-1")] == [LATER]
        store.held.replace("r-1", dict.fromkeys(nodes, ()), at=LATER)
        assert store.held.of("r-1") == {}
    assert "audit verify" in (refused.value.hint or "")
