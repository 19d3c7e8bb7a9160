"""One cluster at one moment: what a planner starts from, and what a dump or a sync brings."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from fleet.core.budget import Budget
from fleet.core.machine import Machine
from fleet.core.node import Node
from fleet.core.pod import Pod
from fleet.core.quorum import Quorum
from fleet.core.volumes import PersistentVolume, PersistentVolumeClaim
from fleet.core.workload import Workload


class Snapshot(Struct, frozen=True):
    cluster: str
    site: str
    at: datetime
    server_version: str = ""
    nodes: tuple[Node, ...] = ()
    pods: tuple[Pod, ...] = ()
    budgets: tuple[Budget, ...] = ()
    workloads: tuple[Workload, ...] = ()
    machines: tuple[Machine, ...] = ()
    quorums: tuple[Quorum, ...] = ()
    volumes: tuple[PersistentVolume, ...] = ()
    claims: tuple[PersistentVolumeClaim, ...] = ()
