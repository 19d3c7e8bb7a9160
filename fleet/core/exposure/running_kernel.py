"""Tells what a node's kernel is, from its name (`uname -r`) and the name of its operating system.

A kernel's name begins with an upstream version. Whether that version decides which upstream fixes the kernel has is a
matter of the distribution: Fedora, Flatcar, Talos and openSUSE MicroOS follow upstream's stable releases, whereas RHEL,
Ubuntu, Debian, SLE and Amazon Linux add fixes to an older version and count them in a number of their own.
"""

from __future__ import annotations

import re
from typing import Literal

from msgspec import Struct

from fleet.core.releases.kernel import architecture_of
from fleet.core.versions import linux

Lineage = Literal["upstream", "rpm", "ubuntu", "debian", "unknown"]
"""By whose numbers the kernel's fixes are counted: upstream's; those of an RPM package (RHEL and its rebuilds, Amazon
Linux, SLE) or of a package of Ubuntu or Debian, to which fixes are backported; or nobody knows."""


class RunningKernel(Struct, frozen=True, gc=False):
    """A kernel, as far as its name tells."""

    name: str
    """As `uname -r` prints it."""
    base: str
    """The upstream version at the beginning of the name, such as `6.12.9` or `6.8.0-rc4`; empty if there is none."""
    lineage: Lineage
    package: str = ""
    """Name of the package that the kernel comes from: `kernel`, `kernel-rt`, `linux`; empty if it is not known."""
    package_version: str = ""
    """VERSION-RELEASE of the package, as far as the kernel's name has it; empty if it is not known."""


_BASE = re.compile(r"\d+\.\d+(?:\.\d+){0,2}(?:-rc\d+)?")
_FEDORA_CANDIDATE = re.compile(r"(\d+\.\d+(?:\.\d+)?)-0\.(rc\d+)\.")
_RPM_BACKPORTS = re.compile(r"\.(?:el\d|amzn\d|oe\d|uek)")
_RPM_FOLLOWS = re.compile(r"\.fc\d")
_SUSE = re.compile(r"\d[\d.]*-\d[\d.]*-(default|rt|azure|64kb)")
_UBUNTU = re.compile(
    r"(\d+\.\d+\.\d+-\d+)-(generic|lowlatency|aws|azure|gcp|oracle|kvm|raspi|realtime|gke|ibm|nvidia)"
)
_DEBIAN = re.compile(
    r"\d+\.\d+\.\d+(?:-\d+|\+deb\d+)(?:\+\w+)?-(?:cloud-|rt-)?(?:amd64|arm64|armmp|686|s390x|riscv64)"
)
_VARIANT = re.compile(r"\+(rt|64k|debug|uki)\b")
_OLD_REALTIME = re.compile(r"\.rt\d")
_BACKPORTS = re.compile(
    r"AlmaLinux|Rocky|Red Hat|CentOS|Ubuntu|Debian|SUSE Linux|openSUSE Leap|Amazon|Bottlerocket|Oracle"
)
"""Distributions that backport fixes. Bottlerocket's kernels are those of Amazon Linux, by upstream's number alone."""
_FOLLOWS_UPSTREAM = re.compile(
    r"Fedora|Flatcar|Talos|openSUSE (?:MicroOS|Tumbleweed|Kubic)|Arch Linux|Container Linux|NixOS"
)


def running_kernel(name: str, os_image: str) -> RunningKernel:
    """Returns what is known of the kernel of this name on an operating system of this name."""
    found = _BASE.match(name)
    base = found[0] if found is not None else ""
    if (candidate := _FEDORA_CANDIDATE.match(name)) is not None:
        base = f"{candidate[1]}-{candidate[2]}"
    if _SUSE.fullmatch(name):
        return _suse(name, base, os_image)
    if _RPM_BACKPORTS.search(name) or _RPM_FOLLOWS.search(name):
        lineage: Lineage = "rpm" if _RPM_BACKPORTS.search(name) else "upstream"
        return RunningKernel(name, base, lineage, _rpm_package(name), _without_architecture(name))
    if (ubuntu := _UBUNTU.fullmatch(name)) is not None:
        package = "linux" if ubuntu[2] in ("generic", "lowlatency") else f"linux-{ubuntu[2]}"
        return RunningKernel(name, base, "ubuntu", package, ubuntu[1])
    if _DEBIAN.fullmatch(name):
        return RunningKernel(name, base, "debian", "linux")
    bare = bool(base) and name == base and not _BACKPORTS.search(os_image)
    if bare or _FOLLOWS_UPSTREAM.search(os_image):
        return RunningKernel(name, base, "upstream" if linux.key(base) else "unknown")
    return RunningKernel(name, base, "unknown")


def _suse(name: str, base: str, os_image: str) -> RunningKernel:
    version, flavour = name.rsplit("-", 1)
    lineage: Lineage = "upstream" if _FOLLOWS_UPSTREAM.search(os_image) else "rpm"
    return RunningKernel(name, base, lineage, f"kernel-{flavour}", version)


def _rpm_package(name: str) -> str:
    variant = _VARIANT.search(name)
    if variant is not None and variant[1] in ("rt", "64k"):
        return f"kernel-{variant[1]}"
    return "kernel-rt" if _OLD_REALTIME.search(name) else "kernel"


def _without_architecture(name: str) -> str:
    bare = _VARIANT.sub("", name)
    if not architecture_of(bare):
        return bare
    return bare.rpartition(".")[0]
