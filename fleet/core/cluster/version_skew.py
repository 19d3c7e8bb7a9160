"""Checks how far the minor versions of kubelets, API servers and etcd members may differ.

Source: the Kubernetes version skew policy (kubernetes.io/releases/version-skew-policy) and etcd's upgrade guides, which
take one minor version at a time.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

from msgspec import Struct

from fleet.core.quorum.quorum import Quorum

VERSION = re.compile(r"v?(\d{1,4})\.(\d{1,4})(?:[.+-].*)?")
OLDER = 3
"""The number of minor versions by which a kubelet may be older than its API server."""
OLD_KUBELET = 25
"""Kubelets before 1.25 may be older by one minor version less."""
APART = 1
"""The number of minor versions by which API servers of one cluster, or members of one etcd, may differ."""


class MinorVersion(NamedTuple):
    """The major and minor number of a version, such as 1.36."""

    major: int
    minor: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"

    def before(self, count: int) -> MinorVersion:
        """Returns the minor version that is `count` versions older, or minor version 0 of the same major version."""
        return MinorVersion(self.major, max(0, self.minor - count))


class Skew(Struct, frozen=True, order=True):
    """Versions of a cluster that are further apart than is supported."""

    check: str
    """`skew-kubelet`, `skew-server` or `skew-etcd`."""
    subject: str
    message: str
    remedy: str


def minor_of(version: str) -> MinorVersion | None:
    """Returns the minor version of `v1.36.3`, `1.36`, `v1.30.1-rke2r1` or `v1.31.4+k3s1`. Returns None if the text is
    not a version."""
    match = VERSION.fullmatch(version.strip())
    return MinorVersion(int(match[1]), int(match[2])) if match else None


def apart(older: MinorVersion, newer: MinorVersion) -> int:
    """Returns the number of minor versions between the two. Different major versions are further apart than any minor
    versions."""
    return (newer.major - older.major) * 10_000 + newer.minor - older.minor


def too_new(kubelet: MinorVersion, servers: Iterable[MinorVersion]) -> MinorVersion | None:
    """Returns the oldest API server if it is older than the kubelet, else None."""
    oldest = min(servers, default=kubelet)
    return oldest if kubelet > oldest else None


def too_old(kubelet: MinorVersion, servers: Iterable[MinorVersion]) -> MinorVersion | None:
    """Returns the newest API server if it is too far ahead of the kubelet, else None."""
    newest = max(servers, default=kubelet)
    return newest if apart(kubelet, newest) > allowed(kubelet) else None


def allowed(kubelet: MinorVersion) -> int:
    """Returns by how many minor versions the kubelet may be older than its API server."""
    return OLDER if kubelet >= MinorVersion(1, OLD_KUBELET) else OLDER - 1


def skews(
    servers: Collection[str], kubelets: Mapping[str, Collection[str]], groups: Iterable[Quorum]
) -> Iterator[Skew]:
    """Yields the version skews of one cluster.

    `servers`: the versions of its API servers, as far as they are known. `kubelets`: the nodes by version. `groups`:
    quorum groups, of which only those of etcd are checked.
    """
    minors = {minor: version for version in servers if (minor := minor_of(version)) is not None}
    if minors and apart(min(minors), max(minors)) > APART:
        message = f"API servers run {minors[min(minors)]} and {minors[max(minors)]}: they must be within one minor version"
        yield Skew(
            "skew-server", "API servers", message, f"bring the older ones to {max(minors).before(1)} first"
        )
    for version, nodes in sorted(kubelets.items()):
        kubelet = minor_of(version)
        if kubelet is not None and minors:
            yield from _kubelets(version, kubelet, sorted(nodes), minors)
    for group in groups:
        if group.kind == "etcd":
            yield from _members(group)


def _kubelets(
    version: str, kubelet: MinorVersion, nodes: list[str], minors: Mapping[MinorVersion, str]
) -> Iterator[Skew]:
    who = f"{len(nodes)} nodes run" if len(nodes) > 1 else f"{nodes[0]} runs"
    subject = f"kubelet {version}"
    if server := too_new(kubelet, minors):
        message = f"{who} kubelet {version}, which is newer than API server {minors[server]}"
        yield Skew("skew-kubelet", subject, message, f"upgrade the API servers to {kubelet} first")
    if server := too_old(kubelet, minors):
        message = (
            f"{who} kubelet {version}, {apart(kubelet, server)} minor versions older than API server "
            f"{minors[server]}; {allowed(kubelet)} are supported"
        )
        remedy = f"upgrade the kubelet there to {server.before(OLDER)} or newer"
        yield Skew("skew-kubelet", subject, message, remedy)


def _members(group: Quorum) -> Iterator[Skew]:
    minors = {minor for member in group.members if (minor := minor_of(member.version)) is not None}
    if not minors or apart(min(minors), max(minors)) <= APART:
        return
    versions = ", ".join(f"{member.name} {member.version}" for member in group.members if member.version)
    message = f"members are more than one minor version apart: {versions}"
    yield Skew("skew-etcd", group.name, message, "upgrade the older members, one minor version at a time")
