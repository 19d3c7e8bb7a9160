"""A question about the software of nodes: a condition on a version, a package, or a security advisory."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal, Protocol

from msgspec import Struct

from fleet.core.exposure.advisory import SecurityAdvisory, judge
from fleet.core.exposure.software import NodeSoftware
from fleet.core.exposure.verdict import ExposureVerdict
from fleet.core.records.errors import UsageError
from fleet.core.versions import linux, rpm, semantic

Subject = Literal["kernel", "os", "kubelet"]
FORM = "such as 'kernel<6.12.9', 'kernel>=6.1,<6.1.79', 'os=4152.2.0' or 'kubelet<1.34'"


class ExposureQuestion(Protocol):
    """What is asked about every node."""

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
        pairs = zip(self.bounds, orders, strict=True)
        if all(_HOLDS[bound.operator](order or 0) for bound, order in pairs):
            return ExposureVerdict("affected", "in-range", f"{_NAMES[self.subject]} {running}")
        return ExposureVerdict("not_affected", "before-range", f"{_NAMES[self.subject]} {running}")


class LayeredPackage(Struct, frozen=True):
    """Nodes on which an operator has layered the package count as affected.

    Which packages an image has is not known to fleet, so that a node without the package layered is unknown.
    """

    name: str

    @property
    def text(self) -> str:
        """The package's name."""
        return self.name

    def judge(self, software: NodeSoftware) -> ExposureVerdict:
        """Judges the packages on top of the booted release."""
        own = re.compile(rf"{re.escape(self.name)}(?:-\d.*)?")
        if (found := next((one for one in software.layered if own.fullmatch(one)), None)) is not None:
            return ExposureVerdict("affected", "listed", f"{found} is layered on the booted release")
        return ExposureVerdict(
            "unknown",
            "not-reported",
            f"{self.name} is not layered on the booted release; the packages of the release itself are not known",
        )


class AdvisoryQuestion(Struct, frozen=True):
    """Which nodes an advisory is about."""

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
    """Returns the question for a package: with a version that of the kernel or the kubelet, else of a layered package.
    Raises UsageError for bounds on a package whose version fleet does not know."""
    found = re.fullmatch(r"\s*([\w.+-]+?)\s*((?:<=|>=|==|=|<|>).*)?", text)
    if found is None:
        raise UsageError(f"expected the name of a package, found {text!r}", FORM)
    subject = {"linux": "kernel", "kernel-core": "kernel"}.get(found[1], found[1])
    if found[2] and subject in ("kernel", "kubelet"):
        return condition(f"{subject}{found[2]}")
    if found[2]:
        raise UsageError(
            f"the version of {found[1]} on a node is not known to fleet",
            f"fleet exposure --package {found[1]}",
        )
    return LayeredPackage(found[1])


def _bounds(subject: str, text: str, whole: str) -> tuple[VersionBound, ...]:
    bounds: list[VersionBound] = []
    for part in text.split(","):
        found = re.fullmatch(r"\s*(<=|>=|==|=|<|>)\s*(\S{1,256})\s*", part)
        if found is None or (subject == "kernel" and linux.key(found[2].split("-")[0]) is None):
            raise UsageError(f"expected versions with <, <=, =, >= or > before them, found {whole!r}", FORM)
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


_NAMES = {"kernel": "kernel", "os": "version", "kubelet": "kubelet"}
_HOLDS: dict[str, Callable[[int], bool]] = {
    "<": lambda order: order < 0,
    "<=": lambda order: order <= 0,
    "=": lambda order: order == 0,
    ">": lambda order: order > 0,
    ">=": lambda order: order >= 0,
}
