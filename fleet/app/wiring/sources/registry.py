"""The list of kinds of clusters, each with its source."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from fleet.app.wiring.home import Home
from fleet.app.wiring.sources.hosts import HostsSource
from fleet.app.wiring.sources.kubeconfig import KubeconfigSource
from fleet.app.wiring.sources.simulated import SimulatedSource
from fleet.app.wiring.sources.source import ClusterSource

if TYPE_CHECKING:
    from fleet.store import ClusterRow

SOURCES: dict[str, Callable[[Home, ClusterRow], ClusterSource]] = {
    "kubeconfig": KubeconfigSource,
    "hosts": HostsSource,
    "simulated": SimulatedSource,
}
"""Sources by `ClusterRow.kind`. A source imports its dependencies when it is used, so that a command loads only those
of its own kind."""


def source_of(home: Home, row: ClusterRow) -> ClusterSource:
    """Returns the source of a cluster of the fleet."""
    return SOURCES[row.kind](home, row)
