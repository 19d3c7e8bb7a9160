"""A controller that cannot do what the policy wants does not begin to lead."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet.app.rollouts.background import ensure_controller
from fleet.app.rollouts.run import run
from fleet.core.records.errors import UsageError
from fleet.store import ClusterRow
from tests.children import children, wait_for_new_children
from tests.unit.app.homes import POLICY, a_home


def test_requirements_of_playbooks_are_checked_before_the_lease_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = a_home(tmp_path / "home", policy=POLICY + "    reach: playbook\n")
    home.store.clusters.add(ClusterRow(name="real", kind="kubeconfig", kubeconfig="/nonexistent"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="reach: playbook, but "):
        run(home, print, until_idle=True)
    first = home.store.lease.acquire("somebody", at=home.now(), seconds=1, abandoned=lambda _: False)
    assert first.epoch == 1


def test_simulated_clusters_need_no_playbooks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = a_home(tmp_path / "home", policy=POLICY + "    reach: playbook\n")
    monkeypatch.setenv("PATH", str(tmp_path))
    run(home, print, until_idle=True)


def test_background_controller_imports_nothing_from_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder may be writable by others, such as /tmp."""
    home = a_home(tmp_path / "home")
    done = tmp_path / "carried-out"
    for name in ("typer", "msgspec", "fleet"):
        (tmp_path / f"{name}.py").write_text(f"open({str(done)!r}, 'w')\n")
    monkeypatch.chdir(tmp_path)
    before = children()
    assert ensure_controller(home)
    wait_for_new_children(before)
    assert not done.exists()
