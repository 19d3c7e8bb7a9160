"""`fleet policy export` and `fleet policy import`."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from fleet.app.planning.policy_objects import export_policy, import_policy
from fleet.app.wiring.home import Home
from fleet.cli.main import run
from fleet.config import default_policy_text, load
from fleet.config.objects.files import import_texts
from fleet.config.objects.yaml_text import as_yaml
from fleet.core.records.errors import ConfigError, UsageError
from tests.unit.config.objects import rich


def a_home(folder: Path, text: str) -> Home:
    folder.mkdir(exist_ok=True)
    rich.write_files(folder)
    home = Home(folder)
    home.policy_file.write_text(text)
    return home


def test_export_names_what_is_not_in_the_objects(tmp_path: Path) -> None:
    exported = export_policy(a_home(tmp_path, rich.TEXT))
    assert {"lb.token", "play.yaml", "job.yaml", "holidays.ics", "pki/etcd.key", "on-call.url"} <= set(
        exported.files
    )
    assert "releases.yaml" not in exported.files
    assert not set(exported.files) & {"reports", "snapshots"}, "fleet writes these"


def test_policy_goes_there_and_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = a_home(tmp_path / "before", default_policy_text())
    assert run(["--home", str(before.path), "policy", "export"]) == 0
    written = capsys.readouterr().out
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(written.encode())))
    after = tmp_path / "after"
    assert run(["--home", str(after), "policy", "import", "-"]) == 0
    assert load(after / "fleet.yaml") == load(before.policy_file)


def test_import_overwrites_nothing(tmp_path: Path) -> None:
    home = a_home(tmp_path, default_policy_text())
    (tmp_path / "objects.yaml").write_text(as_yaml(export_policy(home).objects))
    with pytest.raises(UsageError, match="was left as it is"):
        import_policy(home, [str(tmp_path / "objects.yaml")])
    assert home.policy_file.read_text() == default_policy_text()


def test_import_reports_all_mistakes_of_all_files(tmp_path: Path) -> None:
    head = "apiVersion: fleet.internal/v1\nmetadata: {name: x}\n"
    (tmp_path / "a.yaml").write_text(f"{head}kind: UpgradePolicy\nspec:\n  canaries: many\n")
    (tmp_path / "b.yaml").write_text(f"{head}kind: Freeze\nspec: {{until: 2026-12-01, zone: UTC}}\n")
    home = Home(tmp_path / "home")
    with pytest.raises(ConfigError) as raised:
        import_policy(home, [str(tmp_path / "a.yaml"), str(tmp_path / "b.yaml")])
    places = [problem.split(": ")[:2] for problem in raised.value.problems]
    assert places == [
        [f"{tmp_path}/a.yaml:5", "spec.canaries"],
        [f"{tmp_path}/b.yaml:4", "spec"],
    ]
    assert not home.policy_file.exists()


@pytest.mark.parametrize(
    "text", ["", "x", "[]", "kind: List\nitems: []\n", "a: [", "- 1\n---\n- 2\n", "apiVersion: v1\n"]
)
def test_import_of_nonsense_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.yaml").write_text(text)
    home = Home(tmp_path / "home")
    with pytest.raises(UsageError):
        import_policy(home, [str(tmp_path / "x.yaml")])
    with pytest.raises(UsageError):
        import_policy(home, [str(tmp_path / "none.yaml")])
    with pytest.raises(UsageError):
        import_policy(home, [str(tmp_path)])
    assert not home.policy_file.exists()


def test_object_that_is_there_twice_is_refused_by_name(tmp_path: Path) -> None:
    release = {"version": "1.0", "released": "2026-11-01"}
    metadata = {"name": "workers"}
    policy = {"apiVersion": "fleet.internal/v1", "kind": "UpgradePolicy", "metadata": metadata}
    text = as_yaml([{**policy, "spec": {"releases": [release]}}])
    with pytest.raises(ConfigError, match="upgradepolicies/workers again"):
        import_texts([("one.yaml", text), ("two.yaml", text)], tmp_path)
