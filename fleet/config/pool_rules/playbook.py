"""Checks that a user's own playbook is a list of plays. Only Ansible knows whether its tasks are valid."""

from __future__ import annotations

from pathlib import Path

import yaml

from fleet.config.stream import text_of

VAULT = "$ANSIBLE_VAULT;"
"""The beginning of a file that is encrypted as a whole: its content cannot be checked here."""
HEADS = frozenset(
    {"hosts", "import_playbook", "ansible.builtin.import_playbook", "ansible.legacy.import_playbook"}
)
"""Keys one of which makes a mapping a play (ansible-core 2.19, playbook/__init__.py)."""


def mistake_in(path: Path) -> str:
    """Returns why Ansible could not run this file; empty where it is a list of plays."""
    try:
        text = text_of(path)
    except FileNotFoundError:
        return f"found no file {path}"
    except OSError as wrong:
        return f"{path} cannot be read: {wrong.strerror or wrong}"
    except ValueError as wrong:
        return f"{path} {wrong}"
    if text.startswith(VAULT):
        return ""
    try:
        line, message = _mistake(text)
    except yaml.MarkedYAMLError as wrong:
        mark = wrong.problem_mark or wrong.context_mark
        line, message = (mark.line if mark else 0), f"is not YAML: {wrong.problem or wrong.context}"
    except yaml.YAMLError as wrong:
        line, message = 0, f"is not YAML: {ascii(str(wrong))[1:200]}"
    return f"{path}:{line + 1} {message}" if message else ""


def _mistake(text: str) -> tuple[int, str]:
    """Returns the first mistake and its line, counted from 0. The parser's events are read, so that no tag constructs
    an object and no depth exhausts the stack."""
    depth = documents = plays = begun = 0
    keys: set[str] = set()
    at_key = True
    for event in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
        line = event.start_mark.line if event.start_mark else 0
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                return line, "begins a second document: a playbook is one document"
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
            if depth == 1 and not keys & (HEADS | {"<<"}):
                return begun, "is not a play: it has neither hosts nor import_playbook"
        elif isinstance(event, yaml.NodeEvent):
            if depth == 0 and not isinstance(event, yaml.SequenceStartEvent):
                return line, "is not a list of plays"
            if depth == 1:
                if isinstance(event, yaml.ScalarEvent | yaml.SequenceStartEvent):
                    return line, "is not a play: expected a mapping with hosts"
                plays, begun, keys, at_key = plays + 1, line, set(), True
            elif depth == 2:
                if at_key and isinstance(event, yaml.ScalarEvent):
                    keys.add(event.value)
                at_key = not at_key
            depth += isinstance(event, yaml.CollectionStartEvent)
    return 0, "" if plays else "has no plays"
