"""Runs the controller as a pod of a cluster that it upgrades (`fleet operator`): what `fleet run` does, with its own
cluster reached by the pod's service account, and other clusters by kubeconfigs in a folder."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from msgspec import Struct

from fleet.app.monitoring.server import ListenAddress, monitoring
from fleet.app.operator.clusters import add_own, ensure_in_pod, follow
from fleet.app.operator.own_pod import own_pod
from fleet.app.operator.sync import ObjectSync
from fleet.app.rollouts.run import run
from fleet.app.schedule.registry import jobs_of
from fleet.app.wiring.home import Home
from fleet.core.records.errors import FleetError, UsageError
from fleet.core.records.retention import Retention
from fleet.core.state.own_pod import OwnPod
from fleet.drivers.journal.log import LOG
from fleet.kube.client.credentials import CredentialSource
from fleet.kube.client.transport import Transport
from fleet.system.clock import WallClock

LOOK = 10.0
"""Seconds between two looks at the folder of kubeconfigs: kubelets renew mounted Secrets about once a minute."""
RETRY = 5.0
"""Seconds between two tries to reach the own cluster at the start."""


class OperatorSettings(Struct, frozen=True):
    """The settings of an operator."""

    cluster: str
    """The name that the fleet has for the operator's own cluster."""
    kubeconfigs: Path | None = None
    """The folder with a kubeconfig for each other cluster; None: there are none."""
    listen: ListenAddress | None = None
    """Where metrics and probes are served; None: nowhere."""
    retention: Retention = Retention()


def operate(home: Home, settings: OperatorSettings, show: Callable[[str], None]) -> None:
    """Runs until SIGTERM or Ctrl-C, as `fleet.app.rollouts.run.run`, and raises as it does; UsageError where this
    process is not in a pod."""
    ensure_in_pod()
    home.make()
    own = own_pod(home, settings.cluster, os.environ)
    run(
        home,
        show,
        retention=settings.retention,
        jobs=jobs_of(home),
        beside=lambda: _surroundings(home, settings, show, own),
        own=own,
    )


@asynccontextmanager
async def _surroundings(
    home: Home, settings: OperatorSettings, show: Callable[[str], None], own: OwnPod
) -> AsyncIterator[None]:
    """Does what has to be done before the controller leads, and then what goes on beside the controller."""
    async with AsyncExitStack() as stack:
        if settings.listen is not None:
            await stack.enter_async_context(monitoring(home, settings.listen, show))
        await _until_known(home, settings.cluster)
        transport = Transport(CredentialSource(), WallClock())
        stack.push_async_callback(transport.close)
        objects = ObjectSync(home, settings.cluster, transport, show, own=own)
        await stack.enter_async_context(_beside(objects.watch()))
        await objects.until_in_force()
        await stack.enter_async_context(_beside(objects.run()))
        if (folder := settings.kubeconfigs) is not None:
            await stack.enter_async_context(_beside(_follow(home, folder, show)))
        yield


async def _until_known(home: Home, name: str) -> None:
    """Waits until the fleet has the own cluster: the first time, until it has answered. Raises UsageError."""
    logged = ""
    while True:
        try:
            return await asyncio.to_thread(add_own, home, name)
        except UsageError:
            raise
        except FleetError as error:
            if error.message != logged:
                logged = error.message
                LOG.warning("cluster %s: %s; retrying every %.0f s", name, error.full_message, RETRY)
        await asyncio.sleep(RETRY)


async def _follow(home: Home, folder: Path, show: Callable[[str], None]) -> None:
    """Keeps the fleet's clusters those of the folder; logs once what stays the same."""
    before: set[str] = set()
    while True:
        try:
            news = await asyncio.to_thread(lambda: list(follow(home, folder)))
        except FleetError as error:
            news = [error.full_message]
        for line in news:
            if line not in before:
                show(line)
        before = set(news)
        await asyncio.sleep(LOOK)


@asynccontextmanager
async def _beside(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Runs the work until the block ends. An error of the work ends the block, and is raised."""
    block, task = asyncio.current_task(), asyncio.create_task(work)

    def ended(task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None and block is not None:
            block.cancel()

    task.add_done_callback(ended)
    try:
        yield
    finally:
        task.remove_done_callback(ended)
        task.cancel()
        await asyncio.wait({task})
        if not task.cancelled():
            task.result()
