"""What a run of tests says of those that it has left out."""

from __future__ import annotations

from tests.conftest import left_out

HERE = ["tests/a.py::test_one", "tests/a.py::test_two", "tests/b.py::test_one[x]", "tests/b.py::test_one[y]"]


def test_a_file_of_which_nothing_has_run_is_named_once() -> None:
    skipped = [("tests/a.py::test_one", "needs Go"), ("tests/a.py::test_two", "needs Go")]
    assert left_out(skipped, HERE) == ["needs Go:", "  tests/a.py (2 tests)"]


def test_of_a_file_that_has_run_in_part_each_function_is_named() -> None:
    skipped = [("tests/a.py::test_two", "needs root"), ("tests/b.py::test_one[y]", "needs Go")]
    assert left_out(skipped, HERE) == [
        "needs root:",
        "  tests/a.py::test_two (1 test)",
        "needs Go:",
        "  tests/b.py::test_one (1 test)",
    ]


def test_what_needs_the_same_stands_together() -> None:
    skipped = [(each, "needs Go") for each in HERE if each != "tests/a.py::test_two"]
    assert left_out(skipped, HERE) == [
        "needs Go:",
        "  tests/a.py::test_one (1 test)",
        "  tests/b.py (2 tests)",
    ]
