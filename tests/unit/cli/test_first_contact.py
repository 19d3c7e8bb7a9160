"""Every command in a folder that a user has just entered: with the team's policy alone, and with nothing at all."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from typer.main import get_command

from fleet.cli.main import run
from fleet.cli.registry import program
from tests.unit.app.homes import POLICY, a_home, small_cluster

ELSEWHERE = {
    "agent": "of a node: it has no home",
    "demo": "makes a home of its own (test_demo.py)",
    "report verify": "reads a file and a key (test_period.py)",
    "report diff": "reads two files (test_period.py)",
    "lab up": "builds a control plane",
    "lab simulate": "reads and writes nothing (test_simulate.py)",
}
FURTHER = {
    "run": ["--until-idle"],
    "node logs": ["--last-boot"],
    "exposure": ["kernel<6.12.9"],
    "cluster add": ["--kubeconfig", "none"],
    "cluster uninstall": ["--yes"],
}
"""What makes a call whole, beside what is required."""
FINE = {
    "sync",
    "status",
    "exposure",
    "drift",
    "orphans",
    "policy export",
    "policy status",
    "lint",
    "releases",
    "releases sync",
    "notify list",
    "schedule list",
    "window list",
    "window preview",
    "plan list",
    "plan approvals",
    "access show",
    "rollout list",
    "exception list",
    "cluster list",
    "inventory list",
    "run",
    "audit keygen",
    "audit verify",
    "audit export",
}
"""With a policy and no cluster these have an answer; all others need something, and say what."""
NEED_POLICY = {
    *("lint", "window list", "window preview", "policy status", "policy export", "releases", "releases sync"),
}
"""Of these, those whose question is about the policy."""
NO_ANSWER = {"lab status": 1, "lab agents": 1, "lab down": 1}
"""Exit codes of what needs something, unless it is the 2 of a call that cannot be done."""


class CommandResult(NamedTuple):
    code: int
    out: str
    err: str


Fleet = Callable[..., CommandResult]


def commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Each command that does something, by what one types."""
    if group.callback is not None and getattr(group, "invoke_without_command", False) and path:
        yield " ".join(path), group
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        else:
            yield " ".join((*path, name)), command


COMMANDS = dict(commands(get_command(program())))
HERE = sorted(set(COMMANDS) - set(ELSEWHERE))


def call(name: str) -> list[str]:
    """With what is required, made up."""
    arguments = name.split()
    for each in COMMANDS[name].params:
        if each.required:
            arguments += [each.opts[0], "x"] if each.param_type_name == "option" else ["x"]
    return arguments + FURTHER.get(name, [])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where one is, with a home directory in which nothing is yet."""
    for name in ("FLEET_HOME", "FLEET_DATABASE", "XDG_DATA_HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "person"))
    place = tmp_path / "here"
    place.mkdir()
    monkeypatch.chdir(place)
    return place


@pytest.fixture
def fleet(folder: Path, capsys: pytest.CaptureFixture[str]) -> Fleet:
    def invoke(*arguments: str) -> CommandResult:
        code = run(arguments)
        printed = capsys.readouterr()
        return CommandResult(code, printed.out, printed.err)

    return invoke


def test_all_commands_are_covered() -> None:
    assert set(ELSEWHERE) | set(FURTHER) | FINE | set(NO_ANSWER) <= set(COMMANDS)
    assert {"plan", "plan show", "audit verify", "cluster add"} <= set(HERE)


def helpful(result: CommandResult) -> None:
    """Whatever the result, it names a next step."""
    assert "bug in fleet" not in result.err and "Traceback" not in result.err
    assert "--force" not in result.out + result.err
    if result.code in (1, 2, 3):
        assert result.out == "" and result.err.count("error: ") == 1 and "  -> " in result.err


@pytest.mark.parametrize("name", HERE)
def test_folder_with_the_teams_policy_is_a_home(name: str, folder: Path, fleet: Fleet) -> None:
    (folder / "fleet.yaml").write_text(POLICY)
    result = fleet(*call(name))
    helpful(result)
    assert result.code == (0 if name in FINE or name == "init" else NO_ANSWER.get(name, 2))
    assert "fleet init" not in result.out + result.err and "no fleet" not in result.err
    assert (folder / "fleet.yaml").read_text() == POLICY
    assert not (folder.parent / "person/.local/share").exists()


@pytest.mark.parametrize("name", HERE)
def test_in_an_empty_folder_the_users_own_home_begins_and_the_folder_stays_empty(
    name: str, folder: Path, fleet: Fleet
) -> None:
    result = fleet(*call(name))
    helpful(result)
    if name == "init":
        assert result.code == 0 and (folder / "fleet.yaml").exists()
        return
    assert result.code == (0 if name in FINE - NEED_POLICY else NO_ANSWER.get(name, 2))
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("name", sorted(set(HERE) - {"init"}))
def test_home_that_was_named_and_is_empty_is_probably_a_wrong_one(
    name: str, folder: Path, fleet: Fleet
) -> None:
    result = fleet("--home", str(folder), *call(name))
    helpful(result)
    assert result.code == NO_ANSWER.get(name, 2)
    assert list(folder.iterdir()) == []
    assert not (folder.parent / "person/.local/share").exists()


RANCHERS = "defaultNamespace: web\nhelm: {releaseName: web}\ntargetCustomizations: [{name: dev}]\n"


@pytest.mark.parametrize("name", HERE)
def test_folder_with_another_programs_fleet_yaml_stays_unchanged(
    name: str, folder: Path, fleet: Fleet
) -> None:
    """Rancher's Fleet keeps a file of this name in each folder of a Git repository."""
    (folder / "fleet.yaml").write_text(RANCHERS)
    result = fleet(*call(name))
    helpful(result)
    assert (folder / "fleet.yaml").read_text() == RANCHERS
    if name == "init":
        return
    assert result.code == NO_ANSWER.get(name, 2)
    assert [each.name for each in folder.iterdir()] == ["fleet.yaml"]


@pytest.mark.parametrize("name", HERE)
def test_policy_with_another_file_name_is_reported_once(name: str, folder: Path, fleet: Fleet) -> None:
    (folder / "fleet.yml").write_text(POLICY)
    result = fleet(*call(name))
    helpful(result)
    assert result.err.count(f"{folder}/fleet.yml is not read") == (0 if name in NO_ANSWER else 1)
    assert (folder / "fleet.yml").read_text() == POLICY
    assert name == "init" or [each.name for each in folder.iterdir()] == ["fleet.yml"]


def test_fleet_yml_beside_a_policy_or_outside_the_home_is_no_mistake(
    folder: Path, fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "fleet.yml").write_text("a: b\n")
    home = a_home(folder.parent / "home")
    assert "fleet.yml" not in fleet("--home", str(home.path), "cluster", "list").err
    monkeypatch.setenv("FLEET_HOME", str(home.path))
    assert "fleet.yml" not in fleet("cluster", "list").err
    monkeypatch.delenv("FLEET_HOME")
    (folder / "fleet.yaml").write_text(POLICY)
    assert "fleet.yml" not in fleet("lint").err


@pytest.mark.parametrize(
    "name",
    [
        name
        for name in HERE
        if any("json" in str(getattr(each.type_descriptor, "choices", "")) for each in COMMANDS[name].params)
    ],
)
def test_json_is_alone_on_stdout_and_warnings_are_on_stderr(name: str, folder: Path, fleet: Fleet) -> None:
    (folder / "fleet.yaml").write_text(POLICY + "  - {name: rest, limits: {per_zone: 0}}\n")
    result = fleet(*call(name), "-o", "json")
    if name in FINE:
        json.loads(result.out)
    else:
        assert result.out == ""
    assert result.err.count("rest.limits.per_zone") <= 1


def test_policy_is_linted_without_a_cluster_and_nothing_is_created(folder: Path, fleet: Fleet) -> None:
    """As in CI: the exit code is the verdict."""
    policy = folder / "fleet.yaml"
    policy.write_text(POLICY)
    result = fleet("lint")
    assert (result.code, result.err) == (0, "") and "no cluster was checked" in result.out
    policy.write_text(POLICY + "  - {name: rest, limits: {per_zone: 0}}\n")
    result = fleet("lint", "-o", "json")
    (finding,) = json.loads(result.out)["findings"]
    assert (result.code, result.err, finding["check"]) == (4, "", "policy")
    assert finding["subject"] == f"{policy}:12: pools.rest.limits.per_zone"
    policy.write_text(POLICY + "  - {name: rest, limits: {per_zone: -1}}\n  - {nam: x}\n")
    result = fleet("lint")
    assert (result.code, result.out) == (2, "")
    assert "fleet.yaml:12: " in result.err and "fleet.yaml:13: " in result.err
    policy.write_text(POLICY + "quorums: [{name: votes, kind: etcd, cluster: east}]\n")
    assert fleet("lint").code == 0, "no cluster is known yet: east is none that is missing"
    assert fleet("lint", "--cluster", "east").code == 2
    assert sorted(each.name for each in folder.iterdir()) == ["fleet.yaml"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("status",),
        ("status", "-o", "csv"),
        ("plan",),
        ("cluster", "check"),
        ("run", "--until-idle"),
    ],
)
def test_policy_warnings_are_shown_once_by_the_command_that_reads_it(
    arguments: tuple[str, ...], folder: Path, fleet: Fleet
) -> None:
    a_home(folder, policy=POLICY + "    windows: []\nlimits: {per_site: 0}\n")
    result = fleet(*arguments)
    assert result.err.count("warning: ") == result.err.count("limits.per_site") == 1
    assert "per_site" not in result.out


@pytest.mark.parametrize("policy", ["", POLICY])
def test_install_preview_needs_no_fleet(policy: str, folder: Path, fleet: Fleet) -> None:
    if policy:
        (folder / "fleet.yaml").write_text(policy)
    digest = f"fleet@sha256:{'0' * 64}"
    result = fleet("cluster", "install", "east", "--dry-run", "--image", digest)
    assert (result.code, result.err) == (0, "") and f"image: {digest}\n" in result.out
    result = fleet("cluster", "install", "east", "--dry-run")
    assert (result.code, result.err.count("warning: ")) == (0, 1) and "kind: DaemonSet" in result.out
    assert not fleet("cluster", "install", "east", "--dry-run", "--no-agent").err
    assert not (folder / "fleet.db").exists()


def test_only_pool_and_only_cluster_need_no_name(folder: Path, fleet: Fleet) -> None:
    a_home(folder)
    result = fleet("plan")
    assert result.code == 0 and "of pool workers in east" in result.out
    result = fleet("cluster", "check")
    assert result.code == 0 and result.out.startswith("east (")


def test_several_pools_and_clusters_must_be_named(folder: Path, fleet: Fleet) -> None:
    a_home(folder, small_cluster("east"), small_cluster("west"), policy=POLICY + "  - {name: rest}\n")
    result = fleet("plan")
    assert result.code == 2 and "workers, rest" in result.err
    result = fleet("cluster", "check")
    assert result.code == 2 and "east, west" in result.err


def test_dump_has_the_cluster_name_of_the_policy(folder: Path, fleet: Fleet) -> None:
    (folder / "fleet.yaml").write_text(POLICY + "    clusters: [east]\n")
    node = {"kind": "Node", "metadata": {"name": "n", "uid": "u", "labels": {"pool": "workers"}}}
    (folder / "dump.json").write_text(json.dumps({"items": [node]}))
    result = fleet("plan", "--from-dump", "dump.json")
    assert result.code == 0 and "no node is in the pool" in result.out
    result = fleet("plan", "--from-dump", "dump.json", "-o", "json")
    assert [each["check"] for each in json.loads(result.out)["warnings"]] == ["pool-empty"]
    assert "of pool workers in east" in fleet("plan", "--from-dump", "dump.json", "--cluster", "east").out
    assert not (folder / "fleet.db").exists()


def test_new_home_beside_clusters_that_were_added_before_is_reported(folder: Path, fleet: Fleet) -> None:
    before = a_home(folder.parent / "person/.local/share/fleet")
    result = fleet("init")
    assert result.code == 0 and f"fleet init --home {before.path}" in result.err


def test_policy_with_mistakes_is_not_reported_as_an_unreachable_cluster(folder: Path, fleet: Fleet) -> None:
    a_home(folder)
    assert fleet("sync").code == 0
    (folder / "fleet.yaml").write_text(POLICY + "  - {nam: x}\n")
    result = fleet("sync")
    assert (result.code, result.out) == (2, "") and "fleet.yaml:12: " in result.err
    (east,) = json.loads(fleet("cluster", "list", "-o", "json").out)
    assert east["reachable"] and east["error"] == ""


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        (("status", "--pool", "wrokers"), "did you mean workers?"),
        (("status", "--check", "--pool", "x"), "known: workers"),
        (("status", "--site", "x"), "known: "),
        (("status", "--cluster", "x"), "known: east"),
        (("plan", "--pool", "x"), "known: workers"),
        (("plan", "--to", "x"), "known: "),
        (("sync", "--cluster", "x"), "known: east"),
        (("lint", "--cluster", "x"), "known: east"),
        (("cluster", "check", "x"), "known: east"),
    ],
)
def test_unknown_name_is_no_empty_answer(
    arguments: tuple[str, ...], advice: str, folder: Path, fleet: Fleet
) -> None:
    a_home(folder)
    result = fleet(*arguments)
    helpful(result)
    assert (result.code, result.out) == (2, "") and f"  -> {advice}" in result.err
