"""How processes log: a line a record, as text and as JSON, with what each is about."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest

from fleet.system import logs
from fleet.system.logs import CLUSTER, Json, Lines


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    root, ours = logging.getLogger(), logging.getLogger("fleet")
    kept = (list(root.handlers), root.level, ours.level)
    yield
    root.handlers[:] = kept[0]
    root.setLevel(kept[1])
    ours.setLevel(kept[2])


def record(message: str, **about: str) -> logging.LogRecord:
    made = logging.LogRecord("fleet.controller", logging.WARNING, "", 0, "%s", (message,), None)
    made.created = 1796000000.25
    for name, value in about.items():
        setattr(made, name, value)
    return made


def test_line_of_text_names_its_subject() -> None:
    reported = Lines().format(record("step failed: no room", rollout="r-1", cluster="east", node="n-1"))
    assert reported == "2026-11-30T00:53:20.250Z WARNING r-1 east/n-1: step failed: no room"


def test_line_of_json_has_a_key_for_each_field() -> None:
    reported = json.loads(Json().format(record("no \x1b[0m room", rollout="r-1", cluster="east", node="n-1")))
    assert reported == {
        "time": "2026-11-30T00:53:20.250Z",
        "level": "warning",
        "logger": "fleet.controller",
        "message": "no \x1b[0m room",
        "rollout": "r-1",
        "cluster": "east",
        "node": "n-1",
    }


def test_json_line_is_ascii_with_the_traceback() -> None:
    try:
        raise ValueError("first\nsecond")
    except ValueError as error:
        made = record("a\n\u202eb")
        made.exc_info = (type(error), error, error.__traceback__)
    text = Json().format(made)
    assert text.isascii() and "\n" not in text
    assert "first\nsecond" in json.loads(text)["error"]


def test_log_line_of_a_clusters_task_names_the_cluster() -> None:
    before = CLUSTER.set("west")
    try:
        assert json.loads(Json().format(record("away")))["cluster"] == "west"
        assert json.loads(Json().format(record("away", cluster="east")))["cluster"] == "east"
    finally:
        CLUSTER.reset(before)


@pytest.mark.parametrize(
    ("level", "reported"), [("debug", "abcd"), ("info", "bcd"), ("warning", "cd"), ("error", "d")]
)
def test_level_is_that_of_fleets_own_loggers(
    level: logs.Level, reported: str, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.begin("json", "debug")
    logs.begin("json", level)
    ours, others = logging.getLogger("fleet.x"), logging.getLogger("paramiko.transport")
    for name, word in (("debug", "a"), ("info", "b"), ("warning", "c"), ("error", "d")):
        getattr(ours, name)(word)
    others.debug("not this")
    others.warning("e")
    result = [json.loads(line)["message"] for line in capsys.readouterr().err.splitlines()]
    assert result == [*reported, "e"]
