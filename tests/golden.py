"""Golden files: pages and sentences that a test compares as a whole.

A test takes the fixture `golden` and calls `golden.check(text)`. The text is compared with
`golden/NAME_OF_THE_TEST_FILE/NAME_OF_THE_TEST.txt` beside the test; a test with more texts than one names each
(`golden.check(text, "wide")`). `make golden` writes the files anew; read what `git diff` shows before you commit it.
"""

from __future__ import annotations

import ast
from pathlib import Path


class GoldenFiles:
    """The golden files of one test."""

    def __init__(self, test_file: Path, test: str, *, rewrite: bool) -> None:
        self._stem = test_file.parent / "golden" / test_file.stem / test
        self._rewrite = rewrite

    def check(self, text: str, part: str = "") -> None:
        """Compares the text with its file, to the byte. The file ends with one newline more than the text.

        Raises AssertionError if they differ or if there is no file.
        """
        path = self._stem.with_name(f"{self._stem.name}.{part}.txt" if part else f"{self._stem.name}.txt")
        if self._rewrite:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{text}\n", encoding="utf-8")
        assert path.exists(), f"{path} is missing: `make golden` writes it"
        golden = path.read_text(encoding="utf-8")
        assert f"{text}\n" == golden, (
            f"differs from {path}; `make golden` rewrites it if the change is intended"
        )


def unread(folder: Path) -> list[Path]:
    """Returns the golden files below `folder` that no test there reads, sorted.

    A file is read if the test file has a function of its name that takes `golden`, and names its part in a literal.
    """
    return sorted(path for path in folder.rglob("golden/*/*") if not _is_read(path))


def _is_read(path: Path) -> bool:
    test_file = path.parents[2] / f"{path.parent.name}.py"
    test, _, part = path.name.removesuffix(".txt").partition(".")
    if path.suffix != ".txt" or not test_file.exists():
        return False
    nodes = list(ast.walk(ast.parse(test_file.read_text(encoding="utf-8"))))
    takes = any(
        isinstance(node, ast.FunctionDef)
        and node.name == test
        and "golden" in [each.arg for each in node.args.args]
        for node in nodes
    )
    return takes and (
        not part or any(isinstance(node, ast.Constant) and node.value == part for node in nodes)
    )
