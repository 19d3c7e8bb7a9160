"""What fleet puts into a cluster, and takes out again: definitions, roles, the agents."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from fleet.app.inventory.clusters import refuse_at_work
from fleet.app.wiring.connection import opened
from fleet.app.wiring.home import Home
from fleet.core.records.errors import UsageError

if TYPE_CHECKING:
    from fleet.store import ClusterRow


def manifests(home: Home, name: str, image: str | None) -> str:
    """The YAML that `install` would apply. `image`: of the agent; None leaves it out.

    It is the same for every cluster, so none need be in the fleet yet; nor is a database made. Raises UsageError for one
    of the fleet that nothing can be installed into.
    """
    from fleet.kube.install.installation import as_yaml
    from fleet.kube.install.installation import manifests as objects

    store = home.store_if_any
    if store is not None and any(row.name == name for row in store.clusters.list()):
        _installable(home, name)
    return as_yaml(objects(image, home.policy_if_any().remote))


def install(home: Home, name: str, image: str | None) -> list[str]:
    """What was done, an object a line. Raises ForbiddenError with the rule that is missing."""
    from fleet.kube.install.install import apply
    from fleet.kube.install.installation import manifests as objects

    wanted = objects(image, home.policy_if_any().remote)

    async def work() -> list[str]:
        async with opened(_installable(home, name)) as cluster:
            return [f"{each.result} {each.manifest}" for each in await apply(cluster.transport, wanted)]

    return asyncio.run(work())


def uninstall(home: Home, name: str) -> list[str]:
    """What was taken away. Raises HeldError while a rollout works there."""
    from fleet.kube.install.install import uninstall as take_away

    row = _installable(home, name)
    refuse_at_work(home, name)

    async def work() -> list[str]:
        async with opened(row) as cluster:
            gone = await take_away(cluster.transport)
            done = [f"{each.result} {each.manifest}" for each in gone.objects if each.result != "absent"]
            return done + [f"unmarked Node {node}" for node in gone.nodes]

    return asyncio.run(work())


def _installable(home: Home, name: str) -> ClusterRow:
    row = home.store.clusters.get(name)
    if row.kind == "simulated":
        raise UsageError(
            f"{name} is simulated: there is nothing to install into", "fleet lab up makes a real one"
        )
    if row.kind == "hosts":
        raise UsageError(
            f"{name} has hosts alone: nothing has to be installed there", f"fleet cluster check {name}"
        )
    return row
