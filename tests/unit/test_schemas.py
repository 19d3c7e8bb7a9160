"""The published JSON Schemas are those of the structs, and what fleet prints meets them."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from fleet.core import schemas
from fleet.core.planning.estimates import DurationEstimates
from fleet.core.planning.plan import Plan
from fleet.core.reporting.node_state import StatusNode
from fleet.core.reporting.report import Report, Verdict
from fleet.core.reporting.reporter import make_report
from fleet.core.reporting.status import FleetStatus, StatusCluster, StatusPool, Summary
from fleet.lab.simulation.builders import (
    NEW,
    OLD,
    START,
    a_budget,
    a_deployment,
    a_node,
    a_policy,
    a_snapshot,
)
from fleet.planner.planner import make_plan
from fleet.planner.request import PlanRequest
from tests.simulated_rollout import SimulatedRollout

FOLDER = Path(__file__).parents[2] / "docs" / "schemas"


@pytest.fixture(scope="module")
def plan() -> Plan:
    """Of four nodes, one of which a budget holds."""
    return make_plan(PlanRequest("p-1", [fleet()], a_policy(), ["workers"], NEW, START, DurationEstimates()))


@pytest.fixture(scope="module")
def report(plan: Plan) -> Report:
    story = SimulatedRollout([fleet()], a_policy())
    story.start(canaries=["n-1"])
    story.run(600)
    story.send("abort")
    story.run()
    return make_report("r-1", story.entries, story.now, Verdict(True, len(story.entries)), plan)


def fleet() -> Any:
    nodes = [a_node(f"n-{number}") for number in range(1, 5)]
    web, stuck = a_deployment("web", 4, nodes[:3]), a_deployment("stuck", 1, nodes[3:])
    budgets = [a_budget("web", 4, 1), a_budget("stuck", 1, 0)]
    return a_snapshot(nodes, (web[0] + stuck[0], web[1] + stuck[1]), budgets)


def status() -> FleetStatus:
    node = StatusNode(
        cluster="east",
        site="fra",
        zone="a",
        pool="workers",
        name="n-1",
        os="Simulated OS",
        version=OLD.version,
        kernel=OLD.kernel,
        booted=OLD.digest,
        staged="",
        target=NEW.version,
        state="held",
        held=("budget",),
        since=START,
    )
    cluster = StatusCluster("east", ("fra",), True, START)
    row = StatusPool("fra", "east", "workers", 1, 0, NEW.version, eta_seconds=90)
    return FleetStatus(START + timedelta(1), (cluster,), (node,), Summary(1, 0, {"held": 1}, pools=(row,)))


def check(name: str, document: object) -> None:
    known = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(known)
    validator = jsonschema.Draft202012Validator(known, format_checker=jsonschema.FormatChecker())
    validator.validate(json.loads(msgspec.json.encode(document)))


@pytest.mark.parametrize("name", schemas.PUBLISHED)
def test_committed_schema_is_that_of_the_structs(name: str) -> None:
    committed = (FOLDER / f"{name}.json").read_text(encoding="utf-8")
    assert committed == schemas.text(name), "run: python docs/schemas/generate.py"


def test_every_committed_schema_is_published() -> None:
    assert {path.stem for path in FOLDER.glob("*.json")} == set(schemas.PUBLISHED)


def test_plan_matches_its_schema(plan: Plan) -> None:
    assert plan.runs and plan.held
    check("plan", plan)


def test_status_matches_its_schema() -> None:
    check("status", status())


def test_report_and_its_entries_match_their_schemas(report: Report) -> None:
    assert report.counts.done and report.held and report.against
    check("report", report)
    for entry in report.entries:
        check("journal-entry", entry)


def test_report_without_one_of_its_keys_does_not_match_the_schema(report: Report) -> None:
    short = msgspec.to_builtins(report)
    del short["journal"]["verdict"]
    with pytest.raises(jsonschema.ValidationError, match="verdict"):
        check("report", short)


def test_schema_has_units_and_the_format_of_times() -> None:
    run = schemas.schema("report")["$defs"]["ReportRun"]["properties"]
    assert run["ended"]["anyOf"][0] == {"type": "string", "format": "date-time"}
    step = schemas.schema("plan")["$defs"]["PlannedStep"]["properties"]
    assert step["start"]["description"].startswith("Seconds from the plan's start")


@pytest.mark.parametrize("name", schemas.PUBLISHED)
def test_no_description_has_the_indentation_of_the_code(name: str) -> None:
    assert "\\n " not in schemas.text(name)
