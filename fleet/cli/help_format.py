"""How the help of a command with commands lists these. Plain text: what draws boxes costs more to import than to answer."""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup


class CommandList(TyperGroup):
    """A group whose help lists its commands under their headings, in their order, each with the first paragraph of
    its help."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Writes the commands into the help, a section a heading."""
        headings: dict[str, list[tuple[str, str]]] = {}
        for name, command in self.commands.items():
            heading = getattr(command, "rich_help_panel", None) or "Commands"
            text = (command.help or "").partition("\n\n")[0]
            headings.setdefault(str(heading), []).append((name, text.replace("\n", " ")))
        for heading, rows in headings.items():
            with formatter.section(heading):
                formatter.write_dl(rows)
