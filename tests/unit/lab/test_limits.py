from __future__ import annotations

from pathlib import Path

from fleet.lab.machines.computer.limits import INSTANCES, raise_limits


def test_inotify_limits_are_raised_and_that_is_reported(tmp_path: Path) -> None:
    file, messages = tmp_path / "instances", list[str]()
    file.write_text("128\n")
    raise_limits(messages.append, file)
    assert int(file.read_text()) == INSTANCES
    assert messages == [f"fs.inotify.max_user_instances is {INSTANCES} from now on"]


def test_sufficient_limits_stay(tmp_path: Path) -> None:
    file, messages = tmp_path / "instances", list[str]()
    file.write_text("100000\n")
    raise_limits(messages.append, file)
    assert (file.read_text(), messages) == ("100000\n", [])
