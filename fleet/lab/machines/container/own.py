"""The uppermost layer of the image: fleet itself, from a wheel or as it is installed here."""

from __future__ import annotations

import importlib.metadata
import os
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import fleet
from fleet.lab.errors import LabError
from fleet.lab.machines.container import debian
from fleet.lab.machines.container.files import ImageFile, below
from fleet.lab.machines.container.packages import ROOT, SITE

COMMAND = f"/{ROOT}/bin/fleet"
_PYTHON = f"/{ROOT}/bin/python3"

_SCRIPT = f"""\
#!{_PYTHON} -P
import sys

from fleet.cli.main import main

sys.exit(main())
"""

_METADATA = ("METADATA", "entry_points.txt", "WHEEL", "LICENSE")


def files(tree: Path, wheel: Path | None = None) -> Mapping[str, ImageFile]:
    """Returns the files of the layer by path, from this wheel or else from the package that runs, compiled by the Python of
    `tree`. Raises LabError."""
    sources = from_wheel(wheel) if wheel is not None else dict(_installed())
    with tempfile.TemporaryDirectory(prefix="fleet-image-") as folder:
        for path, content in sources.items():
            target = Path(folder, path)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        debian.compile_all(tree, Path(folder), f"/{SITE}")
        site = {f"{SITE}/{path}": file for path, file in below(Path(folder))}
    return {
        **site,
        # With the packages beside it, this is a virtual environment.
        f"{ROOT}/pyvenv.cfg": ImageFile(b"home = /usr/bin\ninclude-system-site-packages = false\n"),
        _PYTHON.lstrip("/"): ImageFile(link=f"/usr/bin/{debian.PYTHON}", mode=0o777),
        COMMAND.lstrip("/"): ImageFile(_SCRIPT.encode(), 0o755),
    }


def from_wheel(wheel: Path) -> dict[str, bytes]:
    """Returns the contents of a wheel by path, without what a package has in no image. Raises LabError."""
    try:
        with zipfile.ZipFile(wheel) as packed:
            return {
                name: packed.read(name)
                for name in packed.namelist()
                if not name.endswith("/") and not name.endswith("/RECORD")
            }
    except (OSError, zipfile.BadZipFile) as error:
        raise LabError(f"{wheel} is no wheel: {error}") from error


def _installed() -> Iterator[tuple[str, bytes]]:
    """Yields the files of the package that runs, by the names that they have in a wheel."""
    own = Path(fleet.__file__).parent
    # The folder of playbooks is a link to the folder of the checkout.
    for directory, folders, names in os.walk(own, followlinks=True):
        folders[:] = sorted(name for name in folders if name != "__pycache__")
        for name in names:
            path = Path(directory, name)
            yield str(Path("fleet") / path.relative_to(own)), path.read_bytes()
    # Code asks for fleet's version by the name of its distribution.
    distribution = importlib.metadata.distribution("fleet")
    for name in _METADATA:
        if (content := distribution.read_text(name)) is not None:
            yield f"fleet-{distribution.version}.dist-info/{name}", content.encode()
