"""Reads CSAF 2 documents: the advisories of Red Hat, SUSE and others, and VEX documents (profile csaf_vex).

Source: Common Security Advisory Framework 2.0 and 2.1, 3.2.3.9 (product status). A product in no list of a vulnerability
has no statement.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct

from fleet.core.exposure.advisory import SecurityAdvisory, severity_named
from fleet.core.exposure.formats.csaf_products import PlatformPackage, ProductTree, Text, packages_of
from fleet.core.exposure.software import NodeSoftware, distribution_of, with_live_patches
from fleet.core.exposure.verdict import ExposureVerdict
from fleet.core.versions import rpm


class ProductFlag(Struct, frozen=True, gc=False):
    """The machine-readable justification of a product that is not affected."""

    label: Text
    product_ids: tuple[Text, ...] = ()


class CsafVulnerability(Struct, frozen=True):
    """One vulnerability with the status of products."""

    cve: Text = ""
    title: Text = ""
    release_date: Text = ""
    product_status: dict[str, tuple[Text, ...]] = {}
    flags: tuple[ProductFlag, ...] = ()


class ProductStatement(Struct, frozen=True):
    """Says what a document states about one package of one platform."""

    id: str
    status: str
    product: PlatformPackage
    justification: str = ""

    def judge(self, software: NodeSoftware) -> ExposureVerdict | None:
        """Judges the node's kernel; None if the product is another package, another platform or another
        architecture."""
        kernel, product = software.running_kernel, self.product
        if (
            not kernel.package
            or product.package not in _packages_of(kernel.package)
            or not _is_platform(product, software)
        ):
            return None
        if product.architecture and product.architecture != software.architecture:
            return None
        what = f"{kernel.package} {kernel.package_version}"
        if not product.version:
            found: ExposureVerdict | None = _whole_product(self, what)
        else:
            found = _by_version(self, what, rpm.compare(kernel.package_version, product.version))
        return with_live_patches(found, software) if found is not None else None


def _packages_of(kernel: str) -> frozenset[str]:
    """Returns the names of the packages that have the kernel's version: vendors name the source or the binary one."""
    return frozenset((kernel, f"{kernel}-core"))


def _whole_product(statement: ProductStatement, what: str) -> ExposureVerdict:
    advisory = statement.id
    if statement.status == "known_affected":
        return ExposureVerdict(
            "affected", "listed", f"{advisory} calls every version of {what.split(' ')[0]} affected"
        )
    if statement.status == "known_not_affected":
        why = statement.justification.replace("_", " ")
        return ExposureVerdict(
            "not_affected", "no-vulnerable-code", f"{what} is not affected{f': {why}' if why else ''}"
        )
    if statement.status == "under_investigation":
        return ExposureVerdict("unknown", "under-investigation", f"the vendor still investigates {what}")
    return ExposureVerdict("unknown", "no-statement", f"{advisory} names no version of {what.split(' ')[0]}")


def _by_version(statement: ProductStatement, what: str, order: int) -> ExposureVerdict | None:
    """`order`: of the node's version against that of the statement."""
    version = statement.product.version
    if statement.status in ("fixed", "first_fixed", "recommended"):
        if order >= 0:
            return ExposureVerdict("fixed", "fixed-by-version", f"{what} has the fix, which is in {version}")
        return ExposureVerdict(
            "affected", "fixed-by-inference", f"{what} is older than {version}, which has the fix"
        )
    if statement.status in ("known_affected", "first_affected", "last_affected"):
        hit = {"known_affected": order == 0, "first_affected": order >= 0, "last_affected": order <= 0}
        if hit[statement.status]:
            return ExposureVerdict("affected", "listed", f"{statement.id} names {what}")
        return None
    if order == 0:
        return _whole_product(statement, what)
    return None


def _is_platform(product: PlatformPackage, software: NodeSoftware) -> bool:
    """Reports whether the platform is the node's operating system, by its CPE or, without one, by its name."""
    found = distribution_of(software.os_image)
    if found is None:
        return False
    cpe = _CPE.search(product.platform)
    if cpe is not None:
        names = _CPE_NAMES.get(found.name, ())
        major, wanted = found.version.split(".")[0], cpe[2]
        return cpe[1] in names and (
            wanted in ("", "*", found.version) or (wanted.split(".")[0] == major and "." not in wanted)
        )
    return (
        bool(found.version)
        and re.search(
            rf"{re.escape(_PLATFORM_NAMES.get(found.name, found.name))}\D*{re.escape(found.version)}(?!\d)",
            product.platform,
        )
        is not None
    )


_CPE = re.compile(r"cpe:(?:/|2\.3:)[oa]:\w+:([\w-]+)(?::([\w.*]*))?")
_CPE_NAMES: Mapping[str, tuple[str, ...]] = {
    "Red Hat": ("enterprise_linux", "rhel_aus", "rhel_eus", "rhel_e4s", "rhel_tus"),
    "AlmaLinux": ("almalinux",),
    "Rocky Linux": ("rocky_linux", "rocky"),
    "Fedora": ("fedora",),
    "SUSE": ("sle-micro", "sles", "linux-micro"),
    "openSUSE": ("leap", "leap-micro"),
    "Amazon Linux": ("amazon_linux",),
}
_PLATFORM_NAMES = {"Red Hat": "Red Hat Enterprise Linux", "SUSE": "SUSE Linux"}


class _Severity(Struct, frozen=True):
    text: Text = ""


class _Tracking(Struct, frozen=True):
    id: Annotated[str, Meta(min_length=1, max_length=256)]
    initial_release_date: Text = ""
    current_release_date: Text = ""


class _Publisher(Struct, frozen=True):
    name: Text = ""


class _Document(Struct, frozen=True):
    csaf_version: Text
    tracking: _Tracking
    title: Text = ""
    publisher: _Publisher = _Publisher()
    aggregate_severity: _Severity = _Severity()


class CsafDocument(Struct, frozen=True):
    """The parts of a CSAF document that decide about nodes."""

    document: _Document
    product_tree: ProductTree = ProductTree()
    vulnerabilities: tuple[CsafVulnerability, ...] = ()


def advisory_of(record: CsafDocument, moment: Callable[[str], datetime | None]) -> SecurityAdvisory:
    """Returns the advisory that a CSAF document is. `moment` reads a time, in UTC if it names no zone."""
    document = record.document
    severity = severity_named(document.aggregate_severity.text)
    packages = dict(packages_of(record.product_tree))
    statements = [
        statement
        for vulnerability in record.vulnerabilities
        for statement in _statements(document.tracking.id, vulnerability, packages)
    ]
    return SecurityAdvisory(
        id=document.tracking.id,
        format="CSAF",
        title=document.title,
        aliases=tuple(dict.fromkeys(one.cve for one in record.vulnerabilities if one.cve)),
        published=moment(document.tracking.initial_release_date),
        severity=severity,
        severity_source=document.publisher.name if severity else "",
        statements=tuple(statements),
    )


def _statements(
    advisory: str, vulnerability: CsafVulnerability, packages: Mapping[str, PlatformPackage]
) -> Iterator[ProductStatement]:
    why = {product: flag.label for flag in vulnerability.flags for product in flag.product_ids}
    for status, products in vulnerability.product_status.items():
        for product in products:
            if (package := packages.get(product)) is not None:
                yield ProductStatement(advisory, status, package, why.get(product, ""))
