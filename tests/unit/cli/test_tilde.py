"""A path that begins with `~`, wherever a user may write one: with an unknown user it is a file that does not
exist."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet.app.wiring.home import Home
from fleet.cli.main import run
from fleet.config import load
from fleet.core.records.errors import ConfigError, UsageError
from fleet.core.text.paths import expanded
from fleet.machines.access import SshAccess, SshAddress
from fleet.machines.ssh.configuration.openssh import read_settings

NOBODY = "~nobody-has-this-name/x"


def test_tilde_is_expanded_to_the_users_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/jo")
    assert expanded("~/a") == expanded(Path("~/a")) == Path("/home/jo/a")
    assert expanded("/a/~/b") == Path("/a/~/b")
    assert expanded(NOBODY) == Path(NOBODY)


def test_home_of_an_unknown_user(tmp_path: Path) -> None:
    assert Home.find(Path(NOBODY), "", {}, tmp_path).path == Path.cwd() / NOBODY


@pytest.mark.parametrize("way", ["--kubeconfig", "--hosts"])
def test_kubeconfig_in_the_home_of_an_unknown_user(tmp_path: Path, way: str) -> None:
    assert run(["--home", str(tmp_path), "init"]) == 0
    assert run(["--home", str(tmp_path), "cluster", "add", "east", "--site", "fra", way, NOBODY]) == 2


def test_playbook_in_the_home_of_an_unknown_user(tmp_path: Path) -> None:
    policy = tmp_path / "fleet.yaml"
    policy.write_text(f"pools: [{{name: w, reach: playbook, playbooks: {{stage: {NOBODY}}}}}]\n")
    with pytest.raises(ConfigError, match=r"playbooks\.stage: expected a playbook, found no file"):
        load(policy)


@pytest.mark.parametrize("access", [SshAccess(config=NOBODY), SshAccess(identity=NOBODY)])
def test_ssh_file_in_the_home_of_an_unknown_user(access: SshAccess) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        read_settings(SshAddress("n-1"), access)
