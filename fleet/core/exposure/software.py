"""The software of one node, as far as fleet knows it: what advisories are compared with."""

from __future__ import annotations

import re

from msgspec import Struct

from fleet.core.exposure.contents import ReleaseContents
from fleet.core.exposure.running_kernel import RunningKernel, running_kernel
from fleet.core.exposure.verdict import ExposureVerdict
from fleet.core.releases.kernel import architecture_of


class NodeSoftware(Struct, frozen=True, gc=False):
    """Says what a node runs. Nodes with equal values get equal answers."""

    os_image: str
    """Name of the operating system with its version, as the kubelet reports it."""
    version: str
    """Version of the booted release; empty if it is not reported."""
    kernel: str
    """As `uname -r` prints it; empty if it is not reported."""
    kubelet: str = ""
    """Version of the kubelet; empty if there is none or it is not reported."""
    layered: tuple[str, ...] = ()
    """Packages on top of the booted release, by name or by NAME-VERSION-RELEASE.ARCHITECTURE."""
    live_patches: tuple[str, ...] = ()
    """Live patches that the kernel runs, by the names of their modules."""
    contents: ReleaseContents | None = None
    """The packages of the booted release; None if nobody says."""

    @property
    def running_kernel(self) -> RunningKernel:
        """Returns what is known of the kernel."""
        return running_kernel(self.kernel, self.os_image)

    @property
    def architecture(self) -> str:
        """The processor architecture at the end of the kernel's name, by Go's name; empty if it has none."""
        return architecture_of(self.kernel)


def with_live_patches(verdict: ExposureVerdict, software: NodeSoftware) -> ExposureVerdict:
    """Returns the verdict about the kernel of a node. Which faults a live patch fixes cannot be seen from outside, so that
    an affected kernel that runs one is unknown."""
    if verdict.state != "affected" or not software.live_patches:
        return verdict
    return ExposureVerdict(
        "unknown",
        "live-patched",
        f"{verdict.message}, but runs a live patch: {', '.join(software.live_patches)}; what it fixes is declared with "
        "--vex",
    )


class DistributionName(Struct, frozen=True, gc=False):
    """An operating system as advisories name it."""

    name: str
    """As in the ecosystems of OSV: `AlmaLinux`, `Red Hat`, `Ubuntu`."""
    version: str
    """`9`, `22.04`, `41`; empty if the name of the operating system has none."""


_NAMES = (
    (re.compile(r"AlmaLinux\D*(\d+)"), "AlmaLinux"),
    (re.compile(r"Rocky Linux\D*(\d+)"), "Rocky Linux"),
    (re.compile(r"Red Hat Enterprise Linux CoreOS"), "Red Hat CoreOS"),
    (re.compile(r"Red Hat Enterprise Linux\D*(\d+(?:\.\d+)?)"), "Red Hat"),
    (re.compile(r"CentOS Stream\D*(\d+)"), "CentOS Stream"),
    (re.compile(r"Ubuntu (?:Core )?(\d+(?:\.\d+)?)"), "Ubuntu"),
    (re.compile(r"Debian GNU/Linux\D*(\d+)"), "Debian"),
    (re.compile(r"openSUSE Leap(?: Micro)?\s+(\d+\.\d+)"), "openSUSE"),
    (re.compile(r"SUSE Linux (?:Enterprise )?Micro\D*(\d+\.\d+)"), "SUSE"),
    (re.compile(r"SUSE Linux Enterprise Server\D*(\d+)"), "SUSE"),
    (re.compile(r"Amazon Linux\D*(\d+)"), "Amazon Linux"),
    (re.compile(r"Fedora\D*(\d+)"), "Fedora"),
)


def distribution_of(os_image: str) -> DistributionName | None:
    """Returns the distribution that the name of the operating system tells; None if it is none that is known here."""
    for pattern, name in _NAMES:
        if (found := pattern.search(os_image)) is not None:
            return DistributionName(name, found[1] if pattern.groups else "")
    return None
