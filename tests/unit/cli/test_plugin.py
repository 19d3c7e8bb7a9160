"""The program as a plugin of kubectl: commands are shown as its users type them, and kubectl completes them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from typer.main import get_command

from fleet.cli.registry import program
from fleet.cli.terminal.program import COMMANDS, program_name

AS = "import sys; sys.argv = [{name!r}, *sys.argv[1:]]; from fleet.cli.{module} import main; main()"


def called(name: str, arguments: Sequence[str], module: str = "main") -> tuple[str, str]:
    """What the program prints on stdout and stderr that was started under this name."""
    script = AS.format(name=f"/usr/bin/{name}", module=module)
    found = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=False
    )
    return found.stdout, found.stderr


def test_plugin_has_kubectls_name_for_it() -> None:
    assert program_name("/usr/bin/kubectl-fleet") == "kubectl fleet"
    assert program_name("/usr/bin/fleet") == program_name("/x/fleet/cli/__main__.py") == "fleet"


def test_every_command_is_known() -> None:
    assert sorted(COMMANDS) == sorted(get_command(program()).commands)  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["fleet", "kubectl-fleet"])
def test_commands_in_results_and_errors_are_as_the_user_types_them(tmp_path: Path, name: str) -> None:
    typed = program_name(name)
    (tmp_path / "fleet.yaml").write_text("pools: [{name: w}]\n")
    out, err = called(name, ["--home", str(tmp_path), "cluster", "list"])
    assert f"-> {typed} cluster import adds those of your kubeconfig, {typed} cluster add a single one" in out
    out, err = called(name, ["--home", str(tmp_path / "none"), "rollout", "status"])
    assert f"{typed} " in err and (name == "fleet") == ("kubectl" not in err)


def test_kubectl_is_told_the_choices_for_the_word_that_is_typed() -> None:
    def choices(*words: str) -> list[str]:
        out, err = called("kubectl_complete-fleet", words, "kubectl_completion")
        assert err == ""
        return [line.partition("\t")[0] for line in out.splitlines()]

    assert choices("rollout", "sta") == ["start", "status", ":0"]
    assert choices("report", "-o", "")[0] == "text"
    assert set(choices("")) == {*COMMANDS, ":0"}
    assert choices("rollout", "no such; word") == [":0"]
