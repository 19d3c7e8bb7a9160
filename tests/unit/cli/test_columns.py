"""Aligned text."""

from __future__ import annotations

from rich.text import Text

from fleet.cli.terminal.columns import columns, folded
from tests.golden import GoldenFiles


def test_columns_are_as_wide_as_their_widest_cell_without_trailing_blanks(golden: GoldenFiles) -> None:
    table = columns(("NODE", "PODS", "WHY"), [("n-1", "7", ""), ("n-0002", "12", Text("held"))], right=(1,))
    golden.check(table.plain)


def test_last_cell_of_a_short_row_spans_the_missing_columns(golden: GoldenFiles) -> None:
    table = columns(("A", "B", "C"), [("a", "does not answer for 14m"), ("a", "b", "c")])
    golden.check(table.plain)


def test_table_without_a_header() -> None:
    assert columns((), [("a", "b")]).plain == "a  b"


def test_wide_line_is_folded_below_its_last_column(golden: GoldenFiles) -> None:
    text = folded(Text("  n-1  budget web/checkout allows none\n  n-2  fine"), 24)
    golden.check(text.plain)


def test_prose_is_folded_between_words_and_long_words_stay_whole(golden: GoldenFiles) -> None:
    golden.check(folded(Text("Plan of a pool in east"), 12).plain, "prose")
    golden.check(folded(Text("see /a/path/that/is/long"), 10).plain, "long-word")


def test_text_behind_a_long_name_is_folded() -> None:
    name = "a-name-of-forty-letters-that-never-folds"
    table = columns((), [("n-1", "east", "done"), (name, "east", "done")])
    lines = folded(table, 20).plain.splitlines()
    assert [line.strip() for line in lines] == ["n-1", "east  done", name, "east  done"]
    assert all(line == line.rstrip() for line in lines)
