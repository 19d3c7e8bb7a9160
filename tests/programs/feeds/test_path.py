"""From a feed to the newest release, over a barrier: what a user types, on simulated clusters."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from fleet.cli.main import run
from fleet.core.releases.release import Release
from fleet.lab.simulation.builders import a_machine, a_node, a_snapshot
from tests.unit.app.homes import a_home
from tests.unit.feeds.server import FeedServer

POLICY = """\
streams:
  - name: stable
    feed: {{url: '{url}/list'}}
pools:
  - name: workers
    selector: {{matchLabels: {{pool: workers}}}}
    stream: stable
    limits: {{max_unavailable: 2}}
    canaries: 1
"""
LIST = """\
releases:
  - {version: 44.1.0, kernel: 6.11.1}
  - {version: 44.2.0, kernel: 6.11.2, barrier: new signing keys}
  - {version: 44.3.0, kernel: 6.11.3}
  - {version: 44.4.0, kernel: 6.11.4, dead_end: it does not boot on some machines}
"""


class Fleet:
    """Runs commands in a home."""

    def __init__(self, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._home, self._capsys = home, capsys

    def __call__(self, *arguments: str) -> tuple[int, str]:
        code = run(["--home", str(self._home), *arguments])
        printed = self._capsys.readouterr()
        return code, printed.out + printed.err

    def json(self, *arguments: str) -> Any:
        code = run(["--home", str(self._home), *arguments, "-o", "json"])
        assert code == 0
        return json.loads(self._capsys.readouterr().out)


def test_nodes_reach_the_newest_release_over_the_barrier_and_never_the_dead_end(
    tmp_path: Path, server: FeedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server.documents["/list"] = LIST.encode()
    booted = {"n-1": "44.1.0", "n-2": "44.1.0", "n-3": "44.2.0"}
    nodes = [a_node(name, os_image=f"Simulated OS {version}") for name, version in booted.items()]
    machines = tuple(a_machine(node, Release(booted[node.name])) for node in nodes)
    home = a_home(
        tmp_path / "home",
        replace(a_snapshot(nodes), machines=machines),
        policy=POLICY.format(url=server.url),
    )
    fleet = Fleet(home.path, capsys)
    assert fleet("releases", "sync") == (0, "stable: 4 releases, new: 44.1.0, 44.2.0, 44.3.0, 44.4.0\n")
    fleet("sync")
    (stream,) = fleet.json("releases")["streams"]
    assert stream["target"] == "44.3.0"
    assert {release["version"]: release["nodes"] for release in stream["releases"]} == {
        "44.4.0": 0,
        "44.3.0": 0,
        "44.2.0": 1,
        "44.1.0": 2,
    }
    for hops, target, reboots in ((["44.2.0", "44.3.0"], "44.2.0", 2), (None, "44.3.0", 3)):
        plan = fleet.json("plan")
        assert plan["target"]["version"] == target and len(plan["runs"]) == reboots
        assert ([hop["release"] for hop in plan["hops"]] if "hops" in plan else None) == hops
        code, told = fleet("rollout", "start", plan["plan_id"], "--foreground")
        assert code == 0, told
    (stream,) = fleet.json("releases")["streams"]
    assert {release["version"]: release["nodes"] for release in stream["releases"]}["44.3.0"] == 3
    code, told = fleet("plan")
    assert code == 0 and "Nothing to do" in told
