"""A worked example of a page: its code blocks, applied to a copy of the package, and its own test, run there.

A block belongs to the file that the line before it names (`path`, then a colon). A block of kind `diff` is an edit: lines
with `-` go, lines with `+` come, the others stand there already and say where. Any other block is a new file.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from msgspec import Struct

ROOT = Path(__file__).parents[3]
HELPERS = ("tests/__init__.py", "tests/simulated_rollout.py")
"""Files that the examples' tests import, beside the package."""
BLOCK = re.compile(r"^[^\n`]*`([\w./-]+)`[^\n]*:\n\n```(\w+)\n(.*?)^```$", re.M | re.S)


class Block(Struct, frozen=True):
    path: str
    kind: str
    text: str


class Example(Struct, frozen=True):
    blocks: tuple[Block, ...]

    @property
    def files(self) -> tuple[str, ...]:
        """The files of the package that the example touches: tests and docs do not count."""
        paths = dict.fromkeys(block.path for block in self.blocks)
        return tuple(path for path in paths if not path.startswith(("tests/", "docs/")))

    @property
    def tests(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(each.path for each in self.blocks if each.path.startswith("tests/")))

    def run(self, folder: Path) -> subprocess.CompletedProcess[str]:
        """Applies the blocks to a copy of the package in `folder` and runs the example's own tests there."""
        assert self.tests, "the example has no test"
        shutil.copytree(ROOT / "fleet", folder / "fleet", ignore=shutil.ignore_patterns("__pycache__"))
        for helper in HELPERS:
            (folder / helper).parent.mkdir(exist_ok=True)
            shutil.copy(ROOT / helper, folder / helper)
        for block in self.blocks:
            apply(block, folder)
        # The first place that Python looks at is the copy: with -m, the current folder.
        message = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "--rootdir",
            str(folder),
            *self.tests,
        ]
        environ = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST")}
        return subprocess.run(message, cwd=folder, env=environ, capture_output=True, text=True)


def example(page: str, heading: str) -> Example:
    """Returns the example under a heading of second rank of a page in docs/contributing."""
    text = (ROOT / "docs" / "contributing" / page).read_text(encoding="utf-8")
    sections: dict[str, str] = {}
    name, fenced = "", False
    for line in text.splitlines(keepends=True):
        fenced ^= line.startswith("```")
        if line.startswith("## ") and not fenced:
            name = line[3:].strip()
        sections[name] = sections.get(name, "") + line
    return Example(tuple(Block(*found) for found in BLOCK.findall(sections[heading])))


def apply(block: Block, folder: Path) -> None:
    """Raises AssertionError if lines that the block expects are missing or are there twice."""
    path = folder / block.path
    if block.kind != "diff":
        assert not path.exists(), f"{block.path} is there already"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text, encoding="utf-8")
        return
    text = path.read_text(encoding="utf-8")
    for hunk in re.split(r"^@@.*\n", block.text, flags=re.M):
        if not hunk:
            continue
        before = _side(hunk, "-")
        assert text.count(before) == 1, f"{block.path} does not have these lines exactly once:\n{before}"
        text = text.replace(before, _side(hunk, "+"))
    path.write_text(text, encoding="utf-8")


def _side(hunk: str, sign: str) -> str:
    lines = hunk.splitlines(keepends=True)
    return "".join(line[1:] or line for line in lines if line[:1] in (" ", "\n", sign))
