"""A controller that cannot do what the policy wants does not begin to lead."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from fleet.app.run import run
from fleet.core.errors import UsageError
from fleet.store import ClusterRow
from tests.unit.app.homes import POLICY, a_home


def test_what_playbooks_need_is_asked_for_before_it_leads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = a_home(tmp_path / "home", policy=POLICY + "    reach: playbook\n")
    home.store.clusters.add(ClusterRow(name="real", kind="kubeconfig", kubeconfig="/nonexistent"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="reach: playbook, and "):
        run(home, print, until_idle=True)
    first = home.store.lease.acquire("somebody", at=home.now(), seconds=1, abandoned=lambda _: False)
    assert first.epoch == 1


def test_simulated_clusters_need_no_playbooks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = a_home(tmp_path / "home", policy=POLICY + "    reach: playbook\n")
    monkeypatch.setenv("PATH", str(tmp_path))
    run(home, print, until_idle=True)


def test_one_in_the_background_takes_no_module_from_the_folder_that_one_is_in(tmp_path: Path) -> None:
    a_home(tmp_path / "home")
    for name in ("typer", "yaml", "json"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'taken')!r}, 'w')\n")
    source = (
        "from pathlib import Path; from fleet.app.background import ensure_controller\n"
        "from fleet.app.home import Home; print(ensure_controller(Home(Path('home'))))"
    )
    command = [sys.executable, "-P", "-c", source]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "controller" in done.stdout, done.stderr
    assert not (tmp_path / "taken").exists()
