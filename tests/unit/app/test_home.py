"""Which folder a command works on."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import pytest

from fleet.app.inventory.init import init
from fleet.app.wiring.home import Home
from fleet.core.records.errors import UsageError
from tests.unit.app.homes import POLICY, a_home, small_cluster


def test_option_wins_over_the_environment_and_the_environment_over_the_current_folder(tmp_path: Path) -> None:
    (tmp_path / "fleet.yaml").touch()
    environ = {"FLEET_HOME": "/env", "XDG_DATA_HOME": "/data"}
    assert Home.find(Path("/call"), "", environ, tmp_path).path == Path("/call")
    assert Home.find(None, "", environ, tmp_path).path == Path("/env")
    assert Home.find(None, "", {"XDG_DATA_HOME": "/data"}, tmp_path).path == tmp_path


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give a file to somebody else")
@pytest.mark.parametrize("theirs", [".", "fleet.yaml", "fleet.db"])
def test_fleet_of_another_user_in_its_folder_is_not_used(tmp_path: Path, theirs: str) -> None:
    """The policy decides what is run: hooks, playbooks, plugins of kubeconfigs."""
    (tmp_path / "fleet.yaml").touch()
    (tmp_path / "fleet.db").touch()
    assert Home.find(None, "", {}, tmp_path).path == tmp_path
    os.chown(tmp_path / theirs, 65534, -1)
    with pytest.raises(UsageError) as refused:
        Home.find(None, "", {}, tmp_path)
    assert f"--home {tmp_path}" in (refused.value.hint or "")
    assert Home.find(tmp_path, "", {}, tmp_path).path == tmp_path
    assert Home.find(None, "", {"FLEET_HOME": str(tmp_path)}, tmp_path).path == tmp_path


def test_folder_without_a_fleet_falls_back_to_the_users_own(tmp_path: Path) -> None:
    assert Home.find(None, "", {"XDG_DATA_HOME": "/data"}, tmp_path).path == Path("/data/fleet")


def test_database_is_in_the_home_unless_named(tmp_path: Path) -> None:
    assert Home.find(tmp_path, "", {}, tmp_path).database == str(tmp_path / "fleet.db")
    assert (
        Home.find(tmp_path, "", {"FLEET_DATABASE": "postgresql://db/f"}, tmp_path).database
        == "postgresql://db/f"
    )
    assert Home.find(tmp_path, "other.db", {"FLEET_DATABASE": "x"}, tmp_path).database == "other.db"


def test_reading_an_empty_home_creates_nothing_and_shows_how_to_begin(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as refused:
        _ = Home(tmp_path / "none").store
    assert str(tmp_path / "none") in refused.value.message and "fleet cluster import" in refused.value.hint
    assert not (tmp_path / "none").exists()


def test_created_home_exists(tmp_path: Path) -> None:
    home = Home(tmp_path / "new")
    home.make()
    assert home.exists
    assert Home(home.path).store.clusters.list() == []


def test_command_for_a_home_is_quoted_for_the_shell(tmp_path: Path) -> None:
    folder = tmp_path / "my fleet; rm"
    assert shlex.split(Home(folder).command("init")) == ["fleet", "--home", str(folder), "init"]
    assert Home(Path.cwd()).command("init") == "fleet init"


def test_file_named_by_a_url_exists_or_not_like_any_other(tmp_path: Path) -> None:
    address = f"sqlite:///{tmp_path / 'other.db'}"
    with pytest.raises(UsageError, match="there is no fleet"):
        _ = Home(tmp_path / "home", address).store
    assert not (tmp_path / "other.db").exists()
    Home(tmp_path / "home", address).make()
    assert Home(tmp_path / "home", address).exists and (tmp_path / "other.db").exists()
    assert Home(tmp_path, "postgresql://db/f").exists


@pytest.mark.parametrize("database", ["", "other.db"])
def test_database_is_created_beside_the_teams_policy_and_that_is_reported(
    tmp_path: Path, database: str
) -> None:
    (tmp_path / "fleet.yaml").write_text(POLICY)
    reported: list[str] = []
    path = str(tmp_path / database) if database else ""
    assert Home(tmp_path, path, reported.append).store.clusters.list() == []
    assert Home(tmp_path, path, reported.append).store.clusters.list() == []
    (message,) = reported
    assert str(tmp_path / (database or "fleet.db")) in message
    assert (tmp_path / "fleet.yaml").read_text() == POLICY


def test_policy_warnings_are_shown_once_until_there_is_a_new_one(tmp_path: Path) -> None:
    reported: list[str] = []
    home = Home(tmp_path, show=reported.append)
    home.policy_file.write_text(POLICY + "  - {name: rest, limits: {per_zone: 0}}\n")
    for _ in range(3):
        assert home.policy().pool("rest") and home.policy_if_any().pool("rest")
    (message,) = reported
    assert message.startswith(f"warning: {home.policy_file}:") and "per_zone" in message
    home.policy_file.write_text(POLICY + "  - {name: rest, limits: {per_site: 0}}\n")
    home.policy()
    assert len(reported) == 2 and "per_site" in reported[1]


def test_missing_policy_is_reported_with_the_command_for_this_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    mine = Home(tmp_path / "mine")
    mine.make()
    with pytest.raises(UsageError) as refused:
        mine.policy()
    assert f"--home {mine.path} init" in refused.value.hint
    with pytest.raises(UsageError) as refused:
        Home(tmp_path).policy()
    assert "--home" not in refused.value.hint and "fleet init" in refused.value.hint


def test_only_cluster_need_not_be_named(tmp_path: Path) -> None:
    assert a_home(tmp_path / "one").cluster().name == "east"
    several = a_home(tmp_path / "two", small_cluster("east"), small_cluster("west"))
    assert several.cluster("west").name == "west"
    with pytest.raises(UsageError, match="east, west"):
        several.cluster()
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "fleet.yaml").write_text(POLICY)
    with pytest.raises(UsageError) as refused:
        Home(tmp_path / "none").cluster()
    assert "fleet cluster import" in refused.value.hint


def test_init_keeps_an_existing_policy(tmp_path: Path) -> None:
    (tmp_path / "fleet.yaml").write_text(POLICY)
    assert not init(Home(tmp_path)).wrote
    assert (tmp_path / "fleet.yaml").read_text() == POLICY
    with pytest.raises(UsageError) as refused:
        init(Home(tmp_path))
    assert "--home FOLDER" in refused.value.hint
    assert (tmp_path / "fleet.yaml").read_text() == POLICY


def test_dangling_link_to_a_policy_is_an_error_and_not_written(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.yaml"
    (tmp_path / "fleet.yaml").symlink_to(elsewhere)
    assert not init(Home(tmp_path)).wrote and not elsewhere.exists()
    home = Home.find(None, "", {"XDG_DATA_HOME": "/data"}, tmp_path)
    for read in (home.policy, home.policy_if_any):
        with pytest.raises(UsageError, match="is a link to") as refused:
            read()
        assert str(elsewhere) in refused.value.message


def test_home_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "fleet.yaml").write_text(POLICY)
    with pytest.raises(UsageError, match="is not a folder"):
        Home.find(tmp_path / "fleet.yaml", "", {}, tmp_path)
