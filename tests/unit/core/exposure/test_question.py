"""Conditions, versions and packages that a user asks about."""

from __future__ import annotations

import pytest

from fleet.core.exposure.question import condition, package_question, version_condition
from fleet.core.exposure.software import NodeSoftware
from fleet.core.records.errors import UsageError

FCOS = "Fedora CoreOS 44.20261101.3.0"
RHEL = "Red Hat Enterprise Linux 9.4 (Plow)"


@pytest.mark.parametrize(
    ("asked", "kernel", "state"),
    [
        ("kernel<6.12.9", "6.12.8-200.fc41.x86_64", "affected"),
        ("kernel<6.12.9", "6.12.9-200.fc41.x86_64", "not_affected"),
        ("kernel<6.12.10", "6.12.9-200.fc41.x86_64", "affected"),
        ("kernel<6.13", "6.13.0-0.rc4.36.fc42.x86_64", "affected"),
        ("kernel>=6.1,<6.1.79", "6.1.78-flatcar", "affected"),
        ("kernel>=6.1,<6.1.79", "6.1.79-flatcar", "not_affected"),
        ("kernel>=6.1,<6.1.79", "5.15.150", "not_affected"),
        ("kernel = 6.12", "6.12.0", "affected"),
        ("kernel<5.14.0-427.13.1.el9_4", "5.14.0-427.9.1.el9_4.x86_64", "affected"),
        ("kernel<5.14.0-427.13.1.el9_4", "5.14.0-427.13.1.el9_4.x86_64", "not_affected"),
        ("kernel<5.14.0-427.13.1.el9_4", "6.12.9-talos", "unknown"),
        ("kernel<6.12", "", "unknown"),
        ("kernel<6.12", "odd", "unknown"),
    ],
)
def test_condition_on_the_kernel(asked: str, kernel: str, state: str) -> None:
    assert condition(asked).judge(NodeSoftware(FCOS, "44.20261101.3.0", kernel)).state == state


@pytest.mark.parametrize(
    ("asked", "version", "state"),
    [
        ("44.20261101.3.0", "44.20261101.3.0", "affected"),
        ("44.20261101.3.0", "44.20261101.3.1", "not_affected"),
        ("<44.20261101.3.1", "44.20261101.3.0", "affected"),
        ("<4152.10", "4152.9.1", "affected"),
        ("<1", "", "unknown"),
    ],
)
def test_condition_on_the_version(asked: str, version: str, state: str) -> None:
    assert version_condition(asked).judge(NodeSoftware(FCOS, version, "6.12.9")).state == state


def test_condition_on_the_kubelet() -> None:
    node = NodeSoftware(FCOS, "44", "6.12.9", kubelet="v1.33.10")
    assert condition("kubelet<1.34").judge(node).state == "affected"
    assert condition("kubelet>=1.33.9,<1.33.10").judge(node).state == "not_affected"


def test_package_that_is_layered_is_found_and_others_are_not_known() -> None:
    node = NodeSoftware(FCOS, "44", "6.12.9", layered=("vim-enhanced", "htop-3.3.0-1.fc41.x86_64"))
    assert package_question("htop").judge(node).state == "affected"
    assert package_question("vim-enhanced").judge(node).state == "affected"
    assert package_question("vim").judge(node).reason == "not-reported"
    assert package_question("openssl").judge(node).state == "unknown"
    assert package_question("kernel<6.13").judge(node).state == "affected"


@pytest.mark.parametrize(
    "text", ["", "kernel", "kernl<6", "kernel<", "kernel<six", "kernel!=6", "kernel<6,", "kernel<6 7", "os"]
)
def test_what_is_no_condition_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        condition(text)


def test_what_is_no_package_is_refused() -> None:
    for text in ("", "<3.1", "openssl<", "openssl<3.1,", "openssl 3"):
        with pytest.raises(UsageError):
            package_question(text)
