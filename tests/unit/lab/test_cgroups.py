"""What runs on a machine, while its kubelet makes and removes groups."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet.lab.machines.computer.cgroups import processes_in


def test_processes_are_found_in_all_nested_groups_and_a_deleted_group_has_none(tmp_path: Path) -> None:
    for name, pids in (("", ""), ("init", "1\n2\n"), ("kubepods/pod-a", "30\n")):
        group = tmp_path / name
        group.mkdir(parents=True, exist_ok=True)
        (group / "cgroup.procs").write_text(pids)
    (tmp_path / "kubepods" / "pod-b").mkdir()
    assert sorted(processes_in(tmp_path)) == [1, 2, 30]
    assert list(processes_in(tmp_path / "no-such-machine")) == []


def test_unreadable_group_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "cgroup.procs").mkdir()
    with pytest.raises(IsADirectoryError):
        list(processes_in(tmp_path))
