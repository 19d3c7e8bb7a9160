"""The layer of the Python packages that fleet needs, of the versions and files that the lock names."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from fleet.lab.build import ReportLine
from fleet.lab.machines.container import debian
from fleet.lab.machines.container.files import ImageFile, below
from fleet.lab.machines.images import kept

LOCK = Path(__file__).parent / "requirements.lock"
"""A link to the lock of the image. The wheel of fleet has its content."""

ROOT = "opt/fleet"
SITE = f"{ROOT}/lib/{debian.PYTHON}/site-packages"

LAB_ALONE = ("kubernetes",)
"""Packages that only `fleet lab` uses, which builds its programs with Go; this one is as large as all others together."""
_UNUSED = ("bin", "ansible_test", *LAB_ALONE)
_FROM_PIP = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json")
"""Files that pip writes for itself. Those with hashes would not be true of a package from which files are left out."""


def install(base: Path, progress: ReportLine) -> Path:
    """Returns a folder with `site`, the packages, compiled; half a minute if they were not installed before. `base`: the
    folder that `debian.unpack` returned. Raises LabError."""
    made_from = kept.key(base.name, LOCK.read_bytes(), Path(__file__).read_bytes())
    return kept.keep(
        "image-packages", made_from, lambda folder: _install(folder, base / "tree", progress), progress
    )


def _install(folder: Path, tree: Path, progress: ReportLine) -> None:
    progress("installing the locked Python packages for fleet's image (once; some half a minute)")
    site = folder / "site"
    (wheel,) = (tree / "usr/share/python-wheels").glob("pip-*.whl")
    # pip of the image's own Python: with --python-version, another Python's pip chooses files for that version, and by
    # the lock's markers the packages for its own.
    debian.python(
        tree,
        *(
            wheel / "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--no-cache-dir",
            "--no-compile",
        ),
        *("--no-deps", "--only-binary=:all:", "--require-hashes", "-r", LOCK, "--target", site),
    )
    for name in _UNUSED:
        for path in (site / name, *site.glob(f"{name}-*.dist-info")):
            shutil.rmtree(path, ignore_errors=True)
    debian.compile_all(tree, site, f"/{SITE}")


def files(installed: Path) -> Mapping[str, ImageFile]:
    """Returns the files of the layer, by path."""
    return {
        f"{SITE}/{path}": file for path, file in below(installed / "site") if Path(path).name not in _FROM_PIP
    }
