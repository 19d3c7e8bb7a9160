"""Reads CVE records (CVE JSON 5): the numbering authority of the Linux kernel publishes all its advisories so.

Source: the CVE Record Format 5.1, "affected" and "versions". The entries of `versions` are walked in their order, and
the first that contains a version decides; where none does, `defaultStatus` decides. Ranges of commits (`versionType:
git`) decide nothing here, because a node reports no commit.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from fleet.core.exposure.advisory import AdvisoryStatement, SecurityAdvisory, severity_named
from fleet.core.exposure.software import NodeSoftware, with_live_patches
from fleet.core.exposure.verdict import ExposureVerdict
from fleet.core.versions import linux, semantic

Version = Annotated[str, Meta(max_length=256)]
Status = Literal["affected", "unaffected", "unknown"]


class StatusChange(Struct, frozen=True, gc=False):
    """From this version on, within a range, another status holds."""

    at: Version
    status: Status


class VersionEntry(Struct, frozen=True, gc=False, rename="camel"):
    """A version, or a range of versions, with its status."""

    version: Version
    status: Status
    less_than: Version = ""
    less_than_or_equal: Version = ""
    version_type: str = ""
    changes: tuple[StatusChange, ...] = ()

    @property
    def by_commit(self) -> bool:
        """True if the entry is about commits, which no node reports."""
        return self.version_type == "git"


class AffectedProduct(Struct, frozen=True, gc=False, rename="camel"):
    """A product with the status of its versions."""

    vendor: str = ""
    product: str = ""
    default_status: Status = "unknown"
    versions: tuple[VersionEntry, ...] = ()

    @property
    def is_kernel(self) -> bool:
        """True for the upstream Linux kernel."""
        vendors = ("linux", "kernel", "the linux kernel organization", "kernel.org")
        return self.vendor.lower() in vendors and self.product.lower() in ("linux", "linux kernel", "kernel")

    @property
    def is_kubelet(self) -> bool:
        """True for the kubelet of Kubernetes."""
        return self.vendor.lower() == "kubernetes" and self.product.lower() == "kubelet"


class KernelStatement(Struct, frozen=True):
    """Says what a record states about the upstream kernel."""

    id: str
    product: AffectedProduct

    def judge(self, software: NodeSoftware) -> ExposureVerdict | None:
        """Judges the upstream version in the name of the node's kernel; unknown where a distribution backports fixes
        without changing that version."""
        kernel = software.running_kernel
        version = linux.key(kernel.base)
        if not software.kernel:
            return ExposureVerdict("unknown", "not-reported", "the node has not reported its kernel")
        if version is None:
            return ExposureVerdict(
                "unknown", "not-comparable", f"{software.kernel} does not begin with a version of Linux"
            )
        if kernel.lineage != "upstream":
            return ExposureVerdict(
                "unknown", "backports", _backports(kernel.name, self.id, kernel.lineage == "unknown")
            )
        status, entry = _decide(self.product, version, linux.key, linux.is_at_most)
        return with_live_patches(_verdict(self.id, f"Linux {kernel.base}", status, entry), software)


class KubeletStatement(Struct, frozen=True):
    """Says what a record states about the kubelet."""

    id: str
    product: AffectedProduct

    def judge(self, software: NodeSoftware) -> ExposureVerdict | None:
        """Judges the version of the node's kubelet; None if the node has none."""
        if not software.kubelet:
            return None
        version = semantic.key(software.kubelet)
        if version is None:
            return ExposureVerdict(
                "unknown", "not-comparable", f"{software.kubelet} is not a semantic version"
            )
        status, entry = _decide(self.product, version, semantic.key, semantic.is_at_most)
        return _verdict(self.id, f"kubelet {software.kubelet}", status, entry)


def _backports(kernel: str, advisory: str, unknown: bool) -> str:
    if unknown:
        return f"nothing says whether {kernel} follows upstream's stable releases, whose numbers {advisory} names"
    return (
        f"the distribution of {kernel} adds fixes without changing the upstream version that {advisory} is about: "
        "ask with the distribution's own advisory, OSV or CSAF"
    )


def _decide(
    product: AffectedProduct,
    version: Any,
    key: Callable[[str], Any],
    at_most: Callable[[Any, str], bool | None],
) -> tuple[Status, VersionEntry | None]:
    """Returns the status of a version, and the entry that decides it; no entry: the default does. `key` returns what
    orders versions, `at_most` compares with an end that may have an asterisk. Unknown if an entry that would come first
    cannot be compared."""
    for entry in product.versions:
        if entry.by_commit:
            continue
        contained = _contains(entry, version, key, at_most)
        if contained is None:
            return "unknown", entry
        if contained:
            status = entry.status
            for change in entry.changes:
                since = key(change.at)
                if since is not None and since <= version:
                    status = change.status
            return status, entry
    return product.default_status, None


def _contains(
    entry: VersionEntry, version: Any, key: Callable[[str], Any], at_most: Callable[[Any, str], bool | None]
) -> bool | None:
    first = key(entry.version)
    if not (entry.less_than or entry.less_than_or_equal):
        return None if first is None else bool(first == version)
    if first is None and entry.version not in ("0", "*", "unspecified"):
        return None
    if first is not None and version < first:
        return False
    end = entry.less_than
    if not end or end.endswith("*"):
        return at_most(version, end or entry.less_than_or_equal)
    last = key(end)
    return None if last is None else bool(version < last)


def _verdict(advisory: str, what: str, status: Status, entry: VersionEntry | None) -> ExposureVerdict:
    if status == "unknown" and entry is not None and entry.status != "unknown":
        return ExposureVerdict(
            "unknown",
            "not-comparable",
            f"{advisory} names {entry.version}, which {what} cannot be compared with",
        )
    if status == "unknown":
        return ExposureVerdict(
            "unknown", "no-statement", f"{advisory} does not say whether {what} is affected"
        )
    if status == "affected":
        if entry is None:
            return ExposureVerdict(
                "affected", "in-range", f"{what} is in no range that is fixed or was never affected"
            )
        if not (entry.less_than or entry.less_than_or_equal):
            return ExposureVerdict("affected", "listed", f"{advisory} names {what}")
        return ExposureVerdict("affected", "in-range", f"{what} is in the range {_range(entry)}")
    if entry is None:
        return ExposureVerdict(
            "not_affected", "before-range", f"{what} is in no range that {advisory} calls affected"
        )
    if entry.version in ("0", "*"):
        return ExposureVerdict(
            "not_affected", "before-range", f"{what} is older than the fault: {_range(entry)}"
        )
    return ExposureVerdict("fixed", "fixed-by-version", f"{what} has the fix, which is in {entry.version}")


def _range(entry: VersionEntry) -> str:
    begin = "" if entry.version in ("0", "*") else f"from {entry.version} "
    if entry.less_than and entry.less_than != "*":
        return f"{begin}before {entry.less_than}".strip()
    last = entry.less_than_or_equal
    return f"{begin}to {last}".strip() if last and last != "*" else f"{begin}on".strip()


class _Container(Struct, frozen=True, rename="camel"):
    title: str = ""
    affected: tuple[AffectedProduct, ...] = ()
    metrics: tuple[dict[str, Any], ...] = ()
    provider_metadata: dict[str, Any] = {}


class _Containers(Struct, frozen=True):
    cna: _Container
    adp: tuple[_Container, ...] = ()


class _Metadata(Struct, frozen=True, rename={"cve_id": "cveId", "date_published": "datePublished"}):
    cve_id: Annotated[str, Meta(pattern=r"^CVE-\d{4}-\d{4,19}$")]
    state: Literal["PUBLISHED", "REJECTED"]
    date_published: str = ""


class CveRecord(Struct, frozen=True, rename="camel"):
    """The parts of a CVE record that decide about nodes."""

    cve_metadata: _Metadata
    containers: _Containers


def advisory_of(record: CveRecord, moment: Callable[[str], datetime | None]) -> SecurityAdvisory:
    """Returns the advisory that a CVE record is. `moment` reads a time, in UTC if it names no zone."""
    metadata, cna = record.cve_metadata, record.containers.cna
    severity, source = _severity(record)
    return SecurityAdvisory(
        id=metadata.cve_id,
        format="CVE",
        title=cna.title,
        aliases=(),
        published=moment(metadata.date_published),
        severity=severity,
        severity_source=source,
        statements=tuple(_statements(metadata.cve_id, cna.affected)),
        withdrawn=metadata.state == "REJECTED",
    )


def _statements(advisory: str, products: tuple[AffectedProduct, ...]) -> list[AdvisoryStatement]:
    """Returns the statements that can decide about a node. A product that has only ranges of commits decides nothing,
    if another entry for the same product has versions."""
    found: list[AdvisoryStatement] = []
    for product in products:
        if product.is_kernel and any(not entry.by_commit for entry in product.versions):
            found.append(KernelStatement(advisory, product))
        elif product.is_kubelet:
            found.append(KubeletStatement(advisory, product))
    return found


def _severity(record: CveRecord) -> tuple[str, str]:
    """Returns the first severity that is named, and who names it: the numbering authority before others."""
    for container in (record.containers.cna, *record.containers.adp):
        for metric in container.metrics:
            for value in metric.values():
                if isinstance(value, dict) and severity_named(str(value.get("baseSeverity", ""))):
                    name = str(container.provider_metadata.get("shortName", ""))
                    return severity_named(str(value["baseSeverity"])), name
    return "", ""
