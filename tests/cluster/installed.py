"""Fleet, installed in a cluster for as long as a test needs it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from fleet.kube.client.credentials import CredentialSource
from fleet.kube.client.transport import Transport
from fleet.kube.install import install
from fleet.kube.install.installation import manifests
from fleet.system.clock import WallClock

T = TypeVar("T")


def with_transport(kubeconfig: Path, work: Callable[[Transport], Awaitable[T]]) -> T:
    """What `work` answers, over a connection of its own."""

    async def run() -> T:
        transport = Transport(CredentialSource(kubeconfig), WallClock())
        try:
            return await work(transport)
        finally:
            await transport.close()

    return asyncio.run(run())


@contextmanager
def installed(kubeconfig: Path, policy: bool = False) -> Iterator[None]:
    """Without agents: the nodes are fake. `policy`: with the kinds of the policy, which the clean-up of the cluster
    removes."""
    with_transport(kubeconfig, lambda transport: install.apply(transport, manifests(None, policy=policy)))
    try:
        yield
    finally:
        with_transport(kubeconfig, install.uninstall)
