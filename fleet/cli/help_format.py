"""Lists the commands of a command in its help. Plain text: what draws boxes costs more to import than to answer."""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup


class CommandList(TyperGroup):
    """A group whose help lists its commands under their headings, in their order, each with the first paragraph of
    its help."""

    order: tuple[str, ...] = ()
    """The names of commands in the order in which a user needs them. Others follow in the order of their definition;
    without this typer would list all commands with subcommands last."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        places = {name: place for place, name in enumerate(self.order)}
        self.commands = dict(sorted(self.commands.items(), key=lambda item: places.get(item[0], len(places))))

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


class CommandWithSubcommands(CommandList):
    """A command that has commands beside it: `fleet report r-1 -o html`, and `fleet report verify FILE`.

    A line whose first word names one of the commands is for that command; any other line is for the command itself,
    whose callback returns at once if a subcommand was invoked. Its one argument is a text with an empty default, and no
    value of that argument is named as a command is.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parses the line. The empty text stands for the argument that a subcommand's line does not have."""
        if args and args[0] in self.commands:
            return super().parse_args(ctx, ["", *args])
        ctx.allow_interspersed_args = True
        return super().parse_args(ctx, args)

    def get_params(self, ctx: Any) -> list[Any]:
        """Returns the parameters; for a subcommand's usage line without the argument, which its line does not have."""
        found = super().get_params(ctx)
        return (
            found if ctx.command is self else [each for each in found if each.param_type_name != "argument"]
        )
