"""Gathers the pages of the documentation site, and checks that the built site needs no other host.

`python -m tools.site gather FOLDER` copies into FOLDER the README, all that can be reached from it by links, at the same
paths as in the repository, and a page of docstrings for each package of fleet. `python -m tools.site check FOLDER` names
the addresses that the built pages would fetch from other hosts. `make docs` runs both, and zensical between them.
"""

from __future__ import annotations

import ast
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from html.parser import HTMLParser
from itertools import groupby
from pathlib import Path
from urllib.parse import unquote

from msgspec import Struct

from tools.markdown import links

ROOT = Path(__file__).parents[1]
START = Path("README.md")
STYLE = Path("docs/site.css")
API = Path("docs/api")
_FOREIGN = re.compile(r"(?:https?:)?//", re.IGNORECASE)
_FETCHED_BY_STYLE = re.compile(r"""(?:url\(\s*|@import\s+)["']?([^"')\s]+)""", re.IGNORECASE)


def reachable(root: Path) -> list[Path]:
    """Returns the files below `root` that the README links to, that those pages link to, and so on; the README first."""
    files = [START]
    for page in files:
        if page.suffix != ".md":
            continue
        for link in links((root / page).read_text(encoding="utf-8")):
            path = (root / page.parent / unquote(link).partition("#")[0]).resolve()
            if not link.startswith("#") and path.is_file() and path.relative_to(root) not in files:
                files.append(path.relative_to(root))
    return files


class Package(Struct, frozen=True):
    name: str
    summary: str
    """The first line of the package's docstring; empty: it has none."""
    modules: tuple[str, ...]


def packages(root: Path) -> list[Package]:
    """Returns the packages of fleet that have modules besides `__init__`, by name."""
    named = []
    for path in sorted((root / "fleet").rglob("__init__.py")):
        name = ".".join(path.parent.relative_to(root).parts)
        modules = sorted(
            module_path.stem
            for module_path in path.parent.glob("*.py")
            if not module_path.stem.startswith("__")
        )
        if modules:
            docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
            named.append(
                Package(name, docstring.partition("\n")[0], tuple(f"{name}.{module}" for module in modules))
            )
    return sorted(named, key=lambda module_path: module_path.name)


def api_pages(listed: Sequence[Package]) -> dict[str, str]:
    """Returns Markdown by file name: an index, its navigation, and for each package a page that mkdocstrings fills in."""
    pages = {
        f"{package.name}.md": f"# {package.name}\n\n"
        + "\n".join(f"::: {module}\n" for module in package.modules)
        for package in listed
    }
    rows = [f"| [{package.name}]({package.name}.md) | {package.summary} |" for package in listed]
    head = "# Modules\n\nThe docstrings, package by package. [Rooms](../architecture.md#rooms) describes the layers.\n"
    index = "\n".join((head, "| package | has |", "|---|---|", *rows, ""))
    return {"README.md": index, "SUMMARY.md": _navigation(listed), **pages}


def _navigation(listed: Sequence[Package]) -> str:
    """Returns a nested list for literate-nav: the packages below their rooms."""
    lines = ["* [Index](README.md)"]
    for room, members in groupby(listed, key=lambda package: package.name.split(".")[1]):
        lines.append(f"* {room}")
        for member in members:
            short = member.name.removeprefix(f"fleet.{room}").lstrip(".") or room
            lines.append(f"    * [{short}]({member.name}.md)")
    return "\n".join((*lines, ""))


def gather(root: Path, folder: Path) -> None:
    """Fills a folder with the sources of the site, after removing its old content."""
    shutil.rmtree(folder, ignore_errors=True)
    for path in (*reachable(root), STYLE):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(root / path, folder / path)
    (folder / API).mkdir(parents=True)
    for name, text in api_pages(packages(root)).items():
        (folder / API / name).write_text(text, encoding="utf-8")


class _Fetched(HTMLParser):
    """Collects the addresses that a browser fetches for a page without a click."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        if tag == "link" and attributes.get("rel") not in ("canonical", "alternate", "next", "prev"):
            self.found.append(attributes.get("href", ""))
        elif tag != "a":
            self.found += [attributes.get(name, "") for name in ("src", "srcset", "data", "poster")]
        self.found += _FETCHED_BY_STYLE.findall(attributes.get("style", ""))


def fetched(path: Path) -> Iterator[str]:
    """Yields the addresses on other hosts that a browser would fetch for a built page or style sheet."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".html":
        page = _Fetched()
        page.feed(text)
        addresses = page.found
        text = "".join(re.findall(r"<style.*?</style>", text, re.DOTALL | re.IGNORECASE))
    else:
        addresses = []
    yield from (
        address for address in (*addresses, *_FETCHED_BY_STYLE.findall(text)) if _FOREIGN.match(address)
    )


def check(folder: Path) -> list[str]:
    """Returns what the pages would fetch from other hosts, as `FILE: ADDRESS`; a folder without pages is an error too."""
    pages = sorted(path for path in folder.rglob("*") if path.suffix in (".html", ".css"))
    if not any(path.name == "index.html" for path in pages):
        return [f"{folder}: there is no index.html"]
    return [f"{path.relative_to(folder)}: {address}" for path in pages for address in fetched(path)]


def main(arguments: list[str]) -> int:
    match arguments:
        case ["gather", folder]:
            gather(ROOT, Path(folder))
            return 0
        case ["check", folder]:
            wrong = check(Path(folder))
            print(*wrong, sep="\n", end="\n" if wrong else "", file=sys.stderr)
            return 1 if wrong else 0
    print("usage: python -m tools.site gather FOLDER | check FOLDER", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
