"""Aligned text."""

from __future__ import annotations

from rich.text import Text

from fleet.cli.terminal.columns import columns, folded


def test_columns_are_as_wide_as_their_widest_cell_and_end_without_blanks() -> None:
    table = columns(("NODE", "PODS", "WHY"), [("n-1", "7", ""), ("n-0002", "12", Text("held"))], right=(1,))
    assert table.plain == "NODE    PODS  WHY\nn-1        7\nn-0002    12  held"


def test_the_last_cell_of_a_short_row_runs_on_over_the_columns_it_lacks() -> None:
    table = columns(("A", "B", "C"), [("a", "does not answer for 14m"), ("a", "b", "c")])
    assert table.plain == "A  B  C\na  does not answer for 14m\na  b  c"


def test_without_a_head_there_are_only_rows() -> None:
    assert columns((), [("a", "b")]).plain == "a  b"


def test_a_line_that_is_too_wide_is_folded_below_its_last_column() -> None:
    text = folded(Text("  n-1  budget web/checkout allows none\n  n-2  fine"), 24)
    assert text.plain == "  n-1  budget\n       web/checkout\n       allows none\n  n-2  fine"


def test_prose_is_folded_between_words_and_long_words_stay_whole() -> None:
    assert folded(Text("Plan of a pool in east"), 12).plain == "Plan of a\n    pool in\n    east"
    assert folded(Text("see /a/path/that/is/long"), 10).plain == "see\n    /a/path/that/is/long"


def test_what_stands_behind_a_long_name_and_its_blanks_is_folded_too() -> None:
    name = "a-name-of-forty-letters-that-never-folds"
    table = columns((), [("n-1", "east", "done"), (name, "east", "done")])
    lines = folded(table, 20).plain.splitlines()
    assert [line.strip() for line in lines] == ["n-1", "east  done", name, "east  done"]
    assert all(line == line.rstrip() for line in lines)
