"""Build results that are cached outside the checkout, each in a folder named by a hash of its inputs."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from fleet.lab.build import ReportLine, cache_directory


def key(*parts: str | bytes) -> str:
    """Returns 16 hexadecimal digits over the inputs of a result, in this order."""
    digest = hashlib.sha256()
    for part in parts:
        content = part if isinstance(part, bytes) else part.encode()
        digest.update(f"{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()[:16]


def contents(folder: Path) -> Iterable[str | bytes]:
    """Yields names and bytes of all files in a folder, for `key`."""
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        yield str(file.relative_to(folder))
        yield file.read_bytes()


def keep(name: str, made_from: str, make: Callable[[Path], None], progress: ReportLine) -> Path:
    """Returns the folder of this result, which `make(folder)` makes now if it does not exist.

    A folder of that name is complete: it appears by a rename. If several processes need the result, one makes the folder and
    the others wait."""
    folder = cache_directory() / "machines" / f"{name}-{made_from}"
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress(f"another process is making {name}; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            unfinished = folder.with_name(f".making-{folder.name}")
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir()
            try:
                make(unfinished)
                unfinished.rename(folder)
            finally:
                shutil.rmtree(unfinished, ignore_errors=True)
    return folder
