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
    words: str
    advice: str


def minor_of(version: str) -> MinorVersion | None:
    """Returns the minor version of `v1.36.3`, `1.36`, `v1.30.1-rke2r1` or `v1.31.4+k3s1`. Returns None if the text is
    not a version."""
    found = VERSION.fullmatch(version.strip())
    return MinorVersion(int(found[1]), int(found[2])) if found else None


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
    known = {found: version for version in servers if (found := minor_of(version)) is not None}
    if known and apart(min(known), max(known)) > APART:
        words = f"API servers run {known[min(known)]} and {known[max(known)]}: they must be within one minor version"
        yield Skew(
            "skew-server", "API servers", words, f"bring the older ones to {max(known).before(1)} first"
        )
    for version, nodes in sorted(kubelets.items()):
        kubelet = minor_of(version)
        if kubelet is not None and known:
            yield from _kubelets(version, kubelet, sorted(nodes), known)
    for group in groups:
        if group.kind == "etcd":
            yield from _members(group)


def _kubelets(
    version: str, kubelet: MinorVersion, nodes: list[str], known: Mapping[MinorVersion, str]
) -> Iterator[Skew]:
    who = f"{len(nodes)} nodes run" if len(nodes) > 1 else f"{nodes[0]} runs"
    subject = f"kubelet {version}"
    if server := too_new(kubelet, known):
        words = f"{who} kubelet {version}, which is newer than API server {known[server]}"
        yield Skew("skew-kubelet", subject, words, f"upgrade the API servers to {kubelet} first")
    if server := too_old(kubelet, known):
        words = (
            f"{who} kubelet {version}, {apart(kubelet, server)} minor versions older than API server "
            f"{known[server]}; {allowed(kubelet)} are supported"
        )
        advice = f"upgrade the kubelet there to {server.before(OLDER)} or newer"
        yield Skew("skew-kubelet", subject, words, advice)


def _members(group: Quorum) -> Iterator[Skew]:
    known = {minor for each in group.members if (minor := minor_of(each.version)) is not None}
    if not known or apart(min(known), max(known)) <= APART:
        return
    told = ", ".join(f"{each.name} {each.version}" for each in group.members if each.version)
    words = f"members are more than one minor version apart: {told}"
    yield Skew("skew-etcd", group.name, words, "upgrade the older members, one minor version at a time")
