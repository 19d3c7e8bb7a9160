"""Every link of every Markdown file leads to a file and a heading that are there, and every path that one names exists."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.programs.contributing.worked_example import BLOCK
from tools.markdown import anchors, links, words_in_code

ROOT = Path(__file__).parents[2]
FOLDERS = {path.name for path in ROOT.iterdir() if path.is_dir() and path.name[0] != "."} - {"build"} | {
    ".github"
}
PAGES = sorted(
    path.relative_to(ROOT)
    for path in (*ROOT.glob("*.md"), *(each for name in FOLDERS for each in (ROOT / name).rglob("*.md")))
)
PLACES = (ROOT, ROOT / "fleet", ROOT / "tests")
"""Where a path that a page names may begin: the tables of tests leave out `tests/`, those of rooms `fleet/`."""
ROOMS = FOLDERS | {path.name for place in PLACES[1:] for path in place.iterdir() if path.is_dir()}
PATH = re.compile(r"[\w.-]+(?:/[\w.-]+)*/?(?:::\w+)?")
PLACEHOLDER = re.compile(r"\b[A-Z]+/|/[A-Z]+\b|NNNN")
HISTORY = {Path("CHANGELOG.md")}
"""Tells of what was there once."""


def read(page: Path) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def broken(page: Path, text: str) -> list[str]:
    """The links of a page that lead nowhere in this repository. Links to other sites are not checked."""
    return [
        link
        for link in links(text)
        if not re.match(r"https://|mailto:", link) and not _leads_somewhere(page, text, unquote(link))
    ]


def _leads_somewhere(page: Path, text: str, link: str) -> bool:
    name, _, anchor = link.partition("#")
    target = (ROOT / page.parent / name).resolve()
    # A folder is no page: of the site, or where the README is read.
    if name and not (target.is_relative_to(ROOT) and target.is_file()):
        return False
    if name and anchor:
        text = target.read_text(encoding="utf-8") if target.suffix == ".md" else ""
    return not anchor or anchor in anchors(text)


def paths(text: str) -> set[str]:
    """What stands in code and looks like a path into a folder of one of the places."""
    return {
        word.partition("::")[0]
        for word in words_in_code(text)
        if PATH.fullmatch(word)
        and "/" in word
        and word.split("/")[0] in ROOMS
        and not PLACEHOLDER.search(word)
    }


def missing(page: Path, text: str) -> list[str]:
    """The paths that a page names and that are not there; the files that its worked example makes need not be."""
    places = (*PLACES, ROOT / page.parent)
    made = {path for path, kind, _ in BLOCK.findall(text) if kind != "diff"}
    return sorted(word for word in paths(text) - made if not any((place / word).exists() for place in places))


def test_pages_are_found() -> None:
    assert {Path("README.md"), Path("docs/policy.md"), Path("inventory/README.md")} <= set(PAGES)
    assert sum(len(links(read(page))) for page in PAGES) > 80
    assert len({word for page in PAGES for word in paths(read(page))}) > 80


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_link_leads_somewhere(page: Path) -> None:
    assert broken(page, read(page)) == []


@pytest.mark.parametrize("page", [page for page in PAGES if page not in HISTORY], ids=str)
def test_every_path_that_is_named_exists(page: Path) -> None:
    assert missing(page, read(page)) == []


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_bars_in_code_are_written_without_a_visible_backslash(page: Path) -> None:
    assert re.findall(r"`[^`\n]*\\\|[^`\n]*`", read(page)) == []


def test_broken_links_are_found() -> None:
    text = """\
# A `b`: c's (d)

[fine](#a-b-cs-d) [`fine`](policy.md#drain-rules) [fine](https://example.org/x) [fine](site.css)
[no such heading](#a-b), [no such file](nowhere.md), [no such heading there](policy.md#nowhere), [out](../../etc/passwd)
[a folder](schemas/), [no such heading by a reference], `[code](nowhere.md)`

    [code](nowhere.md)

```
[code](nowhere.md) `fleet/nowhere.py`
```

| a table |
|---|
| [no such file in a table](nowhere.html) |

[no such heading by a reference]: #nowhere
"""
    assert broken(Path("docs/page.md"), text) == [
        "#a-b",
        "nowhere.md",
        "policy.md#nowhere",
        "../../etc/passwd",
        "schemas/",
        "#nowhere",
        "nowhere.html",
    ]
    named = "`fleet/core`, `core/nowhere.py`, `docs/policy.md`, `a/b.py`, `tests/unit/test_no.py::test_a`, `fleet/x/`"
    assert missing(Path("docs/page.md"), named) == ["core/nowhere.py", "fleet/x/", "tests/unit/test_no.py"]
