"""Kubernetes clusters that are reached by a kubeconfig, or by the service account of fleet's own pod."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from fleet.app.wiring.home import Home
from fleet.app.wiring.sources.source import HostClaimer, Inspection
from fleet.core.objects.machine import LogAsk
from fleet.core.policy.hooks.job_namespaces import job_namespaces
from fleet.core.policy.policy import Policy
from fleet.core.records.errors import FleetError, ForbiddenError, UsageError
from fleet.core.text.paths import expanded
from fleet.system.clock import WallClock

if TYPE_CHECKING:
    from fleet.core.cluster.snapshot import Snapshot
    from fleet.drivers.pipeline import ClusterPipeline
    from fleet.kube.cluster import KubeCluster
    from fleet.kube.objects.permissions import Permission
    from fleet.store import ClusterRow


class KubeconfigSource:
    simulated = False
    hosts_alone = False

    def __init__(self, home: Home, row: ClusterRow) -> None:
        self._home, self._row = home, row

    async def connect(self) -> ClusterPipeline:
        from fleet.app.wiring.quorums import guarded

        policy = self._home.policy_if_any()
        return guarded(_cluster(self._row), self._row.site, policy, self._home.played)

    async def read(self, policy: Policy) -> Snapshot:
        from fleet.app.wiring.quorums import with_quorums

        async with self.api_server() as cluster:
            reading = await cluster.read(self._row.site, self._home.now())
            return await with_quorums(reading.snapshot, cluster, policy)

    async def inspect(self, policy: Policy) -> Inspection:
        """Reads the cluster before it is added, and finds which permissions fleet lacks there. Raises ForbiddenError
        where fleet may not list nodes or pods."""
        from fleet.app.wiring.quorums import with_quorums

        async with self.api_server() as cluster:
            jobs = job_namespaces(policy, self._row.name)
            missing = await cluster.forbidden(policy.remote, jobs, self._row.in_pod)
            unreadable = [
                rule for rule in missing if rule.resource in ("nodes", "pods") and "list" in rule.verbs
            ]
            if unreadable:
                raise ForbiddenError(
                    f"{self._row.name} does not let fleet list {' and '.join(rule.resource for rule in unreadable)}",
                    "; ".join(rule_name(rule) for rule in unreadable),
                )
            reading = await cluster.read(self._row.site, self._home.now())
            return Inspection(
                await with_quorums(reading.snapshot, cluster, policy),
                tuple(f"{rule_name(rule)}: {rule.why}" for rule in missing),
                dict(reading.missing),
                await cluster_uid(cluster),
            )

    async def boot_log(self, node: str, ask: LogAsk, seconds: float) -> str:
        async with self.api_server() as cluster:
            return await cluster.log(node, ask, seconds)

    def claimer(self) -> HostClaimer:
        raise UsageError(
            f"{self._row.name} is a Kubernetes cluster: its Lease names its owner",
            f"fleet cluster check {self._row.name}",
        )

    @asynccontextmanager
    async def api_server(self) -> AsyncIterator[KubeCluster]:
        cluster = _cluster(self._row)
        try:
            yield cluster
        finally:
            await cluster.close()

    def ensure_tools(self, policy: Policy) -> None:
        from fleet.machines.ansible.play import refuse_without

        if "playbook" in policy.reaches or policy.plays_hooks:
            refuse_without()


def new_row(name: str, kubeconfig: Path | None, context: str, sites: Sequence[str]) -> ClusterRow:
    """Returns the row of a cluster to add. With `kubeconfig` None, the files that kubectl reads are used: KUBECONFIG
    or ~/.kube/config.

    The row keeps the files' absolute paths and the context's name, so that a later change of the current context does
    not make this another cluster. Raises UsageError where there is no kubeconfig.
    """
    from fleet.kube.kubeconfig import contexts
    from fleet.store import ClusterRow

    files = kubeconfig_files(kubeconfig)
    if kubeconfig is None and not any(file.exists() for file in files):
        raise UsageError(
            f"how is {name} reached? There is no kubeconfig at {' or '.join(map(str, files))}",
            "--kubeconfig FILE (and --context), KUBECONFIG in the environment, or --hosts FILE",
        )
    used = contexts.read(files, context).context
    return ClusterRow(name=name, sites=tuple(sites), kubeconfig="\n".join(map(str, files)), context=used)


def kubeconfig_files(kubeconfig: Path | None) -> tuple[Path, ...]:
    """Returns the absolute path of this file; with None those that kubectl reads: of KUBECONFIG, or ~/.kube/config."""
    from fleet.kube.kubeconfig import contexts

    if kubeconfig is not None:
        return (expanded(kubeconfig).absolute(),)
    return contexts.of_environment(os.environ, Path.home())


def rule_name(permission: Permission) -> str:
    """Returns an RBAC rule as text: `list, watch pods.policy in namespace fleet-system`, `get namespaces kube-system`,
    `get /readyz/etcd`."""
    group = f".{permission.group}" if permission.group else ""
    place = f" in namespace {permission.namespace}" if permission.namespace else ""
    name = f" {permission.name}" if permission.name else ""
    return f"{', '.join(permission.verbs)} {permission.url or permission.resource}{group}{name}{place}"


def _cluster(row: ClusterRow) -> KubeCluster:
    from fleet.kube.client.credentials import CredentialSource
    from fleet.kube.cluster import KubeCluster

    if row.in_pod:
        return KubeCluster(row.name, CredentialSource(), WallClock())
    first, *others = row.files
    return KubeCluster(row.name, CredentialSource(first, row.context, tuple(others)), WallClock())


async def uid_of(home: Home, row: ClusterRow) -> str:
    """Returns the UID of the cluster's namespace kube-system, as `cluster_uid`. Raises FleetError where the cluster does
    not answer."""
    async with KubeconfigSource(home, row).api_server() as cluster:
        return await cluster_uid(cluster)


async def cluster_uid(cluster: KubeCluster) -> str:
    """Returns the UID of the namespace kube-system; empty where fleet may not read the namespace."""
    from fleet.core.text.untrusted import UnreadableError, decode
    from fleet.kube.objects.errors import ApiRequest
    from fleet.kube.objects.wire import ObjectWire

    path = "/api/v1/namespaces/kube-system"
    try:
        body = await cluster.transport.call(ApiRequest(verb="get", path=path, resource="namespaces"))
    except ForbiddenError:
        return ""
    try:
        return decode(body, ObjectWire).metadata.uid
    except UnreadableError as error:
        raise FleetError(f"the namespace kube-system cannot be read: {error}") from None
