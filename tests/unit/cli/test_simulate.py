"""`fleet lab simulate`: the history of a seed, a part of it, many of them."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from fleet.cli.registry import program
from fleet.core.records.errors import UsageError


def outcome(*arguments: str) -> str:
    result = CliRunner().invoke(program("lab"), ["lab", "simulate", *arguments], catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def test_seed_is_replayed_the_same_and_checked() -> None:
    reported = outcome("--seed", "5")
    assert reported == outcome("--seed", "5")
    assert "* " in reported and reported.endswith("seed 5: no invariant was broken\n")


def test_excluded_faults_do_not_strike() -> None:
    assert "* " not in outcome("--seed", "5", "--only", "none")


def test_many_seeds_are_summarised() -> None:
    reported = outcome("--seed", "5", "--histories", "3")
    assert reported.startswith("3 histories, ") and "faults that struck" in reported


@pytest.mark.parametrize("only", ["99", "x", "-1"])
def test_faults_that_a_seed_does_not_have_are_refused(only: str) -> None:
    with pytest.raises(UsageError):
        CliRunner().invoke(program("lab"), ["lab", "simulate", "--only", only], catch_exceptions=False)
    with pytest.raises(UsageError):
        CliRunner().invoke(
            program("lab"), ["lab", "simulate", "--only", "1", "--histories", "2"], catch_exceptions=False
        )
