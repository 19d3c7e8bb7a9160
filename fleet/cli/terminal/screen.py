"""The console on which results, progress and warnings are printed."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.text import Text

from fleet.cli.terminal.program import as_typed, text_as_typed
from fleet.cli.terminal.visible import visible_text
from fleet.core.text.visible import visible_lines


class Screen(Console):
    """A terminal or a pipe on which everything that is printed is visible, and commands are as the user types them."""

    def print(self, *objects: Any, **options: Any) -> None:
        super().print(*(_visible(part) for part in objects), **options)


def _visible(printed: Any) -> Any:
    if isinstance(printed, Text):
        return visible_text(text_as_typed(printed))
    return visible_lines(as_typed(printed)) if isinstance(printed, str) else printed
