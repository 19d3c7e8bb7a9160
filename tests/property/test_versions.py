"""Orders of versions beside rpm and dpkg themselves, and laws that hold for every order."""

from __future__ import annotations

import subprocess
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.core.versions import dpkg, linux, rpm, semantic
from tests.installed import installed

RPM_PARTS = st.text("0123456789abcABC~^._+", min_size=1, max_size=12)
DPKG_VERSIONS = st.from_regex(
    r"([0-9]{1,2}:)?[0-9][0-9a-zA-Z.+~]{0,8}(-[0-9a-zA-Z.+~]{1,6})?", fullmatch=True
)


@settings(max_examples=6, deadline=None)
@given(st.lists(st.tuples(RPM_PARTS, RPM_PARTS), min_size=150, max_size=300))
def test_parts_compare_as_with_rpm(pairs: list[tuple[str, str]]) -> None:
    program = installed("rpm", "rpm")
    text = "; ".join(f'print(rpm.vercmp("{one}", "{other}") .. " ")' for one, other in pairs)
    done = subprocess.run(
        [program, "--eval", f"%{{lua: {text}}}"], capture_output=True, text=True, check=True
    )
    theirs = list(map(int, done.stdout.split()))
    assert [rpm.compare_part(one, other) for one, other in pairs] == theirs


@settings(max_examples=4, deadline=None)
@given(st.lists(st.tuples(DPKG_VERSIONS, DPKG_VERSIONS), min_size=100, max_size=200))
def test_versions_compare_as_with_dpkg(pairs: list[tuple[str, str]]) -> None:
    program = installed("dpkg", "dpkg")
    script = f"""while read -r one other; do
        if {program} --compare-versions "$one" lt "$other"; then echo -1
        elif {program} --compare-versions "$one" eq "$other"; then echo 0; else echo 1; fi; done"""
    lines = "".join(f"{one} {other}\n" for one, other in pairs)
    done = subprocess.run(["sh", "-c", script], input=lines, capture_output=True, text=True, check=True)
    assert [dpkg.compare(one, other) for one, other in pairs] == list(map(int, done.stdout.split()))


@given(RPM_PARTS, RPM_PARTS)
def test_order_of_rpm_is_antisymmetric(one: str, other: str) -> None:
    assert rpm.compare_part(one, other) == -rpm.compare_part(other, one)
    assert rpm.compare_part(one, one) == 0


@pytest.mark.parametrize(
    "ordered",
    [
        ["1.0~rc1-1", "1.0-1", "1.0^git1-1", "1.0.1-1", "1.10-1", "1:0.1-1"],
        ["4.18.0-513.18.1.el8_9", "4.18.0-513.24.1.el8_9", "4.18.0-553.el8_10"],
    ],
)
def test_epoch_version_and_release_of_rpm(ordered: list[str]) -> None:
    assert all(rpm.compare(one, other) == -1 for one, other in pairwise(ordered))


def test_release_that_is_missing_is_not_compared() -> None:
    assert rpm.compare("1.2", "1.2-7") == 0
    assert rpm.split("3:1.2-7.el9") == (3, "1.2", "7.el9")


def test_kernels_order_by_number_and_candidates_come_before_their_release() -> None:
    texts = ["0", "5.9.16", "5.10.21", "5.10.209", "5.10.210", "6.8-rc4", "6.8-rc10", "6.8", "6.8.1"]
    keys = [linux.key(text) for text in texts]
    assert None not in keys
    assert all(one < other for one, other in pairwise(keys))  # type: ignore[operator]
    assert linux.key("6.8") == linux.key("6.8.0")
    assert linux.key("six") is None and linux.key("6.8-generic") is None


def test_ends_with_an_asterisk() -> None:
    key = linux.key("6.1.79")
    assert key is not None
    assert linux.is_at_most(key, "6.1.*") and linux.is_at_most(key, "*") and linux.is_at_most(key, "6.*")
    assert not linux.is_at_most(key, "6.0.*") and linux.is_at_most(key, "odd") is None


def test_semantic_versions_order_as_the_standard_lists_them() -> None:
    texts = [
        "1.0.0-alpha",
        "1.0.0-alpha.1",
        "1.0.0-alpha.beta",
        "1.0.0-beta",
        "1.0.0-beta.2",
        "1.0.0-beta.11",
    ]
    keys = [semantic.key(text) for text in [*texts, "1.0.0-rc.1", "1.0.0", "v1.2", "1.10.0+build"]]
    assert all(one < other for one, other in pairwise(keys))  # type: ignore[operator]
    assert semantic.is_at_most(semantic.key("1.30.9"), "1.30.*")  # type: ignore[arg-type]
