"""The reference of the command line is what the commands say, and has all of them."""

from __future__ import annotations

import re

from tools.cli_pages import FOLDER, INDEX, pages
from tools.markdown import anchors


def test_committed_reference_is_that_of_the_commands() -> None:
    committed = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.md")}
    assert committed == pages(), "run: make reference"


def test_reference_has_every_command_with_its_options() -> None:
    made = pages()
    assert {"fleet-plan", "fleet-plan-show", "fleet-plan-list"} <= anchors(made["plan.md"])
    assert "`--from-dump <path>`" in made["plan.md"]
    assert "`node <str>`" in made["explain.md"]
    assert {f"{name}.md" for name in re.findall(r"\| \[`fleet (\w+)`\]\(\1\.md\)", made[INDEX])} | {
        INDEX
    } == set(made)
    assert "`--home <path>`" in made[INDEX] and "130 interrupted" in made[INDEX]
