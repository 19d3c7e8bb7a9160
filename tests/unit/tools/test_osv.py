"""Which versions an OSV record affects, rule by rule."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest
from packaging.version import Version

from tests.unit.machines.recorded import shared
from tests.unit.tools.recorded import JINJA, URLLIB3, about
from tools.osv import Advisory, Package, affects, fixes, of_package


def hit(record: dict[str, Any], version: str, name: str = "x") -> bool:
    advisory = msgspec.json.decode(msgspec.json.encode(record), type=Advisory)
    found = of_package(advisory, lambda package: (package.ecosystem, package.name) == ("PyPI", name))
    return any(affects(each, version, Version) for each in found)


def test_recorded_advisories() -> None:
    jinja = {version: hit(JINJA, version, "Jinja2") for version in ("3.1.3", "3.1.4rc1", "3.1.4", "3.1.6")}
    assert [version for version, reported in jinja.items() if reported] == ["3.1.3", "3.1.4rc1"]
    tried = ("1.26.18", "1.26.19", "1.27", "2.0.0", "2.2.1", "2.2.2", "2.10.0")
    assert [version for version in tried if hit(URLLIB3, version, "urllib3")] == ["1.26.18", "2.0.0", "2.2.1"]
    advisory = msgspec.convert(URLLIB3, Advisory, strict=False)
    assert [fixes(each) for each in advisory.affected or ()] == [("1.26.19",), ("2.2.2",)]


def test_advisory_of_a_distribution_is_of_its_release_alone() -> None:
    reported = msgspec.json.decode(shared("advisories/UBUNTU-CVE-2025-38094.json"), type=Advisory)
    (linux,) = of_package(reported, lambda package: package == Package("Ubuntu:Pro:14.04:LTS", "linux"))

    def order(version: str) -> list[int]:
        return [int(each) for each in re.findall(r"\d+", version)]

    # Listed, and not listed but within a range without an end.
    assert affects(linux, "3.13.0-170.220", order) and affects(linux, "3.13.0-207.258", order)
    assert not of_package(reported, lambda package: package == Package("Ubuntu:22.04:LTS", "linux"))
    reported = msgspec.json.decode(shared("advisories/ALSA-2024_1607.json"), type=Advisory)
    (kernel,) = of_package(reported, lambda package: package == Package("AlmaLinux:8", "kernel"))
    versions = ("4.18.0-513.18.1.el8_9", "4.18.0-513.24.1.el8_9", "4.18.0-553.el8_10")
    assert [affects(kernel, version, order) for version in versions] == [True, False, False]


@pytest.mark.parametrize(
    ("events", "inside", "outside"),
    [
        ([{"introduced": "1.0"}], ["1.0", "9"], ["0.9", "1.0rc1"]),
        ([{"introduced": "0"}], ["0", "0.dev0", "9"], []),
        ([{"introduced": "1.0"}, {"last_affected": "1.4.2"}], ["1.0", "1.4.2"], ["1.4.3", "1.4.2.post1"]),
        (
            [{"introduced": "1.0"}, {"fixed": "1.5"}, {"introduced": "2.0"}, {"fixed": "2.2"}],
            ["1.4", "2.0"],
            ["0.5", "1.5", "1.7", "2.2"],
        ),
        ([{"fixed": "1.5"}, {"introduced": "1.0"}], ["1.2"], ["1.5", "0.9"]),
        ([{"introduced": "1.9"}, {"fixed": "1.10"}], ["1.9.9"], ["1.10", "1.8"]),
        ([{"introduced": "1.0"}, {"limit": "2.0"}], ["1.5"], ["2.0", "3"]),
        ([{"introduced": "1.0"}, {"limit": "*"}], ["1.5", "3"], ["0.1"]),
        ([{"introduced": "0"}, {"fixed": "1.5"}, {"introduced": "1.5"}], ["1.4", "1.5", "2"], []),
    ],
)
def test_events_of_a_range(events: list[dict[str, str]], inside: list[str], outside: list[str]) -> None:
    assert [hit(about("x", *events), version) for version in inside] == [True] * len(inside)
    assert [hit(about("x", *events), version) for version in outside] == [False] * len(outside)


def test_enumerated_versions_count_beside_the_ranges() -> None:
    record = about("x", {"introduced": "5"}, versions=("1.0", "2004d", "not a version"))
    assert [hit(record, version) for version in ("1.0", "1.0.0", "5.1", "1.1")] == [True, True, True, False]


def test_commit_ranges_decide_nothing_about_versions() -> None:
    record = about("x")
    record["affected"][0]["ranges"] = [{"type": "GIT", "repo": "r", "events": [{"introduced": "0"}]}]
    assert not hit(record, "1.0")


def test_withdrawn_advisory_counts_for_nothing() -> None:
    assert hit(about("x", {"introduced": "0"}), "1.0")
    assert not hit(about("x", {"introduced": "0"}, withdrawn="2026-02-01T00:00:00Z"), "1.0")


def test_advisory_of_another_package_or_ecosystem_does_not_apply() -> None:
    assert not hit(about("y", {"introduced": "0"}), "1.0")
    other = about("x", {"introduced": "0"})
    other["affected"][0]["package"]["ecosystem"] = "npm"
    assert not hit(other, "1.0")
    assert not hit({**other, "affected": []}, "1.0")
    assert not hit({**other, "affected": None}, "1.0")
    assert not hit({**other, "affected": [{"ranges": [{"type": "GIT", "events": []}]}]}, "1.0")


def test_invalid_version_of_a_range_is_reported() -> None:
    with pytest.raises(ValueError, match="rpm-ish"):
        hit(about("x", {"introduced": "0"}, {"fixed": "rpm-ish"}), "1.0")
