"""The judge of `make bench-plan` accepts a real plan, and names each rule that a changed plan breaks."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bench.dumps import write_dump
from bench.fleets import NEW, START, make, policy
from bench.judge import Fleet, broken, read_dump
from fleet.core.planning.estimates import DurationEstimates
from fleet.planner.planner import make_plan
from fleet.planner.request import PlanRequest

Json = dict[str, Any]
LIMIT = 5


@pytest.fixture(scope="module", params=["small", "tight", "skewed"])
def judged(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Json, Fleet]:
    snapshot = make(request.param, 20)
    dump = tmp_path_factory.mktemp("dump") / "bench.json"
    write_dump(dump, snapshot)
    asked = PlanRequest("bench", [snapshot], policy(LIMIT), ["workers"], NEW, START, DurationEstimates())
    return msgspec.json.decode(msgspec.json.encode(make_plan(asked))), read_dump(dump)


def changed(judged: tuple[Json, Fleet]) -> Json:
    return deepcopy(judged[0])


def test_plan_of_the_planner_breaks_no_rule(judged: tuple[Json, Fleet]) -> None:
    assert broken(*judged, LIMIT) == []


def test_node_without_a_run_is_named(judged: tuple[Json, Fleet]) -> None:
    plan = changed(judged)
    left = plan["runs"].pop()["node"]
    assert f"{left} has no run" in broken(plan, judged[1], LIMIT)


def test_node_with_two_runs_is_named(judged: tuple[Json, Fleet]) -> None:
    plan = changed(judged)
    plan["runs"].append(plan["runs"][-1])
    assert f"{plan['runs'][-1]['node']} has 2 runs" in broken(plan, judged[1], LIMIT)


def test_more_nodes_than_the_limit_are_counted(judged: tuple[Json, Fleet]) -> None:
    assert [text for text in broken(*judged, 1) if "out of service" in text]


def test_reboot_before_the_drain_ends_is_named(judged: tuple[Json, Fleet]) -> None:
    plan = changed(judged)
    plan["runs"][-1]["steps"][3]["start"] -= 1.0
    assert [text for text in broken(plan, judged[1], LIMIT) if "reboot starts at" in text]


def test_pod_that_is_not_evicted_is_named(judged: tuple[Json, Fleet]) -> None:
    plan, places = changed(judged), judged[1].places
    # The pods of StatefulSets keep their names on other nodes, from which they may be evicted again.
    left = next(pod for pod in places if "/app-" in pod)
    for run in plan["runs"]:
        run["evictions"] = [eviction for eviction in run["evictions"] if eviction["pod"] != left]
    assert f"{left} stays on a node that reboots" in broken(plan, judged[1], LIMIT)


def test_eviction_outside_the_drain_is_named(judged: tuple[Json, Fleet]) -> None:
    plan = changed(judged)
    plan["runs"][0]["evictions"][0]["at"] = 0.0
    assert [text for text in broken(plan, judged[1], LIMIT) if "outside the drain" in text]


def test_budget_that_is_exceeded_is_named(judged: tuple[Json, Fleet]) -> None:
    plan = changed(judged)
    for run in plan["runs"]:
        for eviction in run["evictions"]:
            eviction["ready_at"] = 1e6
    assert [text for text in broken(plan, judged[1], LIMIT) if "are unavailable at once" in text]


def test_node_before_the_canary_is_named(judged: tuple[Json, Fleet]) -> None:
    plan = changed(judged)
    run = next(run for run in plan["runs"] if not run["canary"])
    run["start"] = 0.0
    assert [text for text in broken(plan, judged[1], LIMIT) if "before the canaries" in text]


def test_dump_is_read_as_it_is_written(tmp_path: Path) -> None:
    snapshot = make("small", 10)
    write_dump(tmp_path / "dump.json", snapshot)
    fleet = read_dump(tmp_path / "dump.json")
    assert fleet.places == {f"{pod.namespace}/{pod.name}": pod.node for pod in snapshot.pods}
    assert fleet.allowed == {
        f"{budget.namespace}/{budget.name}": budget.disruptions_allowed for budget in snapshot.budgets
    }
