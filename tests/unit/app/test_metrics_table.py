"""What docs/metrics.md says of the metrics, and what dashboard and alerts ask for, is what a controller serves."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from fleet.app.monitoring.collect import collect
from fleet.core.metrics.family import MetricFamily
from fleet.core.reporting.node_state import NodeState
from fleet.core.rollout.steps import RolloutState
from tests.unit.app.homes import a_home

ROOT = Path(__file__).parents[3]
MONITORING = ROOT / "deploy/monitoring"
ROW = re.compile(r"^\| (`fleet_\w+`(?:, `_\w+`)*) \| ([\w, ]*?) ?\|", re.MULTILINE)
SELECTED = re.compile(r"\b(fleet_\w+)(?:\{([^}]*)\})?")
MATCHER = re.compile(r'(\w+)=~?"([^"]*)"')
GROUPED = re.compile(r"\bby \(([^)]*)\)")
TEMPLATE = re.compile(r"\{\{ ?(?:\$labels\.)?(\w+) ?\}\}")
PROCESS = frozenset({"process_resident_memory_bytes"})
"""Metrics that the Prometheus client adds."""
VALUES = {"state": frozenset(get_args(NodeState)), "status": frozenset(RolloutState)}


@pytest.fixture(scope="module")
def families(tmp_path_factory: pytest.TempPathFactory) -> dict[str, MetricFamily]:
    return {family.name: family for family in collect(a_home(tmp_path_factory.mktemp("home") / "home"))}


def documented() -> dict[str, tuple[str, ...]]:
    """Returns the labels of each metric in the table. `_completed` stands for a name with the same beginning."""
    found: dict[str, tuple[str, ...]] = {}
    for names, labels in ROW.findall((ROOT / "docs/metrics.md").read_text()):
        first, *others = re.findall(r"`(\w+)`", names)
        beginning = first.rsplit("_", 2)[0]
        for name in (first, *(f"{beginning}{other}" for other in others)):
            found[name] = tuple(re.findall(r"\w+", labels))
    return found


def test_table_has_every_metric_with_its_labels(families: dict[str, MetricFamily]) -> None:
    assert documented() == {name: family.labels for name, family in families.items()}


def asked() -> Iterator[tuple[str, str]]:
    """Yields each expression with the texts that name labels of its answer."""
    dashboard: dict[str, Any] = json.loads((MONITORING / "dashboard.json").read_text())
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            yield target["expr"], target.get("legendFormat", "")
    for rule in yaml.safe_load((MONITORING / "alerts.yaml").read_text())["groups"][0]["rules"]:
        yield rule["expr"], json.dumps(rule["annotations"])


@pytest.mark.parametrize(("expression", "told"), list(asked()))
def test_panel_or_alert_asks_for_what_is_served(
    families: dict[str, MetricFamily], expression: str, told: str
) -> None:
    selected = SELECTED.findall(expression)
    assert selected or any(name in expression for name in PROCESS)
    for name, matchers in selected:
        served = set(families[name].labels)
        for label, values in MATCHER.findall(matchers):
            assert label in served
            if label in VALUES:
                assert set(values.split("|")) <= VALUES[label]
        grouped = [set(re.findall(r"\w+", labels)) for labels in GROUPED.findall(expression)]
        assert all(labels <= served for labels in grouped)
        left = grouped[0] if grouped else served
        assert set(TEMPLATE.findall(told)) <= left
