"""The contract's cases on a real API server. tests/contract/test_model.py runs them on the model."""

from __future__ import annotations

import asyncio

import pytest

from fleet.lab import Lab
from tests.cluster.rest import Cluster
from tests.cluster.world import RealWorld
from tests.contract.cases import CASES, Case


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_contract_on_a_real_api_server(case: Case, lab: Lab, cluster: Cluster) -> None:
    async def run() -> None:
        async with RealWorld(lab, cluster) as world:
            await case(world)

    asyncio.run(run())
