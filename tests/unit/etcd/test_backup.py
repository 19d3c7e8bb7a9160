"""Snapshots in files: whole, for their owner alone, and nothing of one that broke off stays."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from fleet.core.quorum.quorum import SnapshotRule
from fleet.etcd.backup import PAGE_BYTES, save
from fleet.etcd.errors import EtcdError

NOW = datetime(2026, 11, 30, 3, tzinfo=UTC)
PART = "east-20261130T030000Z.part"


def pieces() -> Iterator[dict[str, Any]]:
    """Of a database of one page, as etcd sends them."""
    page = b"\1" * PAGE_BYTES
    for content in (page[:100], page[100:], sha256(page).digest()):
        yield {"blob": base64.b64encode(content).decode()}


def modes(folder: Path) -> dict[str, int]:
    return {each.name: each.stat().st_mode & 0o777 for each in folder.iterdir()}


@pytest.fixture
def open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("open_umask")
def test_backup_is_private_from_the_first_byte(tmp_path: Path) -> None:
    folder = tmp_path / "backup"
    seen: list[dict[str, int]] = []

    def watched() -> Iterator[dict[str, Any]]:
        for each in pieces():
            seen.append(modes(folder))
            yield each

    saved = save(watched(), "east", SnapshotRule(str(folder), keep=2), NOW)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert seen == [{PART: 0o600}] * 3
    assert modes(folder) == {saved.path.name: 0o600}


@pytest.mark.usefixtures("open_umask")
def test_existing_files_and_links_are_not_written_into(tmp_path: Path) -> None:
    (tmp_path / "mine").touch(mode=0o666)
    (tmp_path / PART).symlink_to(tmp_path / "mine")
    saved = save(pieces(), "east", SnapshotRule(str(tmp_path), keep=2), NOW)
    assert modes(tmp_path) == {"mine": 0o666, saved.path.name: 0o600}
    assert (tmp_path / "mine").read_bytes() == b""


def test_leftovers_of_a_killed_controller_are_removed_and_those_of_others_stay(
    tmp_path: Path,
) -> None:
    for name in ("east-20261101T030000Z.part", "east-2-20261101T030000Z.part"):
        (tmp_path / name).touch()
    saved = save(pieces(), "east", SnapshotRule(str(tmp_path), keep=2), NOW)
    assert set(modes(tmp_path)) == {saved.path.name, "east-2-20261101T030000Z.part"}


def test_incomplete_backup_leaves_nothing(tmp_path: Path) -> None:
    def broken() -> Iterator[dict[str, Any]]:
        yield next(pieces())
        raise KeyboardInterrupt

    for each, error in ((iter([next(pieces())]), EtcdError), (broken(), KeyboardInterrupt)):
        with pytest.raises(error):
            save(each, "east", SnapshotRule(str(tmp_path), keep=2), NOW)
        assert modes(tmp_path) == {}
