"""The commands inventory import, list and remove: their exit codes, and what they print into a pipe."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fleet.app.wiring.home import Home
from fleet.cli.main import run
from fleet.lab.simulation.builders import START, a_node, a_snapshot
from fleet.store import ClusterRow


@pytest.fixture
def home(tmp_path: Path) -> list[str]:
    """A fleet with one node."""
    made = Home(tmp_path)
    with made.make() as store:
        store.clusters.add(ClusterRow(name="east", sites=("fra",), kubeconfig="/none"))
        store.inventory.sync(a_snapshot([a_node("n-1")]), at=START, source="sync")
        store.clusters.touch("east", at=START, version="v1.36.3")
    return ["--home", str(tmp_path)]


def test_spreadsheet_is_imported_compared_shown_and_removed(
    home: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "cmdb.csv"
    file.write_text("name;kernel;Owner\nn-1;1.0;ann\nn-9;1.0;bob\n")
    call = [*home, "inventory", "import", str(file)]
    assert run(call) == 2
    assert f"{file}:1: expected a known column, found 'Owner' (column 3)" in capsys.readouterr().err
    assert run([*call, "--map", "Owner="]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "cmdb: 2 machines from cmdb.csv (2 new)",
        "  1 in the fleet",
        "  1 in no cluster (fleet orphans)",
    ]
    assert run([*call, "--map", "Owner=", "-o", "json"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert (again["added"], again["same"], again["source"]["alone"]) == (0, 2, 1)
    assert run([*home, "node", "show", "n-1", "--sources"]) == 0
    assert (
        "conflict: kernel: another value by kubelet and agent; that of cmdb is newer"
        in capsys.readouterr().out
    )
    assert run([*home, "status"]) == 0
    assert "Known:  machines that no cluster has: 1 in cmdb (fleet orphans)" in capsys.readouterr().out
    assert run([*home, "orphans"]) == 4
    assert "n-9: cmdb has it" in capsys.readouterr().out
    assert run([*home, "node", "show", "n-9"]) == 0
    assert "n-9 in no cluster" in capsys.readouterr().out
    assert run([*home, "inventory", "list"]) == 0
    assert "cmdb" in capsys.readouterr().out
    assert run([*home, "inventory", "remove", "cmdb"]) == 0
    assert run([*home, "inventory", "remove", "cmdb"]) == 2
    capsys.readouterr()
    assert run([*home, "inventory", "list", "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"sources": []}


def test_workbook_is_named_as_what_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for content in (b"PK\x03\x04\x14\x00", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\x00"):
        file = tmp_path / "machines.xlsx"
        file.write_bytes(content)
        assert run(["--home", str(tmp_path), "inventory", "import", str(file)]) == 2
        assert f"{file} is a workbook or an archive" in capsys.readouterr().err


def test_machines_of_a_spreadsheet_are_counted_where_there_is_no_cluster(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "cmdb.csv"
    file.write_text("name\nn-1\nn-2\n")
    home = ["--home", str(tmp_path)]
    assert run([*home, "inventory", "import", str(file)]) == 0
    assert run([*home, "status"]) == 0
    shown = capsys.readouterr().out
    assert "No clusters yet." in shown
    assert "Known:  machines that no cluster has: 2 in cmdb (fleet orphans)" in shown


def test_mistakes_beyond_those_shown_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "cmdb.csv"
    file.write_text("name,ip\n" + "".join(f"n-{number},x\n" for number in range(1234)))
    assert run(["--home", str(tmp_path), "inventory", "import", str(file)]) == 2
    assert capsys.readouterr().err.startswith("error: 1,234 problems in the source\n")
