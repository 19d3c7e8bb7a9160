"""File systems of a few kilobytes, to be filled."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest


@contextmanager
def small_disk(folder: Path, kilobytes: int, inodes: int = 0) -> Iterator[Path]:
    """A file system of that size, and with so many files at most; 0: as many as there is room for. Skips where none may be
    mounted."""
    folder.mkdir()
    options = f"size={kilobytes}k{f',nr_inodes={inodes}' if inodes else ''}"
    mount = ["mount", "-t", "tmpfs", "-o", options, "fleet-test", str(folder)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("needs to mount a file system, which root may")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Not a byte is left then. Answers the file that takes it all."""
    ballast = folder / "ballast"
    for size in (65536, 512, 1):
        with suppress(OSError), ballast.open("ab", buffering=0) as file:
            while file.write(bytes(size)) == size:
                pass
    return ballast
