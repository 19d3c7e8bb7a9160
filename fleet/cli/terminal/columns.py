"""Aligned text without rules, one row a line, with the same text in a terminal and in a pipe."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from rich.text import Text

from fleet.core.text.visible import visible

GAP = 2

Cell = str | Text


def columns(head: Sequence[Cell], rows: Sequence[Sequence[Cell]], right: Collection[int] = ()) -> Text:
    """Returns columns as wide as their widest cell; `right` are aligned right. Nothing is cut, and no line ends in
    blanks.

    Without a head (`()`) there are only the rows. The last cell of a row that is shorter than others runs on over the
    columns that the row lacks.
    """
    lines = [[_text(cell, "bold") for cell in head]] if head else []
    lines += [[_text(cell) for cell in row] for row in rows]
    count = max((len(line) for line in lines), default=0)
    widths = [
        max((line[index].cell_len for line in lines if index < len(line) - (len(line) < count)), default=0)
        for index in range(count)
    ]
    return Text("\n").join(_line(line, widths, right) for line in lines)


def unrepeated(place: tuple[str, ...], above: tuple[str, ...]) -> tuple[str, ...]:
    """Returns the first cells of a row, which name its place: empty as far as they are those of the row above, from the
    left. So a cluster is named again where the site changes."""
    same = 0
    while same < len(place) and place[same] == above[same]:
        same += 1
    return ("",) * same + place[same:]


def indented(text: Text, blanks: int) -> Text:
    """Returns the text with every line moved to the right."""
    return Text("\n").join(Text(" " * blanks) + line for line in text.split("\n"))


def folded(text: Text, width: int) -> Text:
    """Returns the text with lines that are wider folded between words; what follows stands below the last column, or
    a bit to the right.

    A word that is wider than what is left stays whole, on a line of its own. Blanks around a fold are left out.
    """
    return Text("\n").join(part for line in text.split("\n") for part in _fold(line, width))


def _fold(line: Text, width: int) -> Iterator[Text]:
    plain = line.plain
    lead = len(plain) - len(plain.lstrip())
    gap = plain.rfind("  ", lead, width)
    hang = gap + GAP if lead < gap <= width // 2 else lead + 4
    blanks = lead
    while line.cell_len > width:
        cut = line.plain.rfind(" ", blanks + 1, width + 1)
        if cut < 0:
            cut = line.plain.find(" ", max(width, blanks + 1))
        if cut < 0:
            break
        first, rest = line.divide([cut])
        first.rstrip()
        yield first
        line = Text(" " * hang) + rest[len(rest.plain) - len(rest.plain.lstrip()) :]
        blanks = hang
    yield line


def _text(cell: Cell, style: str = "") -> Text:
    return cell if isinstance(cell, Text) else Text(visible(cell), style)


def _line(cells: Sequence[Text], widths: Sequence[int], right: Collection[int]) -> Text:
    line = Text()
    for index, cell in enumerate(cells):
        fill = " " * (widths[index] - cell.cell_len)
        whole = len(cells) == len(widths) or index < len(cells) - 1
        line += Text(fill) + cell if index in right and whole else cell + Text(fill)
        line += Text(" " * GAP)
    line.rstrip()
    return line
