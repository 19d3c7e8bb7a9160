"""Installs fleet into a cluster and removes it again: resource definitions, roles, and the agents."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

from fleet.app.access.allowed import allowed
from fleet.app.inventory.clusters import refuse_at_work
from fleet.app.wiring.home import Home
from fleet.app.wiring.sources.registry import source_of
from fleet.core.policy.access import Role
from fleet.core.policy.hooks.job_namespaces import job_namespaces

if TYPE_CHECKING:
    from fleet.kube.cluster import KubeCluster


def manifests(home: Home, name: str, image: str | None) -> str:
    """Returns the YAML that `install` would apply. `image` is that of the agent; None leaves the agent out.

    The cluster need not be in the fleet yet, and no database is made.
    Raises UsageError for a cluster of the fleet that nothing can be installed into.
    """
    from fleet.kube.install.installation import as_yaml
    from fleet.kube.install.installation import manifests as objects

    store = home.store_if_any
    if store is not None and any(row.name == name for row in store.clusters.list()):
        _api_server(home, name)
    policy = home.policy_if_any()
    return as_yaml(objects(image, policy.remote, job_namespaces(policy, name)))


def install(home: Home, name: str, image: str | None) -> list[str]:
    """Applies the manifests and returns one line for each object. Raises ForbiddenError with the rule that is
    missing."""
    from fleet.kube.install.install import apply
    from fleet.kube.install.installation import manifests as objects

    allowed(home, Role.ADMIN, "install fleet into clusters")
    policy = home.policy_if_any()
    wanted = objects(image, policy.remote, job_namespaces(policy, name))

    async def work() -> list[str]:
        async with _api_server(home, name) as cluster:
            return [f"{done.result} {done.manifest}" for done in await apply(cluster.transport, wanted)]

    return asyncio.run(work())


def uninstall(home: Home, name: str) -> list[str]:
    """Removes the objects that `install` has applied and returns what was removed. Raises HeldError while a rollout
    works there."""
    from fleet.kube.install.install import uninstall as take_away

    allowed(home, Role.ADMIN, "uninstall fleet from clusters")
    api_server = _api_server(home, name)
    refuse_at_work(home, name)

    async def work() -> list[str]:
        async with api_server as cluster:
            gone = await take_away(cluster.transport)
            done = [f"{done.result} {done.manifest}" for done in gone.objects if done.result != "absent"]
            return done + [f"unmarked Node {node}" for node in gone.nodes]

    return asyncio.run(work())


def _api_server(home: Home, name: str) -> AbstractAsyncContextManager[KubeCluster]:
    """Opens the cluster's API server. Raises UsageError for a cluster that has none, since nothing can be installed
    there."""
    return source_of(home, home.store.clusters.get(name)).api_server()
