"""What an installed fleet has: every file of the package, and the marker that its types may be used."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

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


def test_a_wheel_has_every_file_of_the_package_and_says_that_it_is_typed(tmp_path: Path) -> None:
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
