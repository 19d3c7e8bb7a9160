"""Two reports compared: every figure, by what identifies it."""

from __future__ import annotations

import copy
import json
from typing import Any

import msgspec
import pytest

from fleet.core.reporting.period.diff import LEFT_OUT, Difference, differences
from tests.unit.report.scenes import a_scene

Content = dict[str, Any]


@pytest.fixture(scope="module")
def content() -> Content:
    found: Content = json.loads(msgspec.json.encode(a_scene(nodes=2, deployments=2)))
    return found


def test_a_report_does_not_differ_from_itself(content: Content) -> None:
    assert list(differences(content, copy.deepcopy(content))) == []


def test_every_change_of_a_figure_is_found_with_its_place(content: Content) -> None:
    count = 0
    for path, holder, key in places(content):
        changed = holder[key]
        holder[key] = "changed"
        try:
            found = list(differences(original(content), content))
        finally:
            holder[key] = changed
        assert found, path
        count += 1
    assert count > 100


def test_nodes_are_compared_by_their_names(content: Content) -> None:
    other = copy.deepcopy(content)
    other["runs"].reverse()
    assert list(differences(content, other)) == []
    gone = other["runs"].pop()
    (found,) = differences(content, other)
    assert (found.path, found.kind, found.before) == (
        f"runs[{gone['cluster']}/{gone['node']}]",
        "removed",
        gone,
    )


def test_difference_has_a_readable_message() -> None:
    (found,) = differences({"totals": {"done": 1}}, {"totals": {"done": 2}})
    assert (found, found.words) == (Difference("totals.done", "changed", 1, 2), "1 -> 2")
    (found,) = differences({"x": [1]}, {"x": [1, None]})
    assert (found.path, found.words) == ("x[1]", "added: none")
    (found,) = differences({"x": True}, {"x": 1})
    assert found.words == "True -> 1"


_ORIGINALS: dict[int, Content] = {}


def original(content: Content) -> Content:
    return _ORIGINALS[id(content)]


def places(content: Content) -> list[tuple[str, Any, Any]]:
    """Every value that is neither a list nor an object, with what holds it."""
    _ORIGINALS[id(content)] = copy.deepcopy(content)
    found: list[tuple[str, Any, Any]] = []

    def walk(holder: Any, path: str) -> None:
        items = holder.items() if isinstance(holder, dict) else enumerate(holder)
        for key, value in items:
            if path == "" and key in LEFT_OUT:
                continue
            if isinstance(value, dict | list):
                walk(value, f"{path}.{key}")
            else:
                found.append((f"{path}.{key}", holder, key))

    walk(content, "")
    return found
