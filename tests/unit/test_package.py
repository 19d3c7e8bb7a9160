"""An installed fleet has every file of the package, is typed, and declares what it imports."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from tools.lock import pinned

ROOT = Path(__file__).parents[2]


def files(folder: Path) -> set[str]:
    """Every file below a folder of the package, a link to a folder followed, without what Python keeps there."""
    found = set()
    for path in folder.iterdir():
        if path.name == "__pycache__":
            continue
        if path.is_dir():
            found |= files(path)
        else:
            found.add(str(path.relative_to(ROOT)))
    return found


def test_wheel_has_every_file_of_the_package_and_is_typed(tmp_path: Path) -> None:
    source, wheels = tmp_path / "source", tmp_path / "wheels"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    shutil.copytree(ROOT / "fleet", source / "fleet", ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    command += ["--disable-pip-version-check", "--no-index", "--wheel-dir", str(wheels), str(source)]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    (wheel,) = wheels.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if name.startswith("fleet/")}
    assert "fleet/py.typed" in packed
    assert files(ROOT / "fleet") == packed


def imported(folder: Path) -> set[str]:
    """The top-level names of all absolute imports below a folder."""
    found = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {each.name.split(".")[0] for each in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                found.add((node.module or "").split(".")[0])
    return found


def named(requirement: str) -> str:
    return normal(re.split(r"[\[<>=,;]", requirement)[0])


def normal(name: str) -> str:
    """The name of a distribution as PEP 503 compares names."""
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("folder", ["fleet", "tests", "tools", "bench", "docs"])
def test_every_imported_package_is_declared(folder: str) -> None:
    """A package that another one happens to need may be gone with the next version of that one."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    project = settings["project"]
    declared = [*project["dependencies"], *project["optional-dependencies"]["playbooks"]]
    if folder != "fleet":
        declared += settings["dependency-groups"]["dev"]
    names = {named(each) for each in declared}
    known = packages_distributions()
    others = imported(ROOT / folder) - sys.stdlib_module_names - {"fleet", "tests", "tools", "bench"}
    assert {each for each in others if not set(map(normal, known.get(each, []))) & names} == set()


@pytest.mark.parametrize(
    ("lock", "group"),
    [("requirements.lock", "dev"), ("docs/requirements.lock", "docs"), ("deploy/requirements.lock", "")],
)
def test_lock_pins_every_package_by_hashes_and_names_no_index(lock: str, group: str) -> None:
    text = (ROOT / lock).read_text()
    assert "://" not in text and not re.findall(r"^--", text, re.MULTILINE)
    locked = {each.name for each in pinned(text, "3.11")}
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = settings["dependency-groups"][group] if group else settings["project"]["dependencies"]
    assert {canonicalize_name(named(each)) for each in wanted} <= locked
