"""What CI, pre-commit and the pages run are targets of the Makefile, and the same programs as there."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.test_markdown import PAGES
from tools.markdown import blocks, words_in_code

ROOT = Path(__file__).parents[2]
MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z][a-z-]*):(?!=)", MAKEFILE, re.MULTILINE))
WORKFLOW = (ROOT / ".github/workflows/ci.yml").read_text()


def jobs() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(WORKFLOW)["jobs"]
    return found


def steps() -> list[dict[str, Any]]:
    return [step for job in jobs().values() for step in job["steps"]]


def recipe(target: str) -> list[str]:
    """The commands of a target, as a shell gets them but for variables."""
    found = re.search(rf"^{target}:.*\n((?:\t.*\n)+)", MAKEFILE, re.MULTILINE)
    assert found is not None
    return [line.strip() for line in found[1].splitlines()]


def test_ci_runs_targets_of_the_makefile_and_nothing_else() -> None:
    run = {step["run"] for step in steps() if "run" in step}
    assert run == {f"make {name}" for name in ("check", "test", "docs")}
    assert {each.removeprefix("make ") for each in run} <= TARGETS


def test_ci_runs_on_the_oldest_python_and_the_newest() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    oldest = project["requires-python"].removeprefix(">=")
    for name in ("check", "test"):
        assert jobs()[name]["strategy"]["matrix"]["python"] == [oldest, "3.x"]


def test_ci_may_only_read_and_each_action_is_pinned_by_its_commit() -> None:
    assert yaml.safe_load(WORKFLOW)["permissions"] == {"contents": "read"}
    assert not [name for name, job in jobs().items() if "permissions" in job or "timeout-minutes" not in job]
    used = re.findall(r"uses: (.*)", WORKFLOW)
    assert len(used) == len([step for step in steps() if "uses" in step])
    assert [
        each for each in used if not re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", each)
    ] == []
    checkouts = [step for step in steps() if step.get("uses", "").startswith("actions/checkout@")]
    assert len(checkouts) == len(jobs())
    assert all(step["with"] == {"persist-credentials": False} for step in checkouts)


def test_release_gives_rights_to_a_job_that_runs_nothing_of_the_repository() -> None:
    text = (ROOT / ".github/workflows/release.yml").read_text()
    workflow = yaml.safe_load(text)
    assert workflow["permissions"] == {}
    rights = {name: job["permissions"] for name, job in workflow["jobs"].items()}
    assert rights == {
        "build": {"contents": "read"},
        "release": {"contents": "write", "id-token": "write", "attestations": "write"},
    }
    run = {
        name: [step["run"] for step in job["steps"] if "run" in step]
        for name, job in workflow["jobs"].items()
    }
    assert {each.removeprefix("make ") for each in run["build"]} <= TARGETS
    assert [each.split()[0] for each in run["release"]] == ["gh"]
    assert "actions/checkout" not in text.partition("\n  release:")[2]
    used = re.findall(r"uses: (.*)", text)
    assert [
        each for each in used if not re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", each)
    ] == []


def test_pre_commit_runs_what_make_check_runs_and_downloads_nothing() -> None:
    known = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert [each["repo"] for each in known] == ["local"]
    hooks = known[0]["hooks"]
    run = {each["entry"].replace(".venv/bin/", "$(BIN)/") for each in hooks}
    assert run == {line for line in recipe("check-quick") if line.startswith("$(BIN)/")}
    assert all(each["language"] == "system" and each["pass_filenames"] is False for each in hooks)


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_target_that_a_page_names_exists(page: Path) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    code = [*words_in_code(text), *(content for kind, content in blocks(text) if kind in ("", "sh"))]
    named = {name for each in code for name in re.findall(r"^\s*make ([a-z][a-z-]*)\b", each, re.MULTILINE)}
    assert named <= TARGETS
