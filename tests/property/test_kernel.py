"""The policy may name a kernel without what a distribution appends, and never names another one by that."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.core.releases.kernel import is_kernel

REAL = (
    "6.11.4-301.fc43.x86_64",
    "6.11.4-301.fc43.aarch64",
    "6.6.54-flatcar",
    "6.12.9-talos",
    "6.8.0-45-generic",
    "6.8.0-1024-aws",
    "5.14.0-503.el9.x86_64",
    "5.14.0-503.11.1.el9_5.x86_64",
    "5.14.0-503.el9.x86_64+rt",
    "5.14.0-503.el9.aarch64+64k",
    "6.4.0-150600.23.25-default",
    "6.1.112",
    "6.1.0-26-amd64",
    "6.6.62+rpt-rpi-v8",
)
"""What `uname -r` prints on the systems that fleet upgrades."""
PART = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=6)
VERSION = st.builds(
    lambda parts, seps: "".join(part + sep for part, sep in zip(parts, [*seps, ""], strict=False)),
    st.lists(PART, min_size=1, max_size=6),
    st.lists(st.sampled_from(".-_+~"), min_size=6, max_size=6),
)


@pytest.mark.parametrize("running", REAL)
def test_upstream_version_matches_the_kernel_of_every_distribution(running: str) -> None:
    upstream = running.partition("-")[0].partition("+")[0]
    assert is_kernel(running, running) and is_kernel(running, upstream)
    assert not is_kernel(running, upstream[:-1]) or upstream[-2] == "."
    assert not is_kernel(running, f"{upstream}0") and not is_kernel(running, f"0{upstream}")


@pytest.mark.parametrize(
    ("running", "wanted", "same"),
    [
        ("6.11.40-301.fc43.x86_64", "6.11.4", False),
        ("6.11.4-301.fc43.x86_64", "6.11", True),
        ("6.110.4-1.fc43.x86_64", "6.11", False),
        ("6.11.4-301.fc43.x86_64", "6.11.4-30", False),
        ("6.11.4-301.fc43.x86_64", "6.11.4-301.fc43", True),
        ("6.11.4-301.fc43.aarch64", "6.11.4-301.fc43.x86_64", False),
        ("5.14.0-503.el9.x86_64+rt", "5.14.0-503.el9.x86_64", True),
        ("5.14.0-503.el9.aarch64+64k", "5.14.0-503.el9.x86_64", False),
        ("5.14.0-503.el9.aarch64+64k", "5.14.0-503.el9.aarch64+64k", True),
        ("5.14.0-503.el9.aarch64", "5.14.0-503.el9.aarch64+64k", False),
        ("6.1.112", "6.1.112.x86_64", True),
        ("6.1.112", "6.1.112-amd64", True),
        ("6.1.112", "6.1.112-1", False),
        ("6.8.0-45-generic", "6.8.0-45-aws", False),
        ("6.1.0-26-cloud-amd64", "6.1.0-26-amd64", False),
        ("5.14.0-503.el9.x86_64", "5.14.0-503.el9_5", False),
        ("6.13.0rc1", "6.13.0", False),
        ("6.11.4", "6.11.4-301.fc43.x86_64", False),
        ("", "6.11.4", False),
        ("6.11.4", "", True),
    ],
)
def test_prefix_ends_at_a_component_of_the_version(running: str, wanted: str, same: bool) -> None:
    assert is_kernel(running, wanted) is same


@given(VERSION, st.data())
def test_every_whole_component_of_a_version_is_a_prefix_and_no_other(
    version: str, data: st.DataObject
) -> None:
    end = data.draw(st.integers(1, len(version)))
    wanted = version[:end]
    whole = end == len(version) or not (version[end].isalnum() and version[end - 1].isalnum())
    assert is_kernel(version, wanted) is whole


@given(VERSION, VERSION)
def test_only_the_start_of_a_version_matches(running: str, wanted: str) -> None:
    if is_kernel(running, wanted):
        assert running.startswith(wanted)


@given(VERSION, st.sampled_from("0123456789"))
def test_one_digit_more_is_another_kernel(version: str, digit: str) -> None:
    if version[-1].isdigit():
        assert not is_kernel(f"{version}{digit}", version)
