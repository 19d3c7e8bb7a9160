"""Runs the controller process (`fleet run`)."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from functools import partial
from typing import TYPE_CHECKING

from fleet.app.access.allowed import allowed
from fleet.app.audit.notary import notary_of
from fleet.app.wiring.home import Home
from fleet.app.wiring.receivers import PolicyReceivers
from fleet.app.wiring.sources.registry import source_of
from fleet.app.wiring.sources.simulated_clock import running
from fleet.core.policy.access import Role
from fleet.core.records.retention import Retention
from fleet.core.state.own_pod import OwnPod
from fleet.drivers.timers.jobs import JobsOf, no_jobs
from fleet.system.clock import WallClock

if TYPE_CHECKING:
    from fleet.drivers.controller import Controller
    from fleet.drivers.pipeline import ClusterPipeline
    from fleet.drivers.timers.pace import Pace

KEEP = Retention()
LOG = logging.getLogger("fleet.controller")
Connect = Callable[[], Awaitable[Mapping[str, "ClusterPipeline"]]]
Beside = Callable[[], AbstractAsyncContextManager[object]]


def run(
    home: Home,
    show: Callable[[str], None],
    until_idle: bool = False,
    retention: Retention = KEEP,
    jobs: JobsOf = no_jobs,
    beside: Beside = nullcontext,
    own: OwnPod | None = None,
) -> None:
    """Runs a controller until SIGTERM or Ctrl-C; with `until_idle` until nothing is left to do. `retention` is how
    long deleted objects of clusters are kept. `jobs` returns the scheduled jobs that the policy asks for. `beside` is
    open while the controller runs, such as a server for monitoring. `own` is the pod that it runs in.

    Logs what a failover of the database may lose. Requests that have been sent when the signal comes are awaited, and
    the leases are released. Raises UsageError, and leads nothing, where the policy is wrong or needs a program that is not
    installed here.
    """
    allowed(home, Role.OPERATOR, "run a controller")
    policy = home.policy_if_any()
    for row in home.store.clusters.list():
        source_of(home, row).ensure_tools(policy)
    for risk in home.store.risks():
        LOG.warning(risk)
    asyncio.run(_run(home, show, until_idle, retention, jobs, beside, own))


def make_controller(
    home: Home,
    show: Callable[[str], None],
    retention: Retention = KEEP,
    jobs: JobsOf = no_jobs,
    connect: Connect | None = None,
    pace: Pace | None = None,
    own: OwnPod | None = None,
) -> Controller:
    """Returns a controller of the home's fleet. `connect` opens its clusters; None: as the home has them. `pace` and `own`
    are those of `Controller`; None: real time, and no pod."""
    from fleet.app.rollouts.policy import PolicyFollower
    from fleet.drivers.controller import Controller
    from fleet.drivers.timers.pace import WALL

    def sites() -> Mapping[str, str]:
        return {row.name: row.site for row in home.store.clusters.list()}

    follower = PolicyFollower(home)
    return Controller(
        home.store,
        partial(follower.connect, connect or partial(open_clusters, home)),
        sites,
        home.clock,
        WallClock().now,
        show,
        notary_of(home),
        retention,
        jobs=jobs,
        receivers=PolicyReceivers(home).current,
        pace=pace or WALL,
        own=own,
        policy=follower.look,
    )


async def open_clusters(home: Home) -> Mapping[str, ClusterPipeline]:
    """Opens every cluster of the fleet."""
    return {row.name: await source_of(home, row).connect() for row in home.store.clusters.list()}


async def _run(
    home: Home,
    show: Callable[[str], None],
    until_idle: bool,
    retention: Retention,
    jobs: JobsOf,
    beside: Beside,
    own: OwnPod | None,
) -> None:
    async def lead() -> None:
        async with running(home.clock), beside():
            await make_controller(home, show, retention, jobs, own=own).run(until_idle)

    work = asyncio.create_task(lead())
    stopped = False

    def stop() -> None:
        nonlocal stopped
        stopped = True
        work.cancel()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    try:
        await work
    except asyncio.CancelledError:
        if not stopped:
            raise
        show("stopped; the next controller continues what has begun")
