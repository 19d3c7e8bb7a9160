"""The interface of a kind of cluster: how its clusters are connected to, read, checked and asked."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, Protocol

from msgspec import Struct

from fleet.core.objects.machine import LogAsk
from fleet.core.policy.policy import Policy

if TYPE_CHECKING:
    from fleet.core.cluster.snapshot import Snapshot
    from fleet.drivers.pipeline import ClusterPipeline
    from fleet.kube.cluster import KubeCluster


class Inspection(Struct, frozen=True):
    """The result of a thorough check of a cluster: its objects, and the permissions that fleet lacks there."""

    snapshot: Snapshot
    missing_rules: tuple[str, ...] = ()
    """RBAC rules that fleet needs and does not have, as text."""
    unread: dict[str, str] = {}
    """Kinds of objects that could not be read and that fleet can do without, and why."""
    uid: str = ""
    """UID of the namespace kube-system: the identity of the cluster. Empty: unknown."""
    unreached: dict[str, str] = {}
    """Hosts without a cluster that were not reached, and why."""


class ClaimResult(Struct, frozen=True):
    """The result of claiming one host."""

    message: str
    claimed: bool = True
    """True if the host belongs to this fleet now."""


HostClaimer = Callable[[], Coroutine[Any, Any, dict[str, ClaimResult]]]


class ClusterSource(Protocol):
    """One cluster of the fleet, connected to in the way of its kind. Nothing is connected before the first call.

    Every call raises UnreachableError, or another FleetError, where the cluster gives no usable answer.
    """

    simulated: bool
    """True if the cluster is a model, without real machines."""
    hosts_alone: bool
    """True if its nodes are hosts that belong to no Kubernetes cluster."""

    async def connect(self) -> ClusterPipeline:
        """Returns the cluster as a driver sees it. The caller closes it."""
        ...

    async def read(self, policy: Policy) -> Snapshot:
        """Returns the objects in the cluster now, with its quorum groups."""
        ...

    async def inspect(self, policy: Policy) -> Inspection:
        """Reads the cluster and finds which permissions fleet lacks there.

        Raises ForbiddenError where fleet may not list nodes or pods.
        """
        ...

    async def boot_log(self, node: str, ask: LogAsk, seconds: float) -> str:
        """Returns the log of the node's previous boot. `seconds` is how long an agent has for its answer.

        Raises UnreachableError where there is no answer, FleetError where the machine has no such log.
        """
        ...

    def claimer(self) -> HostClaimer:
        """Returns a function that claims every host for this fleet, whichever fleet has it, and returns the result by
        host.

        Raises UsageError where a Lease in the cluster already names the owner.
        """
        ...

    def api_server(self) -> AbstractAsyncContextManager[KubeCluster]:
        """Opens the cluster's API server. Raises UsageError where there is none."""
        ...

    def ensure_tools(self, policy: Policy) -> None:
        """Raises UsageError where the policy needs a program for this cluster that is not installed here."""
        ...
