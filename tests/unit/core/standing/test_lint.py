"""`fleet lint` names the standing policies under which no release can ever qualify."""

from __future__ import annotations

import pytest

from fleet.config import loads
from fleet.core.linting.lint import lint
from fleet.lab.simulation.builders import a_node, a_snapshot

POLICY = """
streams:
  - {{name: stable, releases: [{{version: "1"{date}}}]}}
  - {{name: other, releases: [{{version: "2"}}]}}
stages: [{{name: first, pools: [canary]}}, {{name: rest}}]
pools:
  - {{name: canary, stream: {stream}, selector: {{matchLabels: {{pool: canary}}}}, upgrade: {canary}}}
  - {{name: empty, stream: stable, selector: {{matchLabels: {{pool: nobody}}}}}}
  - {{name: workers, stream: stable, upgrade: {{mode: auto, {keys}}}}}
"""


def checks(keys: str, date: str = "", stream: str = "stable", canary: str = "auto") -> set[tuple[str, str]]:
    policy, _ = loads(POLICY.format(keys=keys, date=date, stream=stream, canary=canary))
    nodes = [a_node("n-1", labels={"pool": "canary"}), a_node("n-2", labels={"pool": "workers"})]
    found = lint(policy, [a_snapshot(nodes)]).findings
    return {(each.check, each.subject) for each in found if each.check.startswith("standing")}


@pytest.mark.parametrize(
    "keys", ["delay: 0", "soaked_in: [{pool: canary, for: 1d}]", "soaked_in: [{stage: first, for: 1d}]"]
)
def test_a_policy_that_can_start_something_is_fine(keys: str) -> None:
    assert checks(keys) == set()


def test_a_delay_of_releases_without_dates_is_named() -> None:
    assert checks("delay: 1d") == {("standing-undated", "pool workers")}
    assert checks("delay: 1d", date=", released: 2026-11-01") == set()


@pytest.mark.parametrize(
    ("keys", "stream"),
    [
        ("soaked_in: [{pool: empty, for: 1d}]", "stable"),
        ("soaked_in: [{stage: rest, for: 1d}]", "stable"),
        ("soaked_in: [{pool: canary, for: 1d}]", "other"),
        ("soaked_in: [{stage: first, for: 1d}]", "other"),
    ],
)
def test_a_soak_where_no_release_gets_to_is_named(keys: str, stream: str) -> None:
    assert checks(keys, stream=stream) == {("standing-soak", "pool workers")}


def test_pools_that_wait_for_one_another_are_named() -> None:
    canary = "{mode: auto, soaked_in: [{pool: workers, for: 1d}]}"
    assert checks("soaked_in: [{pool: canary, for: 1d}]", canary=canary) == {
        ("standing-circle", "pool canary"),
        ("standing-circle", "pool workers"),
    }
