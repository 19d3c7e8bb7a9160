"""Writes docs/cli/, the reference of the command line, from the commands themselves: `python -m tools.cli_pages`."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

from typer.main import get_command

from fleet.cli.registry import program

FOLDER = Path(__file__).parents[1] / "docs" / "cli"
INDEX = "README.md"
_HELP = "--help"


def pages() -> dict[str, str]:
    """Returns the pages by file name: one of the whole program, and one for each of its commands."""
    command = get_command(program())
    root = command.make_context("fleet", [], resilient_parsing=True)
    contexts = {name: _context(subcommand, name, root) for name, subcommand in command.commands.items()}  # type: ignore[attr-defined]
    texts = {f"{name}.md": "\n".join(_page(context, 1)) for name, context in contexts.items()}
    return {INDEX: "\n".join(_index(root, contexts)), **texts}


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    made = pages()
    for path in FOLDER.glob("*.md"):
        if path.name not in made:
            path.unlink()
    for name, text in made.items():
        (FOLDER / name).write_text(text, encoding="utf-8")


def _context(command: Any, name: str, parent: Any) -> Any:
    return command.make_context(name, [], parent=parent, resilient_parsing=True)


def _index(root: Any, contexts: dict[str, Any]) -> Iterator[str]:
    yield "# The command line\n"
    yield "This folder is made from the commands by `make reference`; `fleet COMMAND --help` says the same.\n"
    yield f"{_escaped(root.command.help)}\n"
    headings: dict[str, list[str]] = {}
    for name, context in contexts.items():
        first = context.command.help.partition("\n\n")[0].replace("\n", " ")
        row = f"| [`fleet {name}`]({name}.md) | {_cell(first)} |"
        headings.setdefault(context.command.rich_help_panel, []).append(row)
    for heading, rows in headings.items():
        yield "\n".join((f"## {heading}\n", "| command | what it does |", "|---|---|", *rows, ""))
    yield "## Options of every command\n"
    yield from _table("option", _records(root, "option"))
    yield f"{_escaped(root.command.epilog)}\n"


def _page(context: Any, level: int) -> Iterator[str]:
    """Yields the blocks of a command's page, and below them those of its own commands."""
    yield f"{'#' * level} {context.command_path}\n"
    yield f"{_escaped(context.command.help)}\n"
    yield f"```\n{' '.join((context.command_path, *context.command.collect_usage_pieces(context)))}\n```\n"
    for kind in ("argument", "option"):
        yield from _table(kind, _records(context, kind))
    for name, command in getattr(context.command, "commands", {}).items():
        yield from _page(_context(command, name, context), level + 1)


def _records(context: Any, kind: str) -> list[tuple[str, str]]:
    params = (param for param in context.command.get_params(context) if param.param_type_name == kind)
    records = (param.get_help_record(context) for param in params)
    return [(name, help_text) for name, help_text in filter(None, records) if _HELP not in name]


def _table(kind: str, records: list[tuple[str, str]]) -> Iterator[str]:
    if records:
        rows = (f"| {_code(name)} | {_cell(help_text)} |" for name, help_text in records)
        yield "\n".join((f"| {kind} | what it means |", "|---|---|", *rows, ""))


def _code(name: str) -> str:
    """Returns the name as code for a table's cell. Markdown readers do not agree on a bar between backticks there."""
    return f"`{name}`" if "|" not in name else f"<code>{escape(name).replace('|', '&#124;')}</code>"


def _cell(text: str) -> str:
    return _escaped(text.replace("  [", " [")).replace("|", "\\|").replace("\n", " ")


def _escaped(text: str) -> str:
    """Returns Markdown that shows this text unchanged; indented lines stay a block of code."""
    lines = text.strip().splitlines()
    return "\n".join(
        line if line.startswith("    ") else line.replace("<", "\\<").replace("*", "\\*").replace("[", "\\[")
        for line in lines
    )


if __name__ == "__main__":
    main()
