"""Objects as a YAML text that PyYAML and kubectl read alike."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import yaml

_AMBIGUOUS = re.compile(r"[0-9.+~-].*|y|n|on|off|yes|no|true|false|null|", re.IGNORECASE | re.DOTALL)
"""Matches text that some reader of YAML takes for a number, a time or a boolean: `1e3`, `010`, `y`."""


class _Dumper(yaml.SafeDumper):
    """Writes such text in quotes, and what is there twice two times."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = '"' if _AMBIGUOUS.fullmatch(text) else "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style)


_Dumper.add_representer(str, _text)


def as_yaml(documents: Iterable[Mapping[str, Any]]) -> str:
    """Returns the documents, each after a line `---`."""
    return yaml.dump_all(
        documents, Dumper=_Dumper, sort_keys=False, explicit_start=True, allow_unicode=True, width=110
    )
