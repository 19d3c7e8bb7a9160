"""The documentation site has every page, and fetches nothing from elsewhere. `make docs` builds it."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.test_markdown import PAGES
from tools.site import API, ROOT, STYLE, check, gather, main, packages, reachable


@pytest.fixture(scope="module")
def gathered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site") / "pages"
    gather(ROOT, folder)
    return folder


def entries(nav: Any) -> Iterator[str]:
    """The pages and folders that a site's navigation names."""
    for each in nav:
        for value in each.values() if isinstance(each, dict) else [each]:
            if isinstance(value, str):
                yield value
            else:
                yield from entries(value)


def test_every_page_can_be_reached_from_the_readme() -> None:
    assert set(PAGES) <= set(reachable(ROOT))


def test_every_page_is_in_the_navigation_and_every_entry_exists(gathered: Path) -> None:
    named = list(entries(tomllib.loads((ROOT / "zensical.toml").read_text())["project"]["nav"]))
    assert [each for each in named if not (gathered / each).exists()] == []
    pages = {str(path.relative_to(gathered)) for path in gathered.rglob("*.md")}
    folders = tuple(each for each in named if each.endswith("/"))
    assert {page for page in pages if page not in named and not page.startswith(folders)} == set()
    assert (gathered / STYLE).is_file()


def test_every_package_with_modules_has_a_page_of_docstrings(gathered: Path) -> None:
    known = packages(ROOT)
    modules = {name for each in known for name in each.modules}
    assert {"fleet.cli.main", "fleet.agent.main"} <= modules
    assert not any("playbooks" in name or "__" in name for name in modules)
    index, navigation = ((gathered / API / name).read_text() for name in ("README.md", "SUMMARY.md"))
    for each in known:
        assert f"]({each.name}.md)" in index and f"]({each.name}.md)" in navigation
        lines = (gathered / API / f"{each.name}.md").read_text().splitlines()
        named = [line.removeprefix("::: ") for line in lines if line.startswith(":::")]
        assert tuple(named) == each.modules
    assert any(each.summary for each in known)


def test_resources_from_elsewhere_are_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "index.html").write_text("""
<link rel="canonical" href="https://fine.example/"><a href="https://fine.example/">fine</a>
<link rel="stylesheet" href="assets/fine.css"><img src="data:image/png;base64,AA==">
<script src="//cdn.example/a.js"></script>
<link rel="preconnect" href="https://fonts.example"><img srcset="HTTPS://pictures.example/a.png">
<p style="background: url('https://style.example/b.png')"></p><style>@import "https://style.example/c.css";</style>
""")
    (tmp_path / "site.css").write_text("a { background: url(https://style.example/d.png), url(fine.png) }")
    assert main(["check", str(tmp_path)]) == 1
    assert sorted(capsys.readouterr().err.split()) == sorted(
        f"{name}: {address}".split()[part]
        for name, address in (
            ("index.html", "//cdn.example/a.js"),
            ("index.html", "https://fonts.example"),
            ("index.html", "HTTPS://pictures.example/a.png"),
            ("index.html", "https://style.example/b.png"),
            ("index.html", "https://style.example/c.css"),
            ("site.css", "https://style.example/d.png"),
        )
        for part in (0, 1)
    )


def test_self_contained_site_passes_and_an_empty_folder_does_not(tmp_path: Path) -> None:
    assert check(tmp_path) == [f"{tmp_path}: there is no index.html"]
    (tmp_path / "index.html").write_text(
        '<link rel="stylesheet" href="a.css"><a href="https://example.org">x</a>'
    )
    assert main(["check", str(tmp_path)]) == 0
    assert main(["build"]) == 2
