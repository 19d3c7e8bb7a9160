"""Aligned text."""

from __future__ import annotations

from rich.text import Text

from fleet.cli.columns import columns


def test_columns_are_as_wide_as_their_widest_cell_and_end_without_blanks() -> None:
    table = columns(("NODE", "PODS", "WHY"), [("n-1", "7", ""), ("n-0002", "12", Text("held"))], right=(1,))
    assert table.plain == "NODE    PODS  WHY\nn-1        7\nn-0002    12  held"


def test_the_last_cell_of_a_short_row_runs_on_over_the_columns_it_lacks() -> None:
    table = columns(("A", "B", "C"), [("a", "does not answer for 14m"), ("a", "b", "c")])
    assert table.plain == "A  B  C\na  does not answer for 14m\na  b  c"


def test_without_a_head_there_are_only_rows() -> None:
    assert columns((), [("a", "b")]).plain == "a  b"
