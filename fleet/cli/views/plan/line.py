"""One line of a plan's text: the name of a fact, and the fact."""

from __future__ import annotations

from rich.text import Text

from fleet.core.text.counts import counted


def count_nodes(count: int) -> str:
    return counted(count, "node")


def fact(name: str, text: str, style: str = "") -> Text:
    return Text("  ") + Text(f"{name:<9} ", "dim") + Text(text, style)
