"""The SBOMs of releases beside the policy, and what a user declares, in `fleet exposure`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fleet.app.inventory.sync import sync
from fleet.app.wiring.home import Home
from fleet.app.wiring.sboms import ReleaseSboms
from fleet.cli.main import run
from fleet.core.records.errors import UsageError
from fleet.core.releases.release import Release
from fleet.lab.simulation.builders import OLD
from tests.unit.app.finished import a_fast_home


def sbom(version: str) -> str:
    purl = f"pkg:rpm/fedora/openssl-libs@{version}?arch=x86_64&epoch=1&upstream=openssl-{version}.src.rpm"
    package = {"type": "library", "name": "openssl-libs", "version": version, "purl": purl}
    return json.dumps({"bomFormat": "CycloneDX", "components": [package]})


def test_package_of_a_release_is_answered_by_its_sbom_and_unknown_without(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = a_fast_home(tmp_path / "home")
    sync(home)
    question = ["--home", str(home.path), "exposure", "--package", "openssl<3.2.4"]
    assert run(question) == 5
    assert f"sboms/{OLD.version}.json" in capsys.readouterr().out
    folder = home.policy_file.parent / "sboms"
    folder.mkdir()
    (folder / f"{OLD.version}.json").write_text(sbom("3.2.2-1.fc41"))
    assert run(question) == 4
    (folder / f"{OLD.version}.json").write_text(sbom("3.2.4-1.fc41"))
    assert run(question) == 0
    capsys.readouterr()
    (folder / f"{OLD.version}.json").write_text("no json")
    assert run(question) == 2
    error = capsys.readouterr().err
    assert f"sboms/{OLD.version}.json" in error and "Traceback" not in error


def test_digest_counts_before_the_version(tmp_path: Path) -> None:
    home = Home(tmp_path)
    (tmp_path / "sboms").mkdir()
    (tmp_path / "sboms" / "1.0.json").write_text(sbom("1-1"))
    (tmp_path / "sboms" / "sha256-a.json").write_text(sbom("2-1"))
    contents = ReleaseSboms(home.policy_file)
    for release, version in ((Release("1.0", "sha256:a"), "1:2-1"), (Release("1.0"), "1:1-1")):
        found = contents.of(release)
        assert found is not None and found.packages["openssl"][0].version == version
    assert contents.of(Release("2.0")) is None


def test_document_that_is_no_openvex_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = a_fast_home(tmp_path / "home")
    sync(home)
    for text in (
        "",
        "{}",
        '{"@context": "https://example.org", "author": "x", "statements": []}',
        "[" * 5000,
    ):
        (tmp_path / "vex.json").write_text(text)
        command = ["--home", str(home.path), "exposure", "kernel<1", "--vex", str(tmp_path / "vex.json")]
        assert run(command) == 2
        assert "vex.json" in capsys.readouterr().err


def test_sbom_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "sboms" / "1.0.json").mkdir(parents=True)
    with pytest.raises(UsageError, match=r"1\.0\.json"):
        ReleaseSboms(Home(tmp_path).policy_file).of(Release("1.0"))
