"""The name under which the user has called the program, and commands as that user types them."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.text import Text

COMMANDS = (
    *("access", "agent", "audit", "cluster", "demo", "diff", "drift", "exception", "explain", "exposure"),
    *("init", "inventory", "lab", "lint", "node", "notify", "operator", "orphans", "plan", "policy"),
    *("releases", "report", "rollout", "run", "schedule", "status", "sync", "window"),
)
PLUGIN = "kubectl fleet"
_COMMAND = rf"(?<![\w./-])(?<!kubectl )fleet(?= (?:--home|{'|'.join(COMMANDS)})\b)"


def program_name(path: str) -> str:
    """Returns the name of the program in help and usage. `path`: as which it was started; kubectl starts its plugins as
    kubectl-NAME, for users who write `kubectl NAME`."""
    return PLUGIN if Path(path).stem == "kubectl-fleet" else "fleet"


def as_typed(text: str) -> str:
    """Returns the text with the commands in it as the user of this process types them."""
    return re.sub(_COMMAND, PLUGIN, text) if program_name(sys.argv[0]) == PLUGIN else text


def text_as_typed(text: Text) -> Text:
    """Returns the text with the commands in it as the user of this process types them, and its styles."""
    if program_name(sys.argv[0]) != PLUGIN:
        return text
    places = [match.start() for match in re.finditer(_COMMAND, text.plain)]
    for place in reversed(places):
        text = text[:place] + PLUGIN.removesuffix("fleet") + text[place:]
    return text
