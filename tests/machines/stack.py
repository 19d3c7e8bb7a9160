"""Six hosts, three of which are the control plane with stacked etcd, with fleet and a workload; one set for several modules,
since it takes a minute or two to come up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.quorum import Writer
from fleet.core.quorum.groups import EtcdAccess
from fleet.lab.machines import LabMachines
from fleet.lab.machines.manifests import ETCD_PORT
from fleet.lab.machines.stacked import ROLE, Stacked
from tests.machines.host import powered
from tests.machines.voters import Reader, Voters
from tests.machines.workload import Environment, begin, with_workload

MEMBERS = ("cp1", "cp2", "cp3")
WORKERS = ("w1", "w2", "w3")

CONTROL = f"""\
  - name: control
    selector: {{matchExpressions: [{{key: {ROLE}, operator: Exists}}]}}
    # As far as this goes, all at once.
    limits: {{max_unavailable: {len(MEMBERS)}}}
"""
QUORUMS = """\
quorums:
  # No endpoints: they are found.
  - name: etcd
    cluster: shop
    kind: etcd
    ca: {ca}
    cert: {cert}
    key: {key}
    soak: 1s
    snapshot: {{directory: snapshots}}
  - name: api
    cluster: shop
    kind: pods
    namespace: kube-system
    selector: {{matchLabels: {{component: kube-apiserver}}}}
    voters: 3
    soak: 1s
"""


@dataclass(frozen=True)
class Stack:
    machines: LabMachines
    control: Stacked
    testbed: Environment

    @property
    def endpoints(self) -> dict[str, str]:
        """Of each etcd member, by its name."""
        found = [each for each in self.machines.all if each.name in MEMBERS]
        return {each.name: f"https://{each.address}:{ETCD_PORT}" for each in found}

    def voters(self) -> Voters:
        return Voters(self.endpoints, self.control.certificates)

    def writer(self) -> Writer:
        return Writer(access(self.control, tuple(self.endpoints.values())))

    def reader(self) -> Reader:
        return Reader(self.control.kubeconfig)


def access(control: Stacked, endpoints: tuple[str, ...] = ()) -> EtcdAccess:
    issued = control.certificates
    pair = issued.etcd_client
    return EtcdAccess(endpoints, str(issued.etcd_authority), str(pair.certificate), str(pair.key))


@contextmanager
def stack_in(folder: Path) -> Iterator[Stack]:
    with _control_plane_in(folder) as (machines, control):
        files = access(control)
        quorums = QUORUMS.format(ca=files.ca, cert=files.cert, key=files.key)
        testbed = begin(machines, control.kubeconfig, folder / "home", quorums, CONTROL)
        yield Stack(machines, control, testbed)


@contextmanager
def bare_stack_in(folder: Path) -> Iterator[Stack]:
    """The same, without fleet."""
    with _control_plane_in(folder) as (machines, control):
        yield Stack(machines, control, with_workload(machines, control.kubeconfig, folder / "home"))


@contextmanager
def _control_plane_in(folder: Path) -> Iterator[tuple[LabMachines, Stacked]]:
    with powered(folder / "m", (*MEMBERS, *WORKERS)) as machines:
        control = Stacked.up(folder / "lab", machines, MEMBERS, tied=True, progress=print)
        try:
            yield machines, control
        finally:
            control.down()
