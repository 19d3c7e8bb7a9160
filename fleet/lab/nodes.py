"""Fake nodes: Node objects that look like machines of an immutable OS and that kwok keeps alive."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import msgspec

from fleet.lab.errors import LabError
from fleet.lab.objects import AT_A_TIME, SECONDS, errors_of_lab

POOL_LABEL = "fleet.internal/pool"
ZONE_LABEL = "topology.kubernetes.io/zone"
CONTROL_POOL = "control"
"""Nodes of this pool get the control plane's role and its taint."""

DEFAULT_POOLS: Mapping[str, int] = {"workers": 4, "storage": 1}
DEFAULT_ZONES = ("a", "b", "c")
DEFAULT_VERSION = "44.20261015.3.0"
DEFAULT_KERNEL = "6.11.4"
OS_NAME = "Simulated OS"

READY_SECONDS = 120.0
_POLL_SECONDS = 0.2


def name(number: int) -> str:
    """Returns the name of the node with that number; numbers begin at 1."""
    return f"n-{number:04d}"


class FakeNodeSpec(msgspec.Struct, frozen=True):
    """One fake node to create: `number` determines its name (n-0001) and its addresses."""

    number: int
    pool: str
    zone: str
    version: str
    kernel: str
    kubelet: str

    @property
    def name(self) -> str:
        return name(self.number)


class NodeCount(msgspec.Struct, frozen=True):
    """The number of nodes in the API server, and of those that are Ready."""

    total: int
    ready: int


class _Condition(msgspec.Struct, frozen=True):
    type: str
    status: str


class _Status(msgspec.Struct, frozen=True):
    conditions: tuple[_Condition, ...] = ()


class _Metadata(msgspec.Struct, frozen=True):
    name: str


class _Node(msgspec.Struct, frozen=True):
    metadata: _Metadata
    status: _Status = _Status()

    @property
    def is_ready(self) -> bool:
        return any(c.type == "Ready" and c.status == "True" for c in self.status.conditions)


class _NodeList(msgspec.Struct, frozen=True):
    items: tuple[_Node, ...]


def machines(
    first: int,
    count: int,
    *,
    pools: Mapping[str, int],
    zones: Sequence[str],
    version: str,
    kernel: str,
    kubelet: str,
) -> tuple[FakeNodeSpec, ...]:
    """Returns `count` machines numbered from `first`: pools in blocks by their weights, zones in turn within each
    pool.

    Raises LabError where there is no zone, no pool, or a weight below zero.
    """
    if not zones or not pools or min(pools.values()) < 0 or sum(pools.values()) == 0:
        raise LabError("nodes need at least one zone, and pools with weights of which one is above 0")
    result: list[FakeNodeSpec] = []
    for pool, size in _shares(count, pools).items():
        for index in range(size):
            zone = zones[index % len(zones)]
            result.append(FakeNodeSpec(first + len(result), pool, zone, version, kernel, kubelet))
    return tuple(result)


def _shares(count: int, weights: Mapping[str, int]) -> dict[str, int]:
    """Returns `count` split in proportion to the weights; what rounding leaves goes to the largest remainders."""
    total = sum(weights.values())
    shares = {name: count * weight // total for name, weight in weights.items()}
    remainders = sorted(weights, key=lambda name: (-(count * weights[name] % total), name))
    for name in remainders[: count - sum(shares.values())]:
        shares[name] += 1
    return shares


def manifest(machine: FakeNodeSpec) -> dict[str, object]:
    """Returns the Node object of a machine that has just been installed."""
    is_control = machine.pool == CONTROL_POOL
    high, low = divmod(machine.number, 250)
    labels = {
        "kubernetes.io/hostname": machine.name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        ZONE_LABEL: machine.zone,
        POOL_LABEL: machine.pool,
    }
    spec: dict[str, object] = {
        "podCIDR": f"10.{64 + high}.{low}.0/24",
        "podCIDRs": [f"10.{64 + high}.{low}.0/24"],
    }
    if is_control:
        labels["node-role.kubernetes.io/control-plane"] = ""
        spec["taints"] = [{"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}]
    resources = {"cpu": "8", "memory": "32Gi", "pods": "110", "ephemeral-storage": "100Gi"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": machine.name, "labels": labels, "annotations": {"kwok.x-k8s.io/node": "fake"}},
        "spec": spec,
        "status": {
            "addresses": [
                {"type": "InternalIP", "address": f"10.32.{high}.{low + 1}"},
                {"type": "Hostname", "address": machine.name},
            ],
            "capacity": resources,
            "allocatable": resources,
            "nodeInfo": {
                "architecture": "amd64",
                "operatingSystem": "linux",
                "osImage": f"{OS_NAME} {machine.version}",
                "kernelVersion": machine.kernel,
                "kubeletVersion": machine.kubelet,
                "kubeProxyVersion": "",
                "containerRuntimeVersion": "containerd://2.4.2",
                "bootID": str(uuid4()),
                "machineID": uuid4().hex,
                "systemUUID": str(uuid4()),
            },
        },
    }


def create(api: Any, wanted: Sequence[FakeNodeSpec]) -> None:
    """Creates the Node objects, several at once. `api` is made by `objects.core_api`. Raises LabError where the API
    server refuses one."""

    def create_one(machine: FakeNodeSpec) -> None:
        with errors_of_lab(f"node {machine.name} was not created"):
            api.create_node(manifest(machine), _request_timeout=SECONDS, _preload_content=False)

    with ThreadPoolExecutor(AT_A_TIME) as pool:
        list(pool.map(create_one, wanted))


def next_number(api: Any) -> int:
    """Returns the first number after those of the lab's existing nodes."""
    numbers = [node.metadata.name.removeprefix("n-") for node in _list(api)]
    return max((int(number) for number in numbers if number.isdigit()), default=0) + 1


def count(api: Any) -> NodeCount:
    """Returns how many nodes there are and how many are Ready. Raises LabError where the API server does not
    answer."""
    nodes = _list(api)
    return NodeCount(len(nodes), sum(node.is_ready for node in nodes))


def wait_until_ready(api: Any, names: Sequence[str], still_running: Callable[[], None]) -> None:
    """Returns when all these nodes are Ready. `still_running` is called while waiting, and raises if a program has
    ended."""
    deadline = time.monotonic() + READY_SECONDS
    while True:
        missing = set(names) - {node.metadata.name for node in _list(api) if node.is_ready}
        if not missing:
            return
        still_running()
        if time.monotonic() > deadline:
            names_shown = ", ".join(sorted(missing)[:5])
            raise LabError(f"{len(missing)} nodes are not Ready after {READY_SECONDS:.0f} s: {names_shown}")
        time.sleep(_POLL_SECONDS)  # noqa: TID251 - between two looks at the condition


def _list(api: Any) -> tuple[_Node, ...]:
    """Returns the nodes, decoded here: the client's own models of a thousand nodes take seconds."""
    with errors_of_lab("the lab's nodes cannot be listed"):
        response = api.list_node(_request_timeout=SECONDS, _preload_content=False)
    return msgspec.json.decode(response.data, type=_NodeList).items
