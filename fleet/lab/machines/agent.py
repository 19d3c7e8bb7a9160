"""Makes the image of fleet itself for the lab's nodes, without a registry: this Python interpreter, fleet and its
dependencies."""

from __future__ import annotations

import importlib.metadata
import io
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import fleet
from fleet.lab.errors import LabError
from fleet.lab.machines.images import image

IMAGE = "lab.fleet.internal/fleet:1"
"""The image for `fleet cluster install --image` in a lab of machines."""

_PACKAGES = "opt/fleet"
_CONTROLLERS = ("alembic", "apscheduler", "psycopg", "sqlmodel")
"""Dependencies of fleet that an agent does not need: the database, the calendar."""

_UNUSED = ("test", "tests", "idlelib", "tkinter", "turtledemo", "ensurepip", "lib2to3", "site-packages")


def archive() -> bytes:
    """Returns an OCI archive of some 80 MB whose entry point is the command `fleet`. Raises LabError."""
    interpreter = Path(os.path.realpath(sys.executable))
    library = Path(sysconfig.get_path("stdlib"))
    files = {path.relative_to("/"): path for path in (interpreter, *_below(library))}
    files |= {Path(_PACKAGES, name): path for name, path in _packages()}
    # The program by which an agent runs commands on its host.
    tool = Path(shutil.which("nsenter") or "/usr/bin/nsenter")
    files[Path("usr/bin/nsenter")] = tool
    linked = [interpreter, tool, *(path for path in files.values() if ".so" in path.suffixes)]
    files |= {path.relative_to("/"): path for path in _libraries(linked)}
    return image.packed(
        IMAGE,
        _layer(files.items()),
        entrypoint=(str(interpreter), "-P", "-m", "fleet.cli"),
        environment={"PYTHONPATH": f"/{_PACKAGES}", "PYTHONUNBUFFERED": "1", "PATH": "/usr/bin"},
    )


def _below(folder: Path) -> Iterator[Path]:
    # The folder of playbooks is a link to the folder of the checkout; agents run a script in it.
    for directory, folders, names in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if name not in _UNUSED and not name.startswith("config-")]
        yield from (Path(directory, name) for name in names)


def _packages() -> Iterator[tuple[str, Path]]:
    """Yields fleet and all of its dependencies: the name below the folder of packages, and the path."""
    own = Path(fleet.__file__).parent
    for path in _below(own):
        yield str(Path("fleet") / path.relative_to(own)), path
    seen, left = {"fleet", *_CONTROLLERS}, _required(importlib.metadata.distribution("fleet"))
    while left:
        name = left.pop()
        if name in seen:
            continue
        seen.add(name)
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # a dependency for another system or Python version
        left += _required(distribution)
        for file in distribution.files or ():
            path = Path(str(distribution.locate_file(file)))
            if not {"..", *_UNUSED} & set(file.parts) and path.is_file():
                yield str(file), path
    # Code asks for fleet's version by the name of its distribution.
    for path in _below(Path(str(importlib.metadata.distribution("fleet").locate_file(""))) / _METADATA):
        yield f"{_METADATA}/{path.name}", path


_METADATA = f"fleet-{importlib.metadata.version('fleet')}.dist-info"


def _required(distribution: importlib.metadata.Distribution) -> list[str]:
    names = []
    for requirement in distribution.requires or ():
        name = re.match(r"[\w.-]+", requirement)
        if name is not None and "extra ==" not in requirement:
            names.append(name.group())
    return names


def _libraries(programs: Iterable[Path]) -> set[Path]:
    """Returns the libraries that the programs are linked with, and the loader."""
    done = subprocess.run(["ldd", *map(str, programs)], capture_output=True, text=True, check=False)
    libraries = {Path(path) for path in re.findall(r"(?:=>\s+|^\s+)(/\S+) \(0x", done.stdout, re.MULTILINE)}
    if not libraries:
        raise LabError(f"ldd does not list the libraries of fleet's programs: {done.stderr.strip()}")
    return libraries


def _layer(files: Iterable[tuple[Path, Path]]) -> bytes:
    """Returns a tar with the files and their times: by the times Python knows whether compiled code is of this
    source."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as out:
        for name, path in sorted(files):
            content = path.read_bytes()
            member = tarfile.TarInfo(str(name))
            status = path.stat()
            member.size, member.mode, member.mtime = (
                len(content),
                status.st_mode & 0o777,
                int(status.st_mtime),
            )
            out.addfile(member, io.BytesIO(content))
    return buffer.getvalue()
