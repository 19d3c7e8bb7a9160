"""A command as a shell starts it: streams that are closed, a reader that leaves, what it loads for its help."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from fleet.app.wiring.home import Home
from fleet.cli.main import run
from fleet.lab.simulation.builders import START, a_node, a_snapshot
from fleet.store import ClusterRow
from tests.unit.app.homes import a_home


@pytest.mark.parametrize("output", ["table", "wide", "json", "csv"])
@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_output_is_no_error(tmp_path: Path, closed: str, output: str) -> None:
    """Nothing that was meant for it goes elsewhere: neither to another stream, nor into the database, which would
    otherwise be opened under its number."""
    home = a_home(tmp_path / "home")
    assert run(["--home", str(home.path), "sync"]) == 0
    line = f'"{sys.executable}" -m fleet.cli --home "{home.path}"'
    good = subprocess.run(
        ["sh", "-c", f"{line} status -o {output} {closed}"], capture_output=True, text=True, check=False
    )
    assert (good.returncode, good.stderr) == (0, "")
    assert bool(good.stdout) == (closed == "2>&-")
    bad = subprocess.run(
        ["sh", "-c", f"{line} status --pool nope {closed}"], capture_output=True, text=True, check=False
    )
    assert (bad.returncode, bad.stdout) == (2, "")
    assert bool(bad.stderr) == (closed == ">&-")
    assert run(["--home", str(home.path), "audit", "verify"]) == 0


@pytest.mark.parametrize("output", ["wide", "json", "csv"])
def test_letter_that_the_locale_lacks_is_no_error(tmp_path: Path, output: str) -> None:
    """A document for programs is in UTF-8 all the same."""
    home = a_home(tmp_path / "home", a_snapshot([a_node("n-1", kernel="6.1-\u00e9")]))
    environ = {**os.environ, "FLEET_HOME": str(home.path), "PYTHONIOENCODING": "ascii"}
    command = [sys.executable, "-m", "fleet.cli"]
    assert run(["--home", str(home.path), "sync"]) == 0
    found = subprocess.run([*command, "status", "-o", output], env=environ, capture_output=True, check=False)
    assert (found.returncode, found.stderr) == (0, b"")
    shown = "6.1-\\xe9" if output == "wide" else "6.1-\u00e9"
    assert shown in found.stdout.decode()


def test_reader_that_leaves_early_is_no_error(tmp_path: Path) -> None:
    home = a_home(tmp_path / "home")
    environ = {**os.environ, "FLEET_HOME": str(home.path)}
    command = [sys.executable, "-m", "fleet.cli", "plan", "--pool", "workers", "-o", "json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environ) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


def test_help_imports_nothing_that_only_commands_need() -> None:
    arguments = (
        "import sys, fleet.cli.registry; fleet.cli.registry.program(); print([m for m in sys.modules if m in "
        + repr(
            [
                "sqlmodel",
                "sqlalchemy",
                "kubernetes",
                "jinja2",
                "rich.live",
                "asyncio",
                "yaml",
                "fleet.store",
                "fleet.kube",
            ]
        )
        + "])"
    )
    done = subprocess.run([sys.executable, "-c", arguments], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


VALIDATORS = ("pydantic", "sqlalchemy")
"""Typer's is pydantic, which alone takes half as long to import as all that a status needs."""
NOT_FOR_STATUS = (
    *VALIDATORS,
    *(
        "csv",
        "dateutil",
        "fractions",
        "importlib.resources",
        "rich.console",
        "socket",
        "statistics",
        "tempfile",
    ),
    *("fleet.cli.commands.plans", "fleet.cli.commands.lab", "fleet.core.engine"),
    *("fleet.core.planning.plan", "fleet.kube", "fleet.planner", "fleet.simulated"),
)
"""What `fleet status` and questions like that do not load where no rollout is active: half of their time is imports."""


def loaded(home: Home, command: Sequence[str], names: Sequence[str]) -> list[str]:
    """Runs a command in a new process, and returns which of these modules it has loaded."""
    code = (
        "import sys; from fleet.cli.main import run; code = run(sys.argv[1:]); "
        f"print(*(name for name in {tuple(names)} if name in sys.modules), file=sys.stderr); sys.exit(code)"
    )
    line = [sys.executable, "-c", code, "--home", str(home.path), *command]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 4), done.stderr
    return done.stderr.split()


@pytest.mark.parametrize("command", [("status",), ("status", "-o", "json"), ("exposure", "kernel<99")])
def test_a_question_loads_only_what_it_needs(tmp_path: Path, command: Sequence[str]) -> None:
    home = Home(tmp_path / "home")
    store = home.make()
    store.clusters.add(ClusterRow(name="east", sites=("fra",), kind="kubeconfig", kubeconfig="/none"))
    store.inventory.sync(a_snapshot([a_node("n-1")]), at=START, source="sync")
    assert loaded(home, command, NOT_FOR_STATUS) == []


def test_a_list_of_rollouts_loads_no_validator(tmp_path: Path) -> None:
    assert loaded(a_home(tmp_path / "home"), ["rollout", "list"], VALIDATORS) == []


def test_plan_of_a_dump_loads_no_client_of_an_api_server(tmp_path: Path) -> None:
    """That import took as long as the plan of a small cluster."""
    node = {
        "kind": "Node",
        "metadata": {"name": "n-1", "uid": "u-1", "labels": {"pool": "workers"}},
        "status": {"conditions": [{"type": "Ready", "status": "True"}], "nodeInfo": {"bootID": "b-1"}},
    }
    dump = tmp_path / "shop.json"
    dump.write_text(json.dumps({"kind": "List", "apiVersion": "v1", "items": [node]}))
    command = ("plan", "--pool", "workers", "--from-dump", str(dump))
    assert loaded(a_home(tmp_path / "home"), command, ("aiohttp", "fleet.kube.client")) == []
