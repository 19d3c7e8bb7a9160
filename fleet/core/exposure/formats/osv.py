"""Reads OSV records, as distributions and the database osv.dev publish them.

Source: OSV schema 1.7, "affected[].versions" and "Evaluation". A record that names no package of the node says nothing
about the node.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

from msgspec import Meta, Struct

from fleet.core.exposure.advisory import SecurityAdvisory, severity_named
from fleet.core.exposure.contents import ContainedPackage
from fleet.core.exposure.software import NodeSoftware, distribution_of, with_live_patches
from fleet.core.exposure.verdict import ExposureVerdict, worst
from fleet.core.versions import dpkg, linux, rpm

Version = Annotated[str, Meta(max_length=256)]


class RangeEvent(Struct, frozen=True, gc=False):
    """Says where a fault begins or ends; one of the four is given."""

    introduced: Version = ""
    fixed: Version = ""
    last_affected: Version = ""
    limit: Version = ""


class VersionRange(Struct, frozen=True, gc=False):
    """Events in the order of versions, or of commits (`GIT`)."""

    type: str
    events: tuple[RangeEvent, ...] = ()


class OsvPackage(Struct, frozen=True, gc=False):
    """A package of an ecosystem."""

    ecosystem: str
    name: str


class AffectedPackage(Struct, frozen=True, gc=False):
    """A package with its affected versions."""

    package: OsvPackage | None = None
    ranges: tuple[VersionRange, ...] = ()
    versions: tuple[Version, ...] = ()


class PackageVersion(Struct, frozen=True):
    """The version of a node's package, and the order of its ecosystem."""

    what: str
    version: str
    compare: Callable[[str, str], int | None]


class PackageStatement(Struct, frozen=True):
    """Says what a record states about one package."""

    id: str
    affected: AffectedPackage

    def judge(self, software: NodeSoftware) -> ExposureVerdict | None:
        """Judges the node's kernel, if the package is the kernel of its distribution, or the upstream kernel; and the
        packages of the booted release, where its SBOM is there."""
        package = self.affected.package
        if package is None:
            return None
        found: PackageVersion | ExposureVerdict | None
        if package.ecosystem.lower() == "linux" and package.name.lower() in ("kernel", "linux"):
            found = _upstream(self.id, software)
        else:
            found = _packaged(package, software)
        if found is None:
            return self._in_contents(package, software)
        if isinstance(found, ExposureVerdict):
            return found
        return with_live_patches(_judge(self.id, self.affected, found), software)

    def _in_contents(self, package: OsvPackage, software: NodeSoftware) -> ExposureVerdict | None:
        distribution, contents = distribution_of(software.os_image), software.contents
        if distribution is None or contents is None:
            return None
        if not _same_distribution(package.ecosystem, distribution.name, distribution.version):
            return None
        found = [
            _judge(
                self.id,
                self.affected,
                PackageVersion(f"{one.name} {one.version}", one.version, _order_of(one)),
            )
            for one in contents.packages.get(package.name, ())
        ]
        none = f"{package.name} is not in {contents.source}"
        return worst(found) or ExposureVerdict("not_affected", "not-installed", none)


def _order_of(package: ContainedPackage) -> Callable[[str, str], int | None]:
    return lambda _, wanted: package.compare(wanted)


def _upstream(advisory: str, software: NodeSoftware) -> PackageVersion | ExposureVerdict:
    kernel = software.running_kernel
    if linux.key(kernel.base) is None:
        return ExposureVerdict(
            "unknown", "not-reported", "the node's kernel has no version of Linux in its name"
        )
    if kernel.lineage != "upstream":
        return ExposureVerdict(
            "unknown",
            "backports",
            f"the distribution of {kernel.name} may have added the fix without changing the upstream version that "
            f"{advisory} is about: ask with the distribution's own advisory",
        )
    return PackageVersion(f"Linux {kernel.base}", kernel.base, linux.compare)


def _packaged(package: OsvPackage, software: NodeSoftware) -> PackageVersion | ExposureVerdict | None:
    """Returns the version of the node's kernel package, if the package is that one."""
    kernel, distribution = software.running_kernel, distribution_of(software.os_image)
    if distribution is None or not _same_distribution(
        package.ecosystem, distribution.name, distribution.version
    ):
        return None
    if kernel.package and package.name == kernel.package:
        if kernel.lineage == "ubuntu":
            return PackageVersion(
                f"{package.name} {kernel.package_version}", kernel.package_version, _compare_ubuntu
            )
        if kernel.package_version:
            what = f"{package.name} {kernel.package_version}"
            return PackageVersion(what, kernel.package_version, rpm.compare)
        return ExposureVerdict(
            "unknown",
            "not-comparable",
            f"the name of the kernel, {kernel.name}, does not tell the version of the package {package.name}",
        )
    return None


def _same_distribution(ecosystem: str, name: str, version: str) -> bool:
    """Reports whether an ecosystem such as `AlmaLinux:8`, `Ubuntu:Pro:22.04:LTS` or `Red Hat:enterprise_linux:9::baseos`
    is this distribution in this version."""
    first, *rest = ecosystem.split(":")
    if first != name:
        return False
    numbers = [
        part.removeprefix("Leap Micro ").removeprefix("Leap ") for part in rest if any(map(str.isdigit, part))
    ]
    numbers = [number.rsplit(" ", 1)[-1] for number in numbers]
    return not numbers or version in numbers or version.split(".")[0] in numbers


def _compare_ubuntu(running: str, other: str) -> int | None:
    """Compares the name of a running kernel, `5.15.0-100`, with a package's version, `5.15.0-100.110`. None if they
    differ in the number of the upload alone, which a kernel's name does not have."""
    upload = other.rpartition(".")[0] if other.count(".") > 2 else other
    if running == upload and upload != other:
        return None
    return dpkg.compare(running, upload)


def _judge(advisory: str, affected: AffectedPackage, found: PackageVersion) -> ExposureVerdict:
    """Returns the verdict by the schema's algorithm: affected if the version is listed, or if the last event before it
    introduces the fault."""
    if found.version in affected.versions or any(
        version.startswith(f"{found.version}.") and found.compare is _compare_ubuntu
        for version in affected.versions
    ):
        return ExposureVerdict("affected", "listed", f"{advisory} lists {found.what}")
    ranges = [one for one in affected.ranges if one.type != "GIT"]
    for one in ranges:
        verdict = _in_range(advisory, one, found)
        if verdict is not None:
            return verdict
    if not ranges and not affected.versions:
        return ExposureVerdict(
            "unknown", "no-statement", f"{advisory} has only ranges of commits, which no node reports"
        )
    return _outside(ranges, found)


def _in_range(advisory: str, one: VersionRange, found: PackageVersion) -> ExposureVerdict | None:
    """Returns affected or unknown; None if the version is outside the range."""
    vulnerable, since, until = False, "", ""
    for event in one.events:
        bound = event.introduced or event.fixed or event.last_affected
        if not bound:
            continue
        order = 1 if bound == "0" else found.compare(found.version, bound)
        if order is None:
            return ExposureVerdict(
                "unknown",
                "not-comparable",
                f"{found.what} cannot be compared with {bound}, which {advisory} names",
            )
        if event.introduced and order >= 0:
            vulnerable, since, until = True, event.introduced, ""
        elif event.fixed and vulnerable:
            vulnerable, until = (False, "") if order >= 0 else (True, until or f"before {event.fixed}")
        elif event.last_affected and vulnerable:
            vulnerable, until = (False, "") if order > 0 else (True, until or f"to {event.last_affected}")
    if not vulnerable:
        return None
    bounds = " ".join(part for part in ("" if since == "0" else f"from {since}", until) if part)
    return ExposureVerdict(
        "affected", "in-range", f"{found.what} is affected{f', {bounds}' if bounds else ', no fix is named'}"
    )


def _outside(ranges: list[VersionRange], found: PackageVersion) -> ExposureVerdict:
    fixes = [
        event.fixed
        for one in ranges
        for event in one.events
        if event.fixed and (found.compare(found.version, event.fixed) or 0) >= 0
    ]
    if fixes:
        return ExposureVerdict(
            "fixed", "fixed-by-version", f"{found.what} has the fix, which is in {fixes[-1]}"
        )
    return ExposureVerdict("not_affected", "before-range", f"{found.what} is outside the affected versions")


class _Severity(Struct, frozen=True):
    type: str = ""
    score: str = ""


class OsvRecord(Struct, frozen=True):
    """The parts of an OSV record that decide about nodes."""

    id: Annotated[str, Meta(min_length=1, max_length=256)]
    summary: str = ""
    published: str = ""
    withdrawn: str = ""
    aliases: tuple[str, ...] = ()
    upstream: tuple[str, ...] = ()
    related: tuple[str, ...] = ()
    severity: tuple[_Severity, ...] = ()
    affected: tuple[AffectedPackage, ...] = ()
    database_specific: dict[str, Any] = {}


def advisory_of(record: OsvRecord, moment: Callable[[str], datetime | None]) -> SecurityAdvisory:
    """Returns the advisory that an OSV record is. `moment` reads a time, in UTC if it names no zone."""
    severity, source = _severity_of(record)
    return SecurityAdvisory(
        id=record.id,
        format="OSV",
        title=record.summary,
        aliases=tuple(dict.fromkeys((*record.aliases, *record.upstream, *record.related))),
        published=moment(record.published),
        severity=severity,
        severity_source=source,
        statements=tuple(PackageStatement(record.id, affected) for affected in record.affected),
        withdrawn=bool(record.withdrawn),
    )


def _severity_of(record: OsvRecord) -> tuple[str, str]:
    """Returns a severity that is named in words, and who names it. Scores are left out: which word a score stands for
    differs between the versions of CVSS."""
    for one in record.severity:
        if severity_named(one.score):
            return severity_named(one.score), one.type
    named = severity_named(str(record.database_specific.get("severity", "")))
    return (named, "the record's database") if named else ("", "")
