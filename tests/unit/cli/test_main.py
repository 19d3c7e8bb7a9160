"""Errors become messages and exit codes in one place; what goes to stdout and what to stderr."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import pytest

from fleet.app.rollouts.commands import send_command
from fleet.app.wiring.home import Home
from fleet.cli.line import lifted
from fleet.cli.main import run
from tests.golden import GoldenFiles
from tests.unit.app.homes import a_home, a_started_rollout


class CommandResult(NamedTuple):
    code: int
    out: str
    err: str


Fleet = Callable[..., CommandResult]


@pytest.fixture
def fleet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Fleet:
    home = a_home(tmp_path / "home")

    def call(*arguments: str) -> CommandResult:
        code = run(["--home", str(home.path), *arguments])
        printed = capsys.readouterr()
        return CommandResult(code, printed.out, printed.err)

    return call


def without_hashes(text: str) -> str:
    """They follow from the time and the user of the test."""
    return re.sub("[0-9a-f]{16}", "HASH", text)


def test_global_options_may_stand_anywhere_but_after_two_dashes() -> None:
    assert lifted(["status", "--home", "x", "-o", "json"]) == ["--home", "x", "status", "-o", "json"]
    assert lifted(["a", "--database=y"]) == ["--database=y", "a"]
    assert lifted(["a", "--", "--home", "x"]) == ["a", "--", "--home", "x"]


def test_usage_error_names_the_help_and_exits_2(fleet: Fleet, golden: GoldenFiles) -> None:
    result = fleet("status", "--nope")
    assert (result.code, result.out) == (2, "")
    golden.check(result.err)


def test_home_of_an_unknown_user_is_a_folder_of_that_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = "~nobody-of-that-name/x"
    policy = f"pools: [{{name: w, reach: playbook, playbooks: {{reboot: {folder}}}}}]\n"
    for arguments in (
        ["status", "--home", folder],
        ["cluster", "add", "c", "--site", "s", "--hosts", folder],
        ["cluster", "add", "c", "--site", "s", "--kubeconfig", folder],
        ["lint", "--home", "."],
    ):
        if arguments[0] == "lint":
            (tmp_path / "fleet.yaml").write_text(policy)
        assert run(arguments) == 2
        assert str(tmp_path / folder) in capsys.readouterr().err


def test_empty_journal_is_not_warned_of_as_unsigned(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = ["--home", str(tmp_path / "new")]
    assert run([*home, "init"]) == 0
    capsys.readouterr()
    assert run([*home, "audit", "export"]) == 0
    assert capsys.readouterr().err == ""


def test_deleted_current_folder_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert run(["status"]) == 1
    assert "current folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "commands"), [([], ("status", "init")), (["cluster"], ("add",)), (["rollout"], ("start",))]
)
def test_group_without_a_command_lists_its_commands_without_an_error(
    capsys: pytest.CaptureFixture[str], arguments: list[str], commands: tuple[str, ...]
) -> None:
    code, result = run(arguments), capsys.readouterr()
    assert (code, result.out) == (2, "")
    assert result.err.startswith(f"Usage: {' '.join(['fleet', *arguments])} [OPTIONS] COMMAND")
    assert all(f"  {name} " in result.err for name in commands)
    assert "error: " not in result.err and not result.err.endswith("--help\n")


def test_wrong_choice_lists_the_choices(fleet: Fleet, golden: GoldenFiles) -> None:
    result = fleet("status", "-o", "yaml")
    assert result.code == 2
    golden.check(result.err)


def test_policy_with_mistakes_reports_all_of_them_and_exits_2(fleet: Fleet, tmp_path: Path) -> None:
    (tmp_path / "home" / "fleet.yaml").write_text("pools:\n  - name: a\n    sook: 1s\n    canaries: -1\n")
    result = fleet("status")
    assert result.code == 2
    assert result.err.startswith("error: ")
    assert "fleet.yaml:3: " in result.err and "fleet.yaml:4: " in result.err


def test_held_command_exits_3_with_message_and_remedy(
    fleet: Fleet, tmp_path: Path, golden: GoldenFiles
) -> None:
    made = a_started_rollout(Home(tmp_path / "home"))
    result = fleet("rollout", "start", made.plan_id)
    assert (result.code, result.out) == (3, "")
    golden.check(re.sub(r"started by \S+ \S+ ago", "started by WHO SINCE ago", result.err))


def test_missing_home_exits_2_and_shows_how_to_begin(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["--home", str(tmp_path / "none"), "status"]) == 2
    assert "fleet cluster import" in capsys.readouterr().err


def test_json_is_alone_on_stdout(fleet: Fleet) -> None:
    assert fleet("sync").code == 0
    result = fleet("status", "-o", "json")
    assert json.loads(result.out)["summary"]["nodes"] == 4
    assert result.err == ""


def test_csv_has_a_header_and_a_row_for_each_node(fleet: Fleet) -> None:
    fleet("sync")
    lines = fleet("status", "-o", "csv").out.splitlines()
    assert lines[0].startswith("cluster,site,zone,pool,name,")
    assert len(lines) == 5


def test_findings_exit_4_when_asked_for(fleet: Fleet) -> None:
    fleet("sync")
    assert (fleet("status").code, fleet("status", "--check").code) == (0, 4)


def test_intact_journal_verifies_and_a_forged_one_exits_4(
    fleet: Fleet, tmp_path: Path, golden: GoldenFiles
) -> None:
    a_started_rollout(Home(tmp_path / "home"))
    whole = fleet("audit", "verify")
    assert whole.code == 0
    golden.check(without_hashes(whole.out), "whole")
    with sqlite3.connect(tmp_path / "home" / "fleet.db") as database:
        database.execute("update journal set actor = 'nobody@nowhere'")
    result = fleet("audit", "verify")
    assert result.code == 4
    golden.check(result.out, "forged")


def test_signed_journal_verifies_and_a_truncated_export_exits_4(
    fleet: Fleet, tmp_path: Path, golden: GoldenFiles
) -> None:
    a_started_rollout(Home(tmp_path / "home"))
    made = fleet("audit", "keygen")
    assert made.code == 0 and "BEGIN PUBLIC KEY" in made.out and "PRIVATE KEY" not in made.out + made.err
    assert fleet("audit", "keygen").code == 2
    send_command(Home(tmp_path / "home"), "pause")
    kept = json.loads(fleet("audit", "checkpoint").out)
    assert kept["seq"] == 2
    result = fleet("audit", "verify")
    assert result.code == 0
    golden.check(without_hashes(result.out), "whole")
    file, key = str(tmp_path / "export.json"), str(tmp_path / "home" / "audit" / "public-key.pem")
    assert fleet("audit", "export", "--output", file).code == 0
    assert fleet("audit", "verify", "--file", file, "--key", key).code == 0
    assert fleet("audit", "verify", "--file", file).code == 2
    reported = json.loads(Path(file).read_text())
    reported["entries"].pop()
    Path(file).write_text(json.dumps(reported))
    result = fleet("audit", "verify", "--file", file, "--key", key)
    assert result.code == 4
    golden.check(without_hashes(result.out), "truncated")


def test_lint_shows_each_finding_with_its_remedy_and_exits_4(
    tmp_path: Path, fleet: Fleet, golden: GoldenFiles
) -> None:
    assert fleet("lint", "--cluster", "east").code == 2
    result = fleet("lint")
    assert result.code == 0
    golden.check(result.out, "never-read")
    assert fleet("sync").code == 0
    result = fleet("lint")
    assert result.code == 4
    golden.check(result.out, "findings")
    reported = json.loads(fleet("lint", "--json").out)
    assert [(each["check"], each["subject"]) for each in reported["findings"]] == [
        ("budget-never", "web/checkout"),
        ("foreign-cordon", "n-2"),
    ]


def test_lint_of_a_dump_needs_no_cluster(tmp_path: Path, fleet: Fleet, golden: GoldenFiles) -> None:
    dump = tmp_path / "shop.json"
    node = {"kind": "Node", "metadata": {"name": "n", "uid": "u"}}
    dump.write_text(json.dumps({"items": [node]}))
    result = fleet("lint", "--from-dump", str(dump))
    assert result.code == 0
    golden.check(result.out)
    assert fleet("lint", "--from-dump", str(tmp_path / "none")).code == 2


def test_version_is_printed(fleet: Fleet) -> None:
    reported = fleet("--version")
    assert (reported.code, reported.out.split()) == (0, ["fleet", version("fleet")])


def test_help_lists_commands_as_a_user_comes_to_need_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    names = re.findall(r"^  ([a-z]+)  +\S", capsys.readouterr().out, re.MULTILINE)
    order = ["init", "sync", "status", "lint", "plan", "rollout", "run", "report", "audit", "cluster", "demo"]
    assert [name for name in names if name in order] == order
