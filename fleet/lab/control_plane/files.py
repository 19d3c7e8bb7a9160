"""The programs of a control plane, and the files, ports and addresses that they share."""

from __future__ import annotations

from pathlib import Path

import msgspec

from fleet.lab import nodes
from fleet.lab.build import Binaries
from fleet.lab.control_plane.certificates import Certificates
from fleet.lab.control_plane.ports import Ports

ETCD = "etcd"
API_SERVER = "kube-apiserver"
CONTROLLER_MANAGER = "kube-controller-manager"
SCHEDULER = "kube-scheduler"
KWOK = "kwok"
BALANCER = "balancer"
"""The load balancer in front of several API servers."""


class ControlPlaneFiles(msgspec.Struct, frozen=True):
    """The files, ports and addresses of one lab, from which the arguments of its programs are made."""

    directory: Path
    binaries: Binaries
    certificates: Certificates
    ports: Ports
    address: str = "127.0.0.1"
    """The address on which the API server listens; all other programs of the control plane listen on the loopback
    address."""
    host: int | None = None
    """The number of a host of the control plane, whose own API server and etcd are then meant. None: the addresses are
    those for users."""

    @property
    def server(self) -> str:
        """Returns the API server's address, or the load balancer's where there are several."""
        balanced = self.host is None and self.balanced
        port = self.ports.balancer if balanced else self.ports.hosts[self.host or 0].api_server
        return f"https://{self.address}:{port}"

    @property
    def etcd(self) -> str:
        """Returns etcd's address for clients; with several members, that of the first."""
        return f"https://127.0.0.1:{self.ports.hosts[self.host or 0].etcd}"

    @property
    def balanced(self) -> bool:
        """Returns whether the control plane has several hosts."""
        return len(self.ports.hosts) > 1

    @property
    def etcds(self) -> tuple[str, ...]:
        """Returns the etcd programs, one on each host."""
        return tuple(on_host(ETCD, index) for index in range(len(self.ports.hosts)))

    @property
    def api_servers(self) -> tuple[str, ...]:
        """Returns the API server programs, one on each host."""
        return tuple(on_host(API_SERVER, index) for index in range(len(self.ports.hosts)))

    @property
    def rest(self) -> tuple[str, ...]:
        """Returns the programs that exist once, and on no host that reboots."""
        return (CONTROLLER_MANAGER, SCHEDULER, KWOK)

    @property
    def programs(self) -> tuple[str, ...]:
        """Returns all programs in the order in which they start. They stop in reverse order, because an API server
        whose etcd has gone does not end."""
        return (*self.etcds, *self.api_servers, *([BALANCER] if self.balanced else []), *self.rest)

    def member(self, host: int) -> str:
        """Returns the name of the etcd member on that host: with several, each is named as a node of the control
        plane."""
        return nodes.name(host + 1) if self.balanced else "lab"

    @property
    def kubeconfig(self) -> Path:
        """Returns the path of the administrator's kubeconfig."""
        return self.directory / "kubeconfig"

    def log(self, program: str) -> Path:
        """Returns the path of a program's log."""
        return self.directory / "logs" / f"{program}.log"

    def program_kubeconfig(self, program: str) -> Path:
        """Returns the path of the kubeconfig with which the program calls the API server."""
        return self.directory / f"{program}.kubeconfig"

    @property
    def scheduler_configuration(self) -> Path:
        """Returns the path of the scheduler's configuration."""
        return self.directory / "scheduler.yaml"

    def placed(self, program: str) -> tuple[str, ControlPlaneFiles]:
        """Returns the kind of a program, and the layout from the point of view of its host."""
        for kind in (ETCD, API_SERVER):
            for host in range(len(self.ports.hosts)):
                if program == on_host(kind, host):
                    return kind, msgspec.structs.replace(self, host=host)
        return program, self


def on_host(program: str, host: int) -> str:
    """Returns the name of the program of that kind on that host."""
    return f"{program}-{host + 1}" if host else program
