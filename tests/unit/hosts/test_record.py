"""The record on a host, after another program has written into it."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet.core.records.errors import FleetError
from fleet.hosts.record import HostRecords


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff", b'{"node": {"name": "\xff"}}', b"[" * 100_000])
def test_file_that_is_no_record_is_refused_with_a_remedy(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "n-1.json").write_bytes(content)
    with pytest.raises(FleetError, match=r"n-1\.json cannot be read") as refused:
        HostRecords(tmp_path).read("n-1")
    assert refused.value.hint
