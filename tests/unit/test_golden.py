"""Golden files: a text that differs fails, and so does a file that no test reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.golden import GoldenFiles, unread

TESTS = Path(__file__).parents[1]
TEST_FILE = """
def test_page(golden):
    golden.check(page())
    golden.check(page(), "wide")

def test_without_golden_files():
    pass
"""


def files_of(test_file: Path, *, rewrite: bool = False) -> GoldenFiles:
    return GoldenFiles(test_file, "test_page", rewrite=rewrite)


def test_text_that_differs_in_one_byte_fails(tmp_path: Path) -> None:
    test_file = tmp_path / "test_it.py"
    files_of(test_file, rewrite=True).check("a page\n")
    assert (tmp_path / "golden/test_it/test_page.txt").read_text() == "a page\n\n"
    files_of(test_file).check("a page\n")
    with pytest.raises(AssertionError, match="make golden"):
        files_of(test_file).check("a page")


def test_text_without_a_file_fails_and_writes_none(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"test_page\.wide\.txt is missing"):
        files_of(tmp_path / "test_it.py").check("a page", "wide")
    assert list(tmp_path.iterdir()) == []


def test_files_that_no_test_reads_are_found(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(TEST_FILE)
    (tmp_path / "golden/test_it").mkdir(parents=True)
    (tmp_path / "golden/test_gone").mkdir()
    read = ["test_it/test_page.txt", "test_it/test_page.wide.txt"]
    orphans = [
        *("test_gone/test_page.txt", "test_it/test_gone.txt", "test_it/test_page.md"),
        *("test_it/test_page.narrow.txt", "test_it/test_without_golden_files.txt"),
    ]
    for name in (*read, *orphans):
        (tmp_path / "golden" / name).write_text("a page\n")
    assert [str(path.relative_to(tmp_path / "golden")) for path in unread(tmp_path)] == orphans


def test_each_golden_file_is_read_by_a_test() -> None:
    assert list(TESTS.rglob("golden/*/*.txt"))
    assert unread(TESTS) == []
