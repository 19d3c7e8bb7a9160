"""The scan of the image's packages by a local copy of the OSV database."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.unit.tools.recorded import JINJA, URLLIB3, about
from tools import scan
from tools.lock import DOCKERFILE, LOCK, Pinned, image_python, pinned
from tools.scan import Finding, findings, main, records

NOW = datetime(2026, 11, 30, tzinfo=UTC)


def database(folder: Path, *reported: dict[str, Any]) -> Path:
    for number, each in enumerate(reported):
        (folder / f"{number}.json").write_text(json.dumps(each))
    return folder


def found(folder: Path, *pins: Pinned) -> tuple[Finding, ...]:
    return findings(pins, scan.about(records(folder)))


def test_names_are_normalised_and_the_fixed_version_is_reported(tmp_path: Path) -> None:
    (reported,) = found(database(tmp_path, JINJA), Pinned("jinja2", "3.1.3"), Pinned("urllib3", "1.0"))
    assert (reported.package, reported.version, reported.id) == ("jinja2", "3.1.3", "GHSA-h75v-3vvj-5mfj")
    assert (reported.aliases, reported.fixed, reported.unclear) == (("CVE-2024-34064",), ("3.1.4",), "")
    assert not found(tmp_path, Pinned("jinja2", "3.1.4"))


def test_advisory_with_several_ranges_is_one_finding(tmp_path: Path) -> None:
    (reported,) = found(database(tmp_path, URLLIB3, JINJA), Pinned("urllib3", "2.2.1"))
    assert reported.fixed == ("1.26.19", "2.2.2")


def test_version_that_cannot_be_ordered_is_a_finding_for_a_user(tmp_path: Path) -> None:
    (reported,) = found(database(tmp_path, about("x", {"introduced": "2004?"})), Pinned("x", "1.0"))
    assert "2004?" in reported.unclear


def test_exit_codes_and_the_age_of_the_database(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (package, *_) = pinned(LOCK.read_text(), image_python(DOCKERFILE.read_text()))
    assert main([str(database(tmp_path, JINJA, about("nobody", {"introduced": "0"})))], NOW) == 0
    out = capsys.readouterr().out
    assert "2026-01-02, 331 days ago" in out and "proves nothing" in out
    database(tmp_path, about(package.name, versions=(package.version,), summary="bad\x1b[31m"))
    assert main([str(tmp_path)], NOW) == 1
    out = capsys.readouterr().out
    assert f"{package.name} {package.version}: X-1" in out and "\x1b" not in out


@pytest.mark.parametrize(
    "content", [None, "", "{", "[]", '{"id": "X-1"}', json.dumps(about("x") | {"affected": []})]
)
def test_invalid_database_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str | None
) -> None:
    if content is not None:
        (tmp_path / "one.json").write_text(content)
    assert main([str(tmp_path)], NOW) == 2
    message = capsys.readouterr()
    assert message.out == "" and message.err.startswith("error: ") and str(tmp_path) in message.err


def test_missing_folder_is_refused(tmp_path: Path) -> None:
    assert main([str(tmp_path / "none")], NOW) == main([""], NOW) == main([], NOW) == 2
