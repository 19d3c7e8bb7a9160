"""Identifies users by the API server of a cluster of the fleet."""

from __future__ import annotations

import asyncio

from fleet.app.wiring.home import Home
from fleet.app.wiring.sources.kubeconfig import KubeconfigSource
from fleet.core.records.errors import AuthenticationError, UsageError
from fleet.core.records.identity import Identity
from fleet.kube.actions.whoami import UserInfo, who_am_i


def identify(home: Home, cluster: str) -> tuple[Identity, tuple[str, ...]]:
    """Returns the user and groups of the credentials that this process reaches the cluster with.

    Raises UsageError where the fleet does not reach that cluster by a kubeconfig, AuthenticationError and
    UnreachableError where the API server refuses or does not answer.
    """
    row = home.cluster(cluster)
    if row.kind != "kubeconfig":
        raise UsageError(
            f"the policy identifies users by cluster {cluster}, which is not reached by a kubeconfig",
            "access.cluster in fleet.yaml names another one",
        )
    user = asyncio.run(_ask(KubeconfigSource(home, row)))
    if not user.username:
        raise AuthenticationError(
            f"the API server of {cluster} does not say who you are", f"fleet cluster check {cluster}"
        )
    return Identity(user.username, "kubernetes", cluster), user.groups


async def _ask(source: KubeconfigSource) -> UserInfo:
    async with source.api_server() as cluster:
        return await who_am_i(cluster.transport)
