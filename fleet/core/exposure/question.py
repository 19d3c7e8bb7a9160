"""A question about the software of nodes: a condition on a version, a package, or a security advisory."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Literal, Protocol

from msgspec import Struct

from fleet.core.exposure.advisory import SecurityAdvisory, judge
from fleet.core.exposure.contents import ContainedPackage
from fleet.core.exposure.software import NodeSoftware, with_live_patches
from fleet.core.exposure.verdict import ExposureVerdict, worst
from fleet.core.records.errors import UsageError
from fleet.core.versions import linux, rpm, semantic

Subject = Literal["kernel", "os", "kubelet"]
FORM = "such as 'kernel<6.12.9', 'kernel>=6.1,<6.1.79', 'os=4152.2.0' or 'kubelet<1.34'"
PACKAGE_FORM = "such as htop or 'openssl<3.2.4'"


class ExposureQuestion(Protocol):
    """Holds what is asked about every node."""

    @property
    def text(self) -> str:
        """The question as a user asks it, or the advisory's id."""

    def judge(self, software: NodeSoftware) -> ExposureVerdict:
        """Returns the answer for the software of a node."""


class VersionBound(Struct, frozen=True, gc=False):
    """One side of a condition."""

    operator: Literal["<", "<=", "=", ">", ">="]
    version: str


class VersionCondition(Struct, frozen=True):
    """Nodes whose version of the subject fulfils all bounds count as affected."""

    subject: Subject
    bounds: tuple[VersionBound, ...]

    @property
    def text(self) -> str:
        """The condition as it is written."""
        return self.subject + ",".join(bound.operator + bound.version for bound in self.bounds)

    def judge(self, software: NodeSoftware) -> ExposureVerdict:
        """Judges the node's version of the subject."""
        running = _running(self.subject, software)
        if not running:
            return ExposureVerdict(
                "unknown", "not-reported", f"the node has not reported its {_NAMES[self.subject]}"
            )
        orders = [_compare(self.subject, software, bound.version) for bound in self.bounds]
        if None in orders:
            wanted = self.bounds[orders.index(None)].version
            return ExposureVerdict("unknown", "not-comparable", f"{running} cannot be compared with {wanted}")
        if _all_hold(self.bounds, orders):
            found = ExposureVerdict("affected", "in-range", f"{_NAMES[self.subject]} {running}")
            return with_live_patches(found, software) if self.subject == "kernel" else found
        return ExposureVerdict("not_affected", "before-range", f"{_NAMES[self.subject]} {running}")


class PackageCondition(Struct, frozen=True):
    """Nodes that have the package, in a version that fulfils all bounds, count as affected: in the booted release, or
    layered on it.

    What a release contains is known only where its SBOM is there.
    """

    name: str
    bounds: tuple[VersionBound, ...] = ()

    @property
    def text(self) -> str:
        """The condition as it is written."""
        return self.name + ",".join(bound.operator + bound.version for bound in self.bounds)

    def judge(self, software: NodeSoftware) -> ExposureVerdict:
        """Judges the packages of the booted release and those on top of it. A layered package replaces the release's."""
        layered = _layered(self.name, software.layered)
        if layered is not None:
            return self._judge(layered, f"{layered.name} is layered on the booted release")
        if software.contents is None:
            return ExposureVerdict("unknown", "not-reported", _no_contents(self.name, software))
        packages = software.contents.packages.get(self.name, ())
        found = [
            self._judge(one, f"{one.name} {one.version} is in {software.contents.source}") for one in packages
        ]
        none = ExposureVerdict(
            "not_affected", "not-installed", f"{self.name} is not in {software.contents.source}"
        )
        return worst(found) or none

    def _judge(self, package: ContainedPackage, what: str) -> ExposureVerdict:
        if not self.bounds:
            return ExposureVerdict("affected", "listed", what)
        if not package.version:
            return ExposureVerdict("unknown", "not-reported", f"{what}, in a version that is not reported")
        orders = [package.compare(bound.version) for bound in self.bounds]
        if None in orders:
            wanted = self.bounds[orders.index(None)].version
            return ExposureVerdict("unknown", "not-comparable", f"{what}, not comparable with {wanted}")
        if _all_hold(self.bounds, orders):
            return ExposureVerdict("affected", "in-range", what)
        return ExposureVerdict("not_affected", "before-range", what)


_NEVRA = re.compile(
    r"(?P<name>[\w.+-]+?)-(?P<version>(?:\d+:)?\d[\w.~^+]*-[\w.~^+]+)\.(?:x86_64|aarch64|noarch|\w+)"
)


def _layered(name: str, layered: Sequence[str]) -> ContainedPackage | None:
    """Returns the package of this name among the layered ones, which are names, or NAME-VERSION-RELEASE.ARCHITECTURE."""
    for one in layered:
        if one == name:
            return ContainedPackage(one, "", "rpm")
        if (found := _NEVRA.fullmatch(one)) is not None and found["name"] == name:
            return ContainedPackage(one, found["version"], "rpm")
    return None


def _no_contents(name: str, software: NodeSoftware) -> str:
    release = software.version or "the booted release"
    file = f"{software.version or 'VERSION'}.json"
    return f"whether {release} contains {name} is known with its SBOM alone: put it into sboms/{file} beside the policy"


class AdvisoryQuestion(Struct, frozen=True):
    """Asks which nodes an advisory is about."""

    advisory: SecurityAdvisory

    @property
    def text(self) -> str:
        """The advisory's id."""
        return self.advisory.id

    def judge(self, software: NodeSoftware) -> ExposureVerdict:
        """Judges by the advisory's statements."""
        return judge(self.advisory, software)


def condition(text: str) -> VersionCondition:
    """Returns the condition that a text such as `kernel>=6.1,<6.1.79` is. Raises UsageError if the text is none."""
    found = re.fullmatch(r"\s*(\w+)\s*((?:<=|>=|==|=|<|>).*)", text)
    if found is None or found[1] not in _NAMES:
        raise UsageError(f"expected a condition on kernel, os or kubelet, found {text!r}", FORM)
    return VersionCondition(found[1], _bounds(found[1], found[2], text))  # type: ignore[arg-type]


def version_condition(text: str) -> VersionCondition:
    """Returns the condition on the version of the operating system: a version, or bounds such as `<4152.2.0`. Raises
    UsageError if the text is neither."""
    return VersionCondition("os", _bounds("os", text if text[:1] in "<>=" else f"={text}", text))


def package_question(text: str) -> ExposureQuestion:
    """Returns the question for a package, such as `htop` or `openssl<3.2.4`; with a version of the kernel or the kubelet
    that for what the node runs. Raises UsageError if the text is none."""
    found = re.fullmatch(r"\s*([\w.+-]+?)\s*((?:<=|>=|==|=|<|>).*)?", text)
    if found is None:
        raise UsageError(f"expected the name of a package, found {text!r}", PACKAGE_FORM)
    subject = {"linux": "kernel", "kernel-core": "kernel"}.get(found[1], found[1])
    if found[2] and subject in ("kernel", "kubelet"):
        return condition(f"{subject}{found[2]}")
    return PackageCondition(found[1], _bounds("package", found[2], text) if found[2] else ())


def _bounds(subject: str, text: str, whole: str) -> tuple[VersionBound, ...]:
    bounds: list[VersionBound] = []
    for part in text.split(","):
        found = re.fullmatch(r"\s*(<=|>=|==|=|<|>)\s*(\S{1,256})\s*", part)
        if found is None or (subject == "kernel" and linux.key(found[2].split("-")[0]) is None):
            raise UsageError(
                f"expected versions with <, <=, =, >= or > before them, found {whole!r}",
                PACKAGE_FORM if subject == "package" else FORM,
            )
        bounds.append(VersionBound("=" if found[1] == "==" else found[1], found[2]))  # type: ignore[arg-type]
    return tuple(bounds)


def _running(subject: Subject, software: NodeSoftware) -> str:
    return {"kernel": software.kernel, "os": software.version, "kubelet": software.kubelet}[subject]


def _compare(subject: Subject, software: NodeSoftware, wanted: str) -> int | None:
    """Returns the order of the node's version against `wanted`; None if the two cannot be compared.

    A kernel is compared by its upstream version, unless `wanted` has the number of a distribution behind it
    (`5.14.0-427.13.1.el9_4`): that one is compared with kernels of packages alone, as rpm does.
    """
    if subject == "kubelet":
        return semantic.compare(software.kubelet, wanted)
    if subject == "os":
        return rpm.compare(software.version, wanted)
    kernel = software.running_kernel
    if linux.key(wanted) is not None:
        return linux.compare(kernel.base, wanted)
    return rpm.compare(kernel.package_version, wanted) if kernel.package_version else None


def _all_hold(bounds: Sequence[VersionBound], orders: Sequence[int | None]) -> bool:
    pairs = zip(bounds, orders, strict=True)
    return all(_HOLDS[bound.operator](order or 0) for bound, order in pairs)


_NAMES = {"kernel": "kernel", "os": "version", "kubelet": "kubelet"}
_HOLDS: dict[str, Callable[[int], bool]] = {
    "<": lambda order: order < 0,
    "<=": lambda order: order <= 0,
    "=": lambda order: order == 0,
    ">": lambda order: order > 0,
    ">=": lambda order: order >= 0,
}
