"""Recorded advisories of every format, with nodes whose right answer is known (`advisories/ORIGIN.txt`)."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet.core.exposure.advisory import SecurityAdvisory, judge
from fleet.core.exposure.formats.read import read_advisory
from fleet.core.exposure.software import NodeSoftware
from fleet.core.records.errors import UsageError

FOLDER = Path(__file__).parent / "advisories"
FLATCAR = "Flatcar Container Linux by Kinvolk 4152.2.0 (Oklo)"
ALMA_8, ALMA_9 = "AlmaLinux 8.9 (Midnight Oncilla)", "AlmaLinux 9.4 (Seafoam Ocelot)"
RHEL_8, RHEL_9 = "Red Hat Enterprise Linux 8.10 (Ootpa)", "Red Hat Enterprise Linux 9.4 (Plow)"
TRUSTY, JAMMY = "Ubuntu 14.04.6 LTS", "Ubuntu 22.04.3 LTS"


def advisory(name: str) -> SecurityAdvisory:
    return read_advisory((FOLDER / f"{name}.json").read_bytes(), name)


def answer(name: str, kernel: str, os_image: str) -> tuple[str, str]:
    verdict = judge(advisory(name), NodeSoftware(os_image, "", kernel))
    return verdict.state, verdict.reason


@pytest.mark.parametrize(
    ("name", "kernel", "state", "reason"),
    [
        ("CVE-2024-26582", "5.15.150", "not_affected", "before-range"),
        ("CVE-2024-26582", "6.1.78", "affected", "in-range"),
        ("CVE-2024-26582", "6.1.79", "fixed", "fixed-by-version"),
        ("CVE-2024-26582", "6.5.13", "affected", "in-range"),
        ("CVE-2024-26582", "6.8.0-rc4", "affected", "in-range"),
        ("CVE-2024-26582", "6.8-rc5", "fixed", "fixed-by-version"),
        ("CVE-2024-26582", "6.8.1", "fixed", "fixed-by-version"),
        ("CVE-2024-26808", "5.9.16", "not_affected", "before-range"),
        ("CVE-2024-26808", "5.10.209", "affected", "in-range"),
        ("CVE-2024-26808", "5.10.21", "affected", "in-range"),
        ("CVE-2024-26808", "5.10.210", "fixed", "fixed-by-version"),
        ("CVE-2024-26808", "5.11.22", "affected", "in-range"),
        ("CVE-2024-35839", "5.15.148", "affected", "in-range"),
        ("CVE-2024-35839", "5.15.999", "affected", "in-range"),
        ("CVE-2024-35839", "6.1.80", "fixed", "fixed-by-version"),
        ("CVE-2024-35839", "4.1.52", "not_affected", "before-range"),
        ("CVE-2025-21756", "5.4.290", "not_affected", "before-range"),
        ("CVE-2025-21756", "6.12.15", "affected", "in-range"),
        ("CVE-2025-21756", "6.12.16", "fixed", "fixed-by-version"),
        ("CVE-2025-21756", "6.11.11", "affected", "in-range"),
        ("CVE-2025-21756", "6.13.0", "affected", "in-range"),
        ("CVE-2025-21756", "6.14.0", "fixed", "fixed-by-version"),
        ("CVE-2025-38094", "3.7.10", "not_affected", "before-range"),
        ("CVE-2025-38094", "5.4.290", "affected", "in-range"),
        ("CVE-2025-38094", "6.6.91", "affected", "in-range"),
        ("CVE-2025-38094", "6.6.92", "fixed", "fixed-by-version"),
        ("CVE-2025-38094", "6.13.12", "affected", "in-range"),
    ],
)
def test_kernel_records_judge_kernels_that_follow_upstream(
    name: str, kernel: str, state: str, reason: str
) -> None:
    suffix = "" if "rc" in kernel else "-flatcar"
    assert answer(name, kernel + suffix, FLATCAR) == (state, reason)


@pytest.mark.parametrize(
    ("kernel", "os_image"),
    [
        ("5.14.0-427.13.1.el9_4.x86_64", RHEL_9),
        ("5.15.0-100-generic", JAMMY),
        ("6.1.0-28-amd64", "Debian GNU/Linux 12 (bookworm)"),
        ("6.4.0-24-default", "SUSE Linux Micro 6.0"),
        ("6.1.119", "Bottlerocket OS 1.29.0 (aws-k8s-1.31)"),
        ("6.1.119-129.201.amzn2023.x86_64", "Amazon Linux 2023"),
        ("5.10.104-custom", "An appliance"),
    ],
)
def test_upstream_numbers_neither_clear_nor_convict_a_kernel_with_backports(
    kernel: str, os_image: str
) -> None:
    assert answer("CVE-2025-21756", kernel, os_image) == ("unknown", "backports")


@pytest.mark.parametrize(
    ("name", "kernel", "os_image", "state", "reason"),
    [
        ("ALSA-2024_1607", "4.18.0-513.18.1.el8_9.x86_64", ALMA_8, "affected", "in-range"),
        ("ALSA-2024_1607", "4.18.0-513.24.1.el8_9.x86_64", ALMA_8, "fixed", "fixed-by-version"),
        ("ALSA-2024_1607", "4.18.0-553.el8_10.x86_64", ALMA_8, "fixed", "fixed-by-version"),
        ("ALSA-2024_1607", "4.18.0-513.18.1.rt7.72.el8_9.x86_64", ALMA_8, "unknown", "no-statement"),
        ("ALSA-2024_1607", "5.14.0-427.el9.x86_64", ALMA_9, "unknown", "no-statement"),
        ("UBUNTU-CVE-2025-38094", "3.13.0-170-generic", TRUSTY, "affected", "listed"),
        ("UBUNTU-CVE-2025-38094", "3.13.0-207-generic", TRUSTY, "affected", "in-range"),
        ("UBUNTU-CVE-2025-38094", "5.15.0-100-generic", JAMMY, "unknown", "no-statement"),
        (
            "redhat-vex-cve-2021-0084",
            "4.18.0-553.el8_10.x86_64",
            RHEL_8,
            "not_affected",
            "no-vulnerable-code",
        ),
        ("redhat-vex-cve-2021-0084", "5.14.0-427.el9.x86_64", RHEL_9, "not_affected", "no-vulnerable-code"),
        ("redhat-vex-cve-2021-0084", "5.14.0-427.el9.x86_64+rt", RHEL_9, "unknown", "no-statement"),
        ("rhsa-2022_0011", "5.14.0-427.el9.x86_64", RHEL_9, "unknown", "no-statement"),
        ("redhat-vex-cve-2024-24786-simple", "5.14.0-427.el9.x86_64", RHEL_9, "unknown", "no-statement"),
    ],
)
def test_advisories_of_distributions_judge_their_own_packages(
    name: str, kernel: str, os_image: str, state: str, reason: str
) -> None:
    assert answer(name, kernel, os_image) == (state, reason)


def test_node_that_reported_nothing_is_unknown() -> None:
    assert judge(advisory("CVE-2025-21756"), NodeSoftware("", "", "")).reason == "not-reported"


def test_about_an_advisory() -> None:
    kernel, alma = advisory("CVE-2025-21756"), advisory("ALSA-2024_1607")
    assert (kernel.severity, kernel.severity_source) == ("high", "CISA-ADP")
    assert kernel.published is not None and kernel.published.isoformat() == "2025-02-27T02:18:11.547000+00:00"
    assert {alias[:4] for alias in alma.aliases} == {"CVE-"}
    assert advisory("redhat-vex-cve-2021-0084").aliases == ("CVE-2021-0084",)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{}",
        b"[]",
        b'{"id": "X-1"}',
        b"\xff\xfe",
        b'{"cveMetadata": {"cveId": "no", "state": "PUBLISHED"}, "containers": {"cna": {}}}',
        b'{"id": "X-1", "affected": [{"ranges": 1}]}',
        b'{"document": {"csaf_version": "2.0"}}',
        b"[" * 100_000,
    ],
)
def test_what_is_no_advisory_is_refused_with_the_name_of_the_file(text: bytes) -> None:
    with pytest.raises(UsageError, match=r"odd\.json"):
        read_advisory(text, "odd.json")


def test_withdrawn_and_empty_advisories() -> None:
    withdrawn = b'{"id": "X-1", "withdrawn": "2026-01-01T00:00:00Z", "affected": []}'
    empty = b'{"id": "X-1", "affected": []}'
    node = NodeSoftware(FLATCAR, "4152.2.0", "6.6.91-flatcar")
    assert judge(read_advisory(withdrawn, "x"), node).reason == "withdrawn"
    assert judge(read_advisory(empty, "x"), node).reason == "no-statement"
