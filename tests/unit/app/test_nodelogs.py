"""`fleet node logs` of a node of the fleet."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from fleet.cli.main import run
from fleet.core.objects.machine import Work
from tests.unit.app.homes import a_home, small_cluster


def test_log_of_a_machine_is_returned_and_the_request_is_journaled(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    snapshot = small_cluster()
    rolled_back = Work("t", "done", log="kubelet: out of memory\n")
    machines = [replace(each, work=rolled_back) if each.name == "n-1" else each for each in snapshot.machines]
    home = a_home(tmp_path / "home", replace(snapshot, machines=tuple(machines)))
    message = ["--home", str(home.path)]
    assert run([*message, "sync"]) == 0
    capsys.readouterr()
    assert run([*message, "node", "logs", "n-1", "--last-boot", "--unit", "kubelet.service"]) == 0
    assert capsys.readouterr().out == "kubelet: out of memory\n"
    assert run([*message, "node", "logs", "n-2", "--last-boot"]) == 1
    assert "no earlier boot" in capsys.readouterr().err
    reported = [entry.record for entry in home.store.journal.entries() if entry.record.kind == "log"]
    assert [(each.form, each.node, each.detail) for each in reported] == [
        ("command", "east/n-1", {"lines": 100, "unit": "kubelet.service"}),
        ("command", "east/n-2", {"lines": 100}),
    ]


def test_unknown_node_and_missing_fleet_have_remedies(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["--home", str(tmp_path / "none"), "node", "logs", "n-1", "--last-boot"]) == 2
    assert "--host ssh:n-1" in capsys.readouterr().err
    home = a_home(tmp_path / "home")
    assert run(["--home", str(home.path), "sync"]) == 0
    capsys.readouterr()
    assert run(["--home", str(home.path), "node", "logs", "n-77", "--last-boot"]) == 2
    assert "no node n-77" in capsys.readouterr().err


def test_invalid_unit_is_refused_before_anything_is_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = a_home(tmp_path / "home")
    message = ["--home", str(home.path), "node", "logs", "n-1", "--last-boot", "--unit", "a;b"]
    for way in ([], ["--host", "here"]):
        assert run([*message, *way]) == 2
        assert "'a;b'" in capsys.readouterr().err
    assert not [entry for entry in home.store.journal.entries() if entry.record.kind == "log"]
