"""Plans from a dump of a cluster, without access to the cluster."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from msgspec.structs import replace

from fleet.app.planning.plan import GREEDY, PlanExtras, find_release, planned_path, the_pool
from fleet.app.wiring.files import write_whole
from fleet.app.wiring.home import Home
from fleet.app.wiring.quorums import by_pods
from fleet.app.wiring.sources.registry import source_of
from fleet.app.wiring.sources.source import ClusterSource
from fleet.core.cluster.snapshot import Snapshot
from fleet.core.cluster.version_skew import minor_of
from fleet.core.objects.machine import Machine
from fleet.core.objects.node import Node, NodeRef
from fleet.core.planning.estimates import TIMED_KINDS, DurationEstimates, measured
from fleet.core.planning.plan import Plan
from fleet.core.policy.policy import Policy
from fleet.core.records.errors import UsageError
from fleet.core.releases.osimage import release_in
from fleet.core.releases.release import Release
from fleet.system.given_file import given_file, shown_name, stem

LARGEST = 2 << 30
"""The size of the largest dump that is read, in bytes."""
HOW = "kubectl get nodes,pods,poddisruptionbudgets,deployments,replicasets,statefulsets,daemonsets -A -o json > FILE"


def plan_of_dump(
    home: Home, pools: Sequence[str], version: str, path: Path, beyond: PlanExtras = GREEDY, cluster: str = ""
) -> Plan:
    """Plans for a dump, by the home's policy. `cluster` is the policy's name for the dump's cluster; the default is
    the file's name. The plan is not kept: it cannot be started.

    A node without a Machine in the dump is assumed to run the release that its osImage names, and to have an agent.
    Raises UsageError for a file that is no dump, and for names that the policy does not know.
    """
    from fleet.planner.planner import make_plan
    from fleet.planner.request import PlanRequest

    policy = home.policy()
    pools = pools or the_pool(policy)
    release = find_release(policy, pools, version)
    snapshot = dump_of(home, path, policy, cluster)
    times = _times(home)
    now, whole = home.now(), [with_machines(snapshot, policy)]

    request = PlanRequest("", whole, policy, pools, release, now, times)
    return planned_path(request, make_plan, beyond)


def _times(home: Home) -> DurationEstimates:
    """Returns the durations measured in the home's journal; without a database the defaults, and no database is
    made."""
    store = home.store_if_any
    if store is None:
        return DurationEstimates()
    known = store.inventory.nodes()
    systems = {NodeRef(node.cluster, node.name): node.machine.os for node in known if node.machine}
    return measured(store.journal.entries(kinds=TIMED_KINDS), systems)


def dump_of(home: Home, path: Path, policy: Policy, cluster: str = "") -> Snapshot:
    """Reads a dump, with the quorum groups that its pods show. `cluster` is its name; the default is the file's name.
    Raises UsageError for a file that is no dump, or has no nodes, and for a pipe without a name."""
    from fleet.kube.watch.dump_file import of_dump

    name = cluster or stem(path, "--cluster NAME")
    data = given_file(path, LARGEST, f"make one with: {HOW}").content
    snapshot = of_dump(data, name, "", home.now())
    if not snapshot.nodes:
        raise UsageError(f"{shown_name(path)} has no nodes in it", f"make one with: {HOW}")
    return by_pods(replace(snapshot, server_version=_least_version(snapshot)), policy)


def _least_version(snapshot: Snapshot) -> str:
    """Returns the version of the newest kubelet, since the API server cannot be older; empty where API servers run as
    pods, which show their version, and where no kubelet shows its own."""
    if any(pod.api_server for pod in snapshot.pods):
        return ""
    known = {minor: node.kubelet for node in snapshot.nodes if (minor := minor_of(node.kubelet)) is not None}
    return known[max(known)] if known else ""


def save_dump(home: Home, name: str, path: Path) -> int:
    """Writes the objects of a live cluster that a plan needs, without secrets, and returns the size in bytes.

    `name` may be empty where there is only one cluster. Raises UsageError, and FleetError where the cluster does not
    answer.
    """
    data = _dumped(source_of(home, home.cluster(name)))
    try:
        write_whole(path, data)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from None
    return len(data)


def _dumped(source: ClusterSource) -> bytes:
    """Reads the live cluster as a dump. Raises UsageError where it has no API server, FleetError where the server does
    not answer."""
    from fleet.kube.watch.dump import dump
    from fleet.system.event_loop import result_of

    async def work() -> bytes:
        async with source.api_server() as cluster:
            return await dump(cluster.transport)

    return result_of(work())


def with_machines(snapshot: Snapshot, policy: Policy) -> Snapshot:
    """Returns the snapshot with a Machine that has reported for every node."""
    known = {machine.name: machine for machine in snapshot.machines}
    made = (known.get(node.name) or _machine(node, policy) for node in snapshot.nodes)
    return replace(snapshot, machines=tuple(replace(machine, reported=True) for machine in made))


def _machine(node: Node, policy: Policy) -> Machine:
    releases = (release for stream in policy.streams for release in stream.releases)
    booted = release_in(node.os_image, releases) or Release(node.os_image or "unknown")
    return Machine(node.name, booted=booted, boot_id=node.boot_id, kernel=node.kernel)
