"""Which folder a command works on."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet.app.home import Home
from fleet.app.init import init
from fleet.core.errors import UsageError
from tests.unit.app.homes import POLICY


def test_the_call_names_it_before_the_environment_and_that_before_the_current_folder(tmp_path: Path) -> None:
    (tmp_path / "fleet.yaml").touch()
    environ = {"FLEET_HOME": "/env", "XDG_DATA_HOME": "/data"}
    assert Home.find(Path("/call"), "", environ, tmp_path).path == Path("/call")
    assert Home.find(None, "", environ, tmp_path).path == Path("/env")
    assert Home.find(None, "", {"XDG_DATA_HOME": "/data"}, tmp_path).path == tmp_path


def test_a_folder_without_a_fleet_is_passed_over_for_the_users_own(tmp_path: Path) -> None:
    assert Home.find(None, "", {"XDG_DATA_HOME": "/data"}, tmp_path).path == Path("/data/fleet")


def test_the_database_is_in_the_home_unless_named(tmp_path: Path) -> None:
    assert Home.find(tmp_path, "", {}, tmp_path).database == str(tmp_path / "fleet.db")
    assert (
        Home.find(tmp_path, "", {"FLEET_DATABASE": "postgresql://db/f"}, tmp_path).database
        == "postgresql://db/f"
    )
    assert Home.find(tmp_path, "other.db", {"FLEET_DATABASE": "x"}, tmp_path).database == "other.db"


def test_looking_at_an_empty_home_makes_nothing_and_says_how_to_begin(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as refused:
        _ = Home(tmp_path / "none").store
    assert "fleet init" in refused.value.hint
    assert not (tmp_path / "none").exists()


def test_a_made_home_is_there(tmp_path: Path) -> None:
    home = Home(tmp_path / "new")
    home.make()
    assert home.exists
    assert Home(home.path).store.clusters.list() == []


def test_the_database_is_made_beside_the_teams_policy(tmp_path: Path) -> None:
    (tmp_path / "fleet.yaml").write_text(POLICY)
    assert Home(tmp_path).store.clusters.list() == []
    assert (tmp_path / "fleet.yaml").read_text() == POLICY


def test_a_database_that_is_named_and_not_there_is_not_made_by_looking(tmp_path: Path) -> None:
    (tmp_path / "fleet.yaml").write_text(POLICY)
    home = Home(tmp_path, str(tmp_path / "othr.db"))
    with pytest.raises(UsageError) as refused:
        _ = home.store
    assert "fleet init" in refused.value.hint and "--force" not in refused.value.hint
    assert not (tmp_path / "othr.db").exists()
    assert not init(home).wrote
    assert home.store.clusters.list() == []


def test_init_keeps_a_policy_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "fleet.yaml").write_text(POLICY)
    assert not init(Home(tmp_path)).wrote
    assert (tmp_path / "fleet.yaml").read_text() == POLICY
    with pytest.raises(UsageError) as refused:
        init(Home(tmp_path))
    assert "--force" not in refused.value.hint
    assert init(Home(tmp_path), force=True).wrote
    assert (tmp_path / "fleet.yaml").read_text() != POLICY
