"""A result that is written to a file is complete, or the old file stays."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from fleet.app.wiring.files import write_whole
from fleet.core.records.errors import UsageError


@pytest.mark.parametrize("before", [None, b"the last report"])
def test_failed_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: bytes | None
) -> None:
    path = tmp_path / "report.html"
    if before is not None:
        path.write_bytes(before)

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_whole(path, b"new")
    assert [each.name for each in tmp_path.iterdir()] == ([] if before is None else ["report.html"])
    assert before is None or path.read_bytes() == before


def test_symbolic_link_and_permissions_are_kept(tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.write_bytes(b"old")
    there.chmod(0o640)
    link = tmp_path / "link"
    link.symlink_to(there)
    write_whole(link, b"new")
    assert link.is_symlink() and there.read_bytes() == b"new"
    assert stat.S_IMODE(there.stat().st_mode) == 0o640
    write_whole(tmp_path / "fresh", b"x")
    assert stat.S_IMODE((tmp_path / "fresh").stat().st_mode) & 0o600 == 0o600


def test_pipe_is_written_to_directly(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    write_whole(pipe, b"report")
    reader.join()
    assert read == [b"report"] and pipe.is_fifo()
    write_whole(Path("/dev/null"), b"report")


def test_standard_output_by_its_name(tmp_path: Path) -> None:
    """Where it is a pipe, its name leads to one that no folder has."""
    code = "from pathlib import Path; from fleet.app.wiring.files import write_whole; write_whole(Path('/dev/stdout'), b'x')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("x", "")


def test_folder_and_missing_folder_are_reported(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is a folder"):
        write_whole(tmp_path, b"")
    with pytest.raises(UsageError, match="no folder"):
        write_whole(tmp_path / "none" / "report.html", b"")
