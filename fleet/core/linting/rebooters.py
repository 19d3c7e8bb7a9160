"""Recognizes other programs that reboot nodes and run in the cluster as pods, by the owners of the pods and by their
labels.

Names and labels are those of the programs' own manifests and charts. A program whose name and labels were both changed
is not recognized here; kured and Flatcar's agent are then still noticed on the machine
(`machines/competing_updaters.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct

from fleet.core.cluster.snapshot import Snapshot
from fleet.core.objects.pod import Owner, Pod
from fleet.core.text.counts import counted
from fleet.core.third_parties.parties import PARTIES
from fleet.core.third_parties.party import Program
from fleet.core.third_parties.update_parties import PLAN_CONTROLLER

PROGRAMS = {party.name: party.program for party in PARTIES if party.program is not None}
"""The programs, by name of the party."""


class Rebooter(Struct, frozen=True):
    """One of these programs, as installed in a cluster."""

    name: str
    """The name of a party of PARTIES."""
    workloads: tuple[str, ...]
    """The program's workloads, such as `DaemonSet kube-system/kured`."""
    nodes: int = 0
    """The number of nodes that the program works on: nodes with its pods, or with pods of its Jobs that have not
    ended."""

    @property
    def message(self) -> str:
        """Returns one line for a user, without the program's name."""
        program = PROGRAMS[self.name]
        nodes = counted(self.nodes, "node")
        template = program.does if self.nodes else program.nowhere
        return template.format(workloads=", ".join(self.workloads), nodes=nodes)

    @property
    def remedy(self) -> str:
        return PROGRAMS[self.name].remedy


def rebooters(snapshot: Snapshot) -> tuple[Rebooter, ...]:
    """Returns the programs with a pod that has not ended, by name."""
    owners = {
        (workload.kind, workload.namespace, workload.name): workload.owner
        for workload in snapshot.workloads
        if workload.owner is not None
    }
    pods_of: dict[str, list[Pod]] = {}
    for pod in snapshot.pods:
        if (name := _program_of(pod)) and not pod.finished:
            pods_of.setdefault(name, []).append(pod)
    return tuple(_rebooter(name, pods, owners) for name, pods in sorted(pods_of.items()))


def _program_of(pod: Pod) -> str:
    """Returns the name of the program that the pod belongs to. Empty: the pod belongs to none of them."""
    owner = pod.owner
    if owner is None:
        return ""
    if owner.kind == "Job":
        key, value = PLAN_CONTROLLER
        return value if pod.labels.get(key) == value else ""
    for name, program in PROGRAMS.items():
        if program.owner == owner.kind and _belongs_to(program, owner, pod):
            return name
    return ""


def _belongs_to(program: Program, owner: Owner, pod: Pod) -> bool:
    return owner.name in program.names or not program.labels.isdisjoint(pod.labels.items())


def _rebooter(name: str, pods: Iterable[Pod], owners: Mapping[tuple[str, str, str], Owner]) -> Rebooter:
    workloads, nodes = set(), set()
    for pod in pods:
        assert pod.owner is not None
        if pod.owner.kind != "ReplicaSet":
            nodes.add(pod.node)
        top = owners.get((pod.owner.kind, pod.namespace, pod.owner.name), pod.owner)
        workloads.add(f"{top.kind} {pod.namespace}/{top.name}")
    return Rebooter(name, tuple(sorted(workloads)), len(nodes - {""}))
