"""Software bills of materials, and questions about the packages of a release."""

from __future__ import annotations

import pytest
from msgspec import json

from fleet.core.exposure.contents import ContainedPackage, ReleaseContents, read_contents
from fleet.core.exposure.formats.read import read_advisory
from fleet.core.exposure.question import AdvisoryQuestion, package_question
from fleet.core.exposure.software import NodeSoftware
from fleet.core.records.errors import UsageError

PURL = "pkg:rpm/fedora/openssl-libs@3.2.2-1.fc41?arch=x86_64&epoch=1&upstream=openssl-3.2.2-1.fc41.src.rpm"
CYCLONEDX = {
    "bomFormat": "CycloneDX",
    "specVersion": "1.6",
    "components": [
        {"type": "library", "name": "openssl-libs", "version": "1:3.2.2-1.fc41", "purl": PURL},
        {
            "type": "application",
            "name": "kubelet",
            "version": "v1.36.3",
            "components": [
                {"type": "library", "name": "stdlib", "version": "1.24.1", "purl": "pkg:golang/stdlib@1.24.1"}
            ],
        },
    ],
}
SPDX = {
    "spdxVersion": "SPDX-2.3",
    "packages": [
        {
            "name": "openssl-libs",
            "versionInfo": "3.2.2-1.fc41",
            "externalRefs": [
                {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": PURL}
            ],
        },
        {"name": "stdlib", "versionInfo": "1.24.1", "externalRefs": []},
    ],
}


def contents(*packages: ContainedPackage) -> ReleaseContents:
    return ReleaseContents("sboms/x.json", {package.name: (package,) for package in packages})


def state_of(question: str, *packages: ContainedPackage, layered: tuple[str, ...] = ()) -> tuple[str, str]:
    software = NodeSoftware("Fedora 41", "41.1", "6.12.9", layered=layered, contents=contents(*packages))
    verdict = package_question(question).judge(software)
    return verdict.state, verdict.reason


OPENSSL = ContainedPackage("openssl", "1:3.2.2-1.fc41", "rpm")


@pytest.mark.parametrize("document", [CYCLONEDX, SPDX], ids=["CycloneDX", "SPDX"])
def test_packages_are_known_by_their_own_name_and_that_of_their_source(document: object) -> None:
    found = read_contents(json.encode(document), "x.json").packages
    assert found["openssl"] == found["openssl-libs"]
    (package,) = found["openssl"]
    assert (package.kind, package.version) == ("rpm", "1:3.2.2-1.fc41")
    assert found["stdlib"][0].version == "1.24.1"


def test_component_that_the_environment_provides_is_not_in_the_release() -> None:
    external = {"name": "glibc", "isExternal": True, "versionRange": "vers:rpm/>=2.40"}
    components = [*CYCLONEDX["components"], {**external, "components": [{"name": "ld", "version": "1"}]}]
    found = read_contents(
        json.encode({**CYCLONEDX, "specVersion": "1.7", "components": components}), "x.json"
    )
    assert "openssl" in found.packages and not {"glibc", "ld"} & found.packages.keys()


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"{}",
        b'{"bomFormat": "CycloneDX"}',
        b'{"bomFormat": "CycloneDX", "components": 1}',
        b'{"spdxVersion": "SPDX-3.0", "packages": []}',
        b'{"@context": "https://spdx.org/rdf/3.0.1/spdx-context.jsonld"}',
        b"[" * 5000,
    ],
)
def test_what_is_no_sbom_is_refused_by_its_name(text: bytes) -> None:
    with pytest.raises(UsageError, match=r"x\.json"):
        read_contents(text, "x.json")


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("openssl", ("affected", "listed")),
        ("openssl<3.2.4", ("affected", "in-range")),
        ("openssl>=3.2,<3.2.2", ("not_affected", "before-range")),
        ("openssl<3.2.2-2.fc41", ("affected", "in-range")),
        ("openssl<2:1.0", ("affected", "in-range")),
        ("htop", ("not_affected", "not-installed")),
    ],
)
def test_versions_are_compared_as_the_kind_of_package_does(question: str, expected: tuple[str, str]) -> None:
    assert state_of(question, OPENSSL) == expected


def test_layered_package_replaces_that_of_the_release() -> None:
    assert state_of("openssl<3.2.4", OPENSSL, layered=("openssl-3.2.5-1.fc41.x86_64",)) == (
        "not_affected",
        "before-range",
    )
    assert state_of("openssl<3.2.4", OPENSSL, layered=("openssl",)) == ("unknown", "not-reported")
    assert state_of("openssl", layered=("openssl",)) == ("affected", "listed")


def test_versions_of_other_kinds_are_compared_as_semantic_versions_or_not_at_all() -> None:
    assert state_of("stdlib<1.24.2", ContainedPackage("stdlib", "1.24.1", "golang")) == (
        "affected",
        "in-range",
    )
    assert state_of("odd<1", ContainedPackage("odd", "not a version")) == ("unknown", "not-comparable")


def test_advisory_of_the_distribution_is_judged_by_the_release_contents() -> None:
    record = {
        "id": "ALSA-2026:1",
        "affected": [
            {
                "package": {"ecosystem": "AlmaLinux:9", "name": "openssl"},
                "ranges": [
                    {"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1:3.2.4-1.el9"}]}
                ],
            }
        ],
    }
    question = AdvisoryQuestion(read_advisory(json.encode(record), "alsa.json"))

    def state(found: ReleaseContents | None) -> str:
        kernel = "5.14.0-427.el9.x86_64"
        return question.judge(NodeSoftware("AlmaLinux 9.4", "9.4", kernel, contents=found)).state

    assert state(contents(ContainedPackage("openssl", "1:3.2.2-1.el9", "rpm"))) == "affected"
    assert state(contents(ContainedPackage("openssl", "1:3.2.4-1.el9", "rpm"))) == "fixed"
    assert state(contents(ContainedPackage("bash", "5.2-1.el9", "rpm"))) == "not_affected"
    assert state(None) == "unknown"
