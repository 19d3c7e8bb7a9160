"""The chart as helm renders it, and helm itself."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from fleet.lab.errors import LabError
from tools.chart import CHART
from tools.go_programs import program

Json = dict[str, Any]


def built(name: str) -> Path:
    """Returns helm or actionlint. Skips the test where it cannot be built; with CI=true the test fails."""
    try:
        return program(name)
    except LabError as error:
        if os.environ.get("CI") == "true":
            pytest.fail(f"there is no {name}: {error}")
        pytest.skip(f"there is no {name}: {error}")


def helm() -> Path:
    return built("helm")


def run(*arguments: str, values: Json | None = None) -> subprocess.CompletedProcess[str]:
    """Runs helm with these values. `arguments` are the command, options of helm before it, and its own after it."""
    given = ("--values", "-") if values is not None else ()
    return subprocess.run(
        [helm(), *arguments, *given],
        input=json.dumps(values or {}),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def render(values: Json | None = None, *arguments: str) -> str:
    """Returns the YAML of the chart with these values."""
    done = run("template", "fleet", str(CHART), *arguments, values=values or {})
    assert done.returncode == 0, done.stderr
    return done.stdout


def refusal(values: Json) -> str:
    """Returns what helm says when it refuses these values."""
    done = run("template", "fleet", str(CHART), values=values)
    assert done.returncode != 0, "helm has accepted them"
    return done.stderr


def objects(values: Json | None = None, *arguments: str) -> dict[tuple[str, str], Json]:
    """Returns the objects of the chart by kind and name; where two namespaces have the same name, with the namespace."""
    found: dict[tuple[str, str], Json] = {}
    for each in yaml.safe_load_all(render(values, *arguments)):
        if each:
            metadata = each["metadata"]
            key = (each["kind"], metadata["name"])
            if key in found:
                key = (each["kind"], f"{metadata['namespace']}/{metadata['name']}")
            assert key not in found, key
            found[key] = each
    return found


def pod(found: dict[tuple[str, str], Json], kind: str, name: str) -> Json:
    """Returns the specification of the pods of a workload."""
    spec: Json = found[kind, name]["spec"]["template"]["spec"]
    return spec
