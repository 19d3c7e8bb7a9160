"""Holds the nodes of a cluster whose API servers do not support the kubelet of a release."""

from __future__ import annotations

from collections.abc import Collection

from fleet.core.cluster.version_skew import OLDER, allowed, apart, minor_of, too_new, too_old
from fleet.core.records.held import Held
from fleet.core.records.reasons.reason import Reason
from fleet.core.releases.release import Release


def held(cluster: str, release: Release, servers: Collection[str]) -> Held | None:
    """Returns what holds the nodes of a cluster that may not run the release's kubelet, or None.

    `servers`: versions of the cluster's API servers. A release that does not name its kubelet is not held.
    """
    if not release.kubelet:
        return None
    kubelet = minor_of(release.kubelet)
    minors = {minor: version for version in servers if (minor := minor_of(version)) is not None}
    params: dict[str, str | int] = {"kubelet": release.kubelet, "release": release.version}
    if kubelet is None or not minors:
        return Held(Reason.SKEW_UNKNOWN, cluster, params)
    if server := too_new(kubelet, minors):
        return Held(Reason.SKEW, cluster, {**params, "server": minors[server], "needed": str(kubelet)})
    if server := too_old(kubelet, minors):
        count, supported = apart(kubelet, server), allowed(kubelet)
        params |= {
            "server": minors[server],
            "needed": str(server.before(OLDER)),
            "count": count,
            "most": supported,
        }
        return Held(Reason.SKEW_OLD, cluster, params)
    return None
