"""The valid policies that the documentation shows."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from fleet.config import default_policy_text, loads
from fleet.core.records.errors import ConfigError

DOCS = Path(__file__).parents[4] / "docs"
PAGE = DOCS / "crds.md"
FENCED = re.compile(r"```yaml\n(.*?)```", re.DOTALL)
INDENTED = re.compile(r"(?:^    .*\n|^\n)+", re.MULTILINE)
REST = (
    "",
    "pools: [{name: workers}]\n",
    "streams: [{name: stable, releases: [{version: '1'}]}]\npools: [{name: workers}]\n",
)
"""What examples leave out."""


def objects_in_docs() -> list[dict[str, Any]]:
    """The objects that docs/crds.md shows."""
    text = PAGE.read_text(encoding="utf-8")
    return [each for block in FENCED.findall(text) for each in yaml.load_all(block, Loader=_Loader)]


class _Loader(yaml.SafeLoader):
    """Leaves times as text, as kubectl does."""


_Loader.add_constructor("tag:yaml.org,2002:timestamp", lambda loader, node: node.value)


def examples() -> Iterator[str]:
    """Yields the policy of `fleet init`, and what is valid alone or with the rest of a policy in the pages."""
    yield default_policy_text()
    for page in sorted(DOCS.glob("*.md")):
        text = page.read_text(encoding="utf-8")
        blocks = [*FENCED.findall(text), *map(textwrap.dedent, INDENTED.findall(text))]
        for block in blocks:
            yield from list(_valid(block.lstrip("\n")))[:1]


def _valid(block: str) -> Iterator[str]:
    if not re.match(r"[a-z]+:", block.lstrip("# ")):
        return
    for rest in REST:
        try:
            loads(block + rest)
        except ConfigError:
            continue
        yield block + rest
