"""What a run of tests reports of those that it has left out."""

from __future__ import annotations

from tests.conftest import left_out

HERE = ["tests/a.py::test_one", "tests/a.py::test_two", "tests/b.py::test_one[x]", "tests/b.py::test_one[y]"]


def test_each_file_is_named_with_how_many_of_its_tests_have_not_run() -> None:
    skipped = [("tests/a.py::test_two", "needs root"), ("tests/b.py::test_one[y]", "needs Go")]
    assert left_out(skipped, HERE) == [
        "needs root:",
        "  tests/a.py: 1 of 2",
        "needs Go:",
        "  tests/b.py: 1 of 2",
    ]


def test_tests_with_the_same_reason_are_grouped() -> None:
    skipped = [(each, "needs Go") for each in HERE if each != "tests/a.py::test_two"]
    assert left_out(skipped, HERE) == ["needs Go:", "  tests/a.py: 1 of 2", "  tests/b.py: 2 of 2"]
