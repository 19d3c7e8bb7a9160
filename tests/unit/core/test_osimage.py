"""The release in the name of an operating system: as a whole word, and only if versions of this system identify
releases."""

from __future__ import annotations

import pytest

from fleet.core.releases.osimage import names, release_in, renamed
from fleet.core.releases.release import Release


@pytest.mark.parametrize(
    ("text", "version", "named"),
    [
        ("Flatcar Container Linux by Kinvolk 3033.3.18 (Dare)", "3033.3.18", True),
        ("Flatcar Container Linux by Kinvolk 3033.3.18 (Dare)", "3033.3.1", False),
        ("Flatcar Container Linux by Kinvolk 13033.3.1 (Dare)", "3033.3.1", False),
        ("Fedora CoreOS 44.20261015.3.0", "44.20261015.3.0", True),
        ("Fedora CoreOS 44.20261015.3.0", "44.20261015.3", False),
        ("Fedora CoreOS 44.20261015.3.0", "20261015.3.0", False),
        ("Red Hat Enterprise Linux CoreOS 414.92.202310210434-0 (Plow)", "414.92.202310210434-0", True),
        ("Red Hat Enterprise Linux CoreOS 414.92.202310210434-0 (Plow)", "414.92.202310210434", False),
        ("Talos (v1.8.0)", "v1.8.0", True),
        ("Talos (v1.8.0)", "1.8.0", False),
        ("Bottlerocket OS 1.20.0 (aws-k8s-1.29)", "1.20.0", True),
        ("Bottlerocket OS 1.20.0 (aws-k8s-1.29)", "1.29", False),
        ("Flatcar 4081.2.0+nightly-20260101-2100", "4081.2.0", False),
        ("It is 44.2.", "44.2", True),
        ("anything", "", False),
    ],
)
def test_version_is_a_whole_word(text: str, version: str, named: bool) -> None:
    assert names(text, version) is named


def test_longest_of_several_versions_wins() -> None:
    releases = (Release("44"), Release("44.20261015.0"), Release("44.2026"))
    assert release_in("Fedora Linux 44 (bootc 44.20261015.0)", releases) == releases[1]
    assert release_in("Fedora Linux 43", releases) is None


@pytest.mark.parametrize(
    "text",
    ["SUSE Linux Micro 6.0", "SUSE Linux Enterprise Micro 5.5", "openSUSE Leap Micro 6.0", "Ubuntu Core 22"],
)
def test_product_version_is_no_release(text: str) -> None:
    assert release_in(text, [Release("6.0"), Release("5.5"), Release("22")]) is None


def test_simulated_os_keeps_its_format() -> None:
    assert renamed("Flatcar 1.0 (Dare) 1.01", "1.0", r"2.0\1") == r"Flatcar 2.0\1 (Dare) 1.01"
    assert renamed("Flatcar 1.01", "1.0", "2.0") is None
    assert renamed("Flatcar", "", "2.0") is None
