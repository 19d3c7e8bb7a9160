"""The image of fleet itself for the lab's nodes: this very interpreter, fleet and what it needs, without a registry."""

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
"""What `fleet cluster install --image` is given in a lab of machines."""

_PACKAGES = "opt/fleet"
_CONTROLLERS = ("alembic", "apscheduler", "psycopg", "sqlmodel")
"""What fleet requires and an agent does not: the database, the calendar."""

_UNUSED = ("test", "tests", "idlelib", "tkinter", "turtledemo", "ensurepip", "lib2to3", "site-packages")


def archive() -> bytes:
    """An OCI archive of some 80 MB whose entry point is the command `fleet`. Raises LabError."""
    interpreter = Path(os.path.realpath(sys.executable))
    library = Path(sysconfig.get_path("stdlib"))
    files = {path.relative_to("/"): path for path in (interpreter, *_below(library))}
    files |= {Path(_PACKAGES, name): path for name, path in _packages()}
    # How an agent runs the programs of its host.
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
    # The playbooks are a link to the folder of the checkout, and agents run a script of theirs.
    for found, folders, names in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if name not in _UNUSED and not name.startswith("config-")]
        yield from (Path(found, name) for name in names)


def _packages() -> Iterator[tuple[str, Path]]:
    """Name below the folder of packages, and where it is: fleet, and all that it requires."""
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
            found = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # for another system or Python
        left += _required(found)
        for file in found.files or ():
            path = Path(str(found.locate_file(file)))
            if not {"..", *_UNUSED} & set(file.parts) and path.is_file():
                yield str(file), path
    # Its version is asked for by name.
    for path in _below(Path(str(importlib.metadata.distribution("fleet").locate_file(""))) / _METADATA):
        yield f"{_METADATA}/{path.name}", path


_METADATA = f"fleet-{importlib.metadata.version('fleet')}.dist-info"


def _required(distribution: importlib.metadata.Distribution) -> list[str]:
    found = []
    for requirement in distribution.requires or ():
        name = re.match(r"[\w.-]+", requirement)
        if name is not None and "extra ==" not in requirement:
            found.append(name.group())
    return found


def _libraries(programs: Iterable[Path]) -> set[Path]:
    """What they are linked with, and the loader."""
    done = subprocess.run(["ldd", *map(str, programs)], capture_output=True, text=True, check=False)
    found = {Path(path) for path in re.findall(r"(?:=>\s+|^\s+)(/\S+) \(0x", done.stdout, re.MULTILINE)}
    if not found:
        raise LabError(f"ldd does not tell what fleet's programs are linked with: {done.stderr.strip()}")
    return found


def _layer(files: Iterable[tuple[Path, Path]]) -> bytes:
    """With the times of the files: by them Python knows whether what it has compiled is of this source."""
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
