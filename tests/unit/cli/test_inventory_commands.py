"""The commands inventory import, list and remove: their exit codes, and what they print into a pipe."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from threading import Thread

import pytest

from fleet.app.wiring.home import Home
from fleet.cli.main import run
from fleet.cli.views.sources import removed
from fleet.core.sources.source_list import RemovedSource
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


def test_pipe_is_read_once_and_needs_a_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    call = ["--home", str(tmp_path), "inventory", "import", str(pipe)]
    assert run(call) == 2, "nothing is opened: nobody writes into the pipe"
    assert "--name NAME" in capsys.readouterr().err
    writer = Thread(target=lambda: pipe.write_text("name\nn-1\n"))
    writer.start()
    assert run([*call, "--name", "cmdb"]) == 0
    writer.join()
    assert capsys.readouterr().out.startswith("cmdb: 1 machine from pipe (1 new)\n")


def test_standard_input_is_imported(tmp_path: Path) -> None:
    call = [sys.executable, "-m", "fleet.cli", "--home", str(tmp_path), "inventory", "import", "-"]

    def imported(content: bytes, *options: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run([*call, *options], input=content, capture_output=True, check=False)

    unnamed = imported(b"name\nn-1\n")
    assert unnamed.returncode == 2 and b"--name NAME" in unnamed.stderr
    wrong = imported(b"name,Owner\nn-1,ann\n", "--name", "cmdb")
    assert wrong.returncode == 2 and b"standard input:1:" in wrong.stderr
    tried = imported(b"name\nn-1\n", "--name", "cmdb", "--dry-run")
    assert tried.stdout.startswith(b"cmdb: 1 machine in standard input; nothing was stored\n")
    done = imported("name\nn-1\n".encode("utf-16"), "--name", "cmdb")
    assert done.stdout.startswith(b"cmdb: 1 machine from standard input (1 new)\n")


def test_machines_that_are_forgotten_with_a_source_are_named(
    home: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, machines in (("cmdb", ["n-1", "n-8", "n-9"]), ("rack", ["n-8"])):
        (tmp_path / f"{name}.csv").write_text("\n".join(["name", *machines, ""]))
        assert run([*home, "inventory", "import", str(tmp_path / f"{name}.csv")]) == 0
    capsys.readouterr()
    assert run([*home, "inventory", "remove", "cmdb"]) == 0
    told = capsys.readouterr()
    assert (told.out + told.err).splitlines() == [
        "Removed cmdb with 3 machines.",
        "  only the history knows now: n-9",
    ]
    assert run([*home, "inventory", "remove", "rack"]) == 0
    told = capsys.readouterr()
    assert "n-8" in told.out + told.err


def test_forgotten_machines_beyond_those_named_are_counted() -> None:
    found = removed(RemovedSource("cmdb", 13, tuple(f"n-{number}" for number in range(13)))).plain
    assert "n-9 and 3 more" in found and "n-10" not in found
