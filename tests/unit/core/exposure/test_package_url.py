"""Package URLs, by the examples of their specification and the rules that programs follow differently."""

from __future__ import annotations

import pytest

from fleet.core.exposure.package_url import PackageUrl, package_url
from fleet.core.exposure.vex import product


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("pkg:oci/os@sha256%3Ab81c", PackageUrl("oci", "os", "sha256:b81c")),
        (
            "pkg:deb/debian/curl@7.50.3-1?arch=i386",
            PackageUrl("deb", "curl", "7.50.3-1", "debian", {"arch": "i386"}),
        ),
        ("pkg:npm/%40angular/animation@12.3.1", PackageUrl("npm", "animation", "12.3.1", "@angular")),
        ("pkg:npm/@angular/animation", PackageUrl("npm", "animation", "", "@angular")),
        ("pkg:rpm/fedora/libstdc%2B%2B@14.2.1-3", PackageUrl("rpm", "libstdc++", "14.2.1-3", "fedora")),
        (
            "pkg:golang/google.golang.org/genproto@v1#googleapis/api",
            PackageUrl("golang", "genproto", "v1", "google.golang.org"),
        ),
        (
            "pkg:rpm/fedora/gcc@14?Upstream=gcc-c++-14%2B1.src.rpm&epoch=&a",
            PackageUrl("rpm", "gcc", "14", "fedora", {"upstream": "gcc-c++-14+1.src.rpm"}),
        ),
        ("pkg:generic/kpatch_1", PackageUrl("generic", "kpatch_1")),
        ("pkg:", PackageUrl("", "")),
    ],
)
def test_parts_are_decoded(text: str, parts: PackageUrl) -> None:
    assert package_url(text) == parts


@pytest.mark.parametrize("text", ["", "openssl", "sha256:1", "https://example.org/pkg:rpm/x"])
def test_other_text_is_no_package_url(text: str) -> None:
    assert package_url(text) is None


@pytest.mark.parametrize(
    "text",
    ["pkg:generic/linux@6.1+deb12", "pkg:generic/linux@6.1%2Bdeb12", "pkg:generic/linux@6.1%2bdeb12?a=b"],
)
def test_canonical_form_does_not_depend_on_what_was_encoded(text: str) -> None:
    found = package_url(text)
    assert found is not None and found.canonical == "pkg:generic/linux@6.1%2Bdeb12"


@pytest.mark.parametrize(
    ("os_image", "digest", "kernel", "written"),
    [
        ("Fedora CoreOS 44.1", "sha256:1", "6.12", "pkg:generic/fedora-coreos-44.1@sha256:1"),
        (
            "Debian GNU/Linux 12 (bookworm)",
            "",
            "6.1+deb12",
            "pkg:generic/debian-gnu-linux-12-bookworm@6.1%2Bdeb12",
        ),
        ("", "", "6.12", "pkg:generic/os@6.12"),
        ("()", "", "6.12", "pkg:generic/os@6.12"),
    ],
)
def test_image_has_a_canonical_package_url(os_image: str, digest: str, kernel: str, written: str) -> None:
    found = product(os_image, digest, "", kernel)
    parts = package_url(found)
    assert found == written and parts is not None and parts.canonical == found
