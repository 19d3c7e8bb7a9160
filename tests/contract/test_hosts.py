"""Hosts without a cluster answer as an API server does, in all that is about nodes and machines."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from fleet.drivers.ports import Cluster
from fleet.hosts.cluster import HostsCluster
from tests.contract.cases import NODE_CASES, Case
from tests.contract.world import World
from tests.programs.hosts.boxes import Site


class HostsWorld:
    """Boxes that hold state. A stranger's cordon is the key `cordoned` in the inventory."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._site: Site | None = None
        self._clusters: list[HostsCluster] = []

    @property
    def site(self) -> Site:
        if self._site is None:
            self._site = Site(self._folder, 1)
        return self._site

    @property
    def cluster(self) -> Cluster:
        if not self._clusters:
            self._clusters.append(self.site.cluster())
        return self._clusters[0]

    async def another(self) -> Cluster:
        assert self.cluster
        self._clusters.append(self.site.cluster())
        return self._clusters[-1]

    async def add_nodes(self, count: int) -> None:
        self._site = Site(self._folder, count)

    async def set_cordon(self, node: str, cordoned: bool) -> None:
        (self.site.cordoned.add if cordoned else self.site.cordoned.discard)(node)
        self.site.write()

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"a host without a cluster has no pods: {name}")


@pytest.mark.parametrize("case", NODE_CASES, ids=lambda case: case.__name__)
def test_contract_on_hosts(case: Case, tmp_path: Path) -> None:
    async def story() -> None:
        reported: World = HostsWorld(tmp_path)
        await case(reported)

    asyncio.run(story())
