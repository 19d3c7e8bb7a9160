"""The lab's programs: their names, arguments, and readiness checks."""

from __future__ import annotations

import http.client
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
import yaml

from fleet.lab import nodes
from fleet.lab.build import Binaries
from fleet.lab.control_plane import kubeconfig
from fleet.lab.control_plane.api import Api
from fleet.lab.control_plane.certificates import SERVICE_NETWORK, Certificates, KeyPair
from fleet.lab.control_plane.ports import Ports
from fleet.lab.errors import LabError
from fleet.lab.process import Process, last_lines

ETCD = "etcd"
API_SERVER = "kube-apiserver"
CONTROLLER_MANAGER = "kube-controller-manager"
SCHEDULER = "kube-scheduler"
KWOK = "kwok"
BALANCER = "balancer"
"""The load balancer in front of several API servers."""

NAME = "fleet-lab"
"""The name of the context, cluster and user in the lab's kubeconfig."""

READY_SECONDS = 120.0
"""Seconds until a program must be ready. The timeout is generous: a busy two-core machine takes ten seconds, and a
shorter timeout has no advantage."""

NODE_GRACE_SECONDS = 600
"""Seconds without a renewed lease after which the controller manager marks a node as Unknown. kwok renews leases four
times as often."""

HOST_GRACE_SECONDS = 50
"""The same in a lab that real hosts join: Kubernetes' default."""

_POLL_SECONDS = 0.05
_STAGES = Path(__file__).parent / "stages.yaml"

Arguments = Mapping[str, str | int | Path]


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


def on_host(program: str, host: int) -> str:
    """Returns the name of the program of that kind on that host."""
    return f"{program}-{host + 1}" if host else program


def _placed(program: str, layout: ControlPlaneFiles) -> tuple[str, ControlPlaneFiles]:
    """Returns the kind of a program, and the layout from the point of view of its host."""
    for kind in (ETCD, API_SERVER):
        for host in range(len(layout.ports.hosts)):
            if program == on_host(kind, host):
                return kind, msgspec.structs.replace(layout, host=host)
    return program, layout


def write_files(layout: ControlPlaneFiles) -> None:
    """Writes the kubeconfigs and the scheduler's configuration."""
    certificates = layout.certificates
    clients: dict[Path, KeyPair] = {
        layout.kubeconfig: certificates.admin,
        layout.program_kubeconfig(CONTROLLER_MANAGER): certificates.controller_manager,
        layout.program_kubeconfig(SCHEDULER): certificates.scheduler,
        layout.program_kubeconfig(KWOK): certificates.kwok,
    }
    for path, client in clients.items():
        kubeconfig.write(
            path, name=NAME, server=layout.server, authority=certificates.authority, client=client
        )
    layout.log("").parent.mkdir(exist_ok=True)
    _scheduler_file(layout).write_text(yaml.safe_dump(_scheduler_configuration(layout), sort_keys=False))


def start(program: str, layout: ControlPlaneFiles, *, tied: bool) -> Process:
    """Starts one program and returns at once. Raises LabError."""
    kind, seen = _placed(program, layout)
    commands: Mapping[str, list[str | Path]] = {
        KWOK: [layout.binaries.kwok],
        BALANCER: [sys.executable, "-P", "-m", "fleet.lab.control_plane.balancer"],
    }
    command = commands.get(kind) or [layout.binaries.controlplane, kind]
    command += [f"--{name}={value}" for name, value in _ARGUMENTS[kind](seen).items()]
    return Process.start(program, command, layout.log(program), tied=tied)


def arguments(kind: str, layout: ControlPlaneFiles) -> dict[str, str | int | Path]:
    """Returns the arguments of a program of this kind, by the names of its flags."""
    return dict(_ARGUMENTS[kind](layout))


def wait_until_ready(process: Process, layout: ControlPlaneFiles) -> None:
    """Returns when the program is ready. Raises LabError with the end of its log where it does not become ready."""
    name = process.record.name
    kind, seen = _placed(name, layout)
    is_ready = _READY[kind]
    deadline = time.monotonic() + READY_SECONDS
    while True:
        process.check()
        try:
            if is_ready(seen):
                return
        except (OSError, http.client.HTTPException):
            pass  # nothing listens yet
        if time.monotonic() > deadline:
            log = layout.log(name)
            raise LabError(
                f"{name} is not ready after {READY_SECONDS:.0f} s:\n{last_lines(log)}", f"its log is {log}"
            )
        time.sleep(_POLL_SECONDS)  # noqa: TID251 - between two looks at the condition


def _etcd_arguments(layout: ControlPlaneFiles) -> Arguments:
    certificates = layout.certificates
    host = layout.host or 0
    peers = [f"https://127.0.0.1:{each.etcd_peer}" for each in layout.ports.hosts]
    peer = peers[host]
    cluster = ",".join(f"{layout.member(index)}={url}" for index, url in enumerate(peers))
    return {
        "name": layout.member(host),
        "data-dir": layout.directory / "etcd" / layout.member(host),
        "listen-client-urls": layout.etcd,
        "advertise-client-urls": layout.etcd,
        "listen-peer-urls": peer,
        "initial-advertise-peer-urls": peer,
        "initial-cluster": cluster,
        "client-cert-auth": "true",
        "trusted-ca-file": certificates.etcd_authority,
        "cert-file": certificates.etcd_server.certificate,
        "key-file": certificates.etcd_server.key,
        "peer-client-cert-auth": "true",
        "peer-trusted-ca-file": certificates.etcd_authority,
        "peer-cert-file": certificates.etcd_peer.certificate,
        "peer-key-file": certificates.etcd_peer.key,
        "unsafe-no-fsync": "true",
        "quota-backend-bytes": 4 << 30,
        "log-level": "warn",
    }


def _api_server_arguments(layout: ControlPlaneFiles) -> Arguments:
    certificates = layout.certificates
    return {
        "bind-address": layout.address,
        "advertise-address": layout.address,
        "secure-port": layout.ports.hosts[layout.host or 0].api_server,
        # The kubernetes Service would get a loopback address, which its validation refuses.
        "endpoint-reconciler-type": "none",
        "tls-cert-file": certificates.api_server.certificate,
        "tls-private-key-file": certificates.api_server.key,
        "client-ca-file": certificates.authority,
        "kubelet-certificate-authority": certificates.authority,
        "kubelet-client-certificate": certificates.kubelet_client.certificate,
        "kubelet-client-key": certificates.kubelet_client.key,
        "kubelet-preferred-address-types": "InternalIP",
        "etcd-servers": layout.etcd,
        "etcd-cafile": certificates.etcd_authority,
        "etcd-certfile": certificates.etcd_client.certificate,
        "etcd-keyfile": certificates.etcd_client.key,
        "authorization-mode": "Node,RBAC",
        # As in kubeadm: agents on real hosts are privileged.
        "allow-privileged": "true",
        "enable-admission-plugins": "NodeRestriction",
        "service-account-issuer": "https://kubernetes.default.svc",
        "service-account-key-file": certificates.service_accounts_public_key,
        "service-account-signing-key-file": certificates.service_accounts_key,
        "service-cluster-ip-range": SERVICE_NETWORK,
        "proxy-client-cert-file": certificates.front_proxy.certificate,
        "proxy-client-key-file": certificates.front_proxy.key,
        "requestheader-client-ca-file": certificates.front_proxy_authority,
        "requestheader-allowed-names": "front-proxy-client",
        "requestheader-extra-headers-prefix": "X-Remote-Extra-",
        "requestheader-group-headers": "X-Remote-Group",
        "requestheader-username-headers": "X-Remote-User",
        # Without this flag a stopping server leaves its watches open for a minute.
        "shutdown-watch-termination-grace-period": "2s",
        "max-requests-inflight": 800,
        "max-mutating-requests-inflight": 400,
        "profiling": "false",
    }


def _controller_manager_arguments(layout: ControlPlaneFiles) -> Arguments:
    certificates = layout.certificates
    own = layout.program_kubeconfig(CONTROLLER_MANAGER)
    return {
        "bind-address": "127.0.0.1",
        "secure-port": layout.ports.controller_manager,
        "tls-cert-file": certificates.controller_manager_server.certificate,
        "tls-private-key-file": certificates.controller_manager_server.key,
        "kubeconfig": own,
        "authentication-kubeconfig": own,
        "authorization-kubeconfig": own,
        "root-ca-file": certificates.authority,
        "service-account-private-key-file": certificates.service_accounts_key,
        "use-service-account-credentials": "true",
        "leader-elect": "false",
        "node-monitor-grace-period": f"{HOST_GRACE_SECONDS if certificates.kubelets else NODE_GRACE_SECONDS}s",
        # The defaults are for a shared control plane; 2,500 pods would take minutes.
        "kube-api-qps": 500,
        "kube-api-burst": 1000,
        "concurrent-namespace-syncs": 20,
        "profiling": "false",
    }


def _scheduler_arguments(layout: ControlPlaneFiles) -> Arguments:
    own = layout.program_kubeconfig(SCHEDULER)
    return {
        "config": _scheduler_file(layout),
        "bind-address": "127.0.0.1",
        "secure-port": layout.ports.scheduler,
        "tls-cert-file": layout.certificates.scheduler_server.certificate,
        "tls-private-key-file": layout.certificates.scheduler_server.key,
        "authentication-kubeconfig": own,
        "authorization-kubeconfig": own,
    }


def _scheduler_file(layout: ControlPlaneFiles) -> Path:
    return layout.directory / "scheduler.yaml"


def _scheduler_configuration(layout: ControlPlaneFiles) -> dict[str, object]:
    return {
        "apiVersion": "kubescheduler.config.k8s.io/v1",
        "kind": "KubeSchedulerConfiguration",
        "leaderElection": {"leaderElect": False},
        "clientConnection": {
            "kubeconfig": str(layout.program_kubeconfig(SCHEDULER)),
            "qps": 500,
            "burst": 1000,
        },
        # A pod that found no node is retried soon: in a lab nothing else uses the scheduler's time.
        "podInitialBackoffSeconds": 1,
        "podMaxBackoffSeconds": 2,
    }


def _kwok_arguments(layout: ControlPlaneFiles) -> Arguments:
    return {
        "kubeconfig": layout.program_kubeconfig(KWOK),
        "stages": _STAGES,
        "node-lease-duration-seconds": NODE_GRACE_SECONDS,
    }


def _balancer_arguments(layout: ControlPlaneFiles) -> Arguments:
    return {
        "listen": f"{layout.address}:{layout.ports.balancer}",
        "authority": layout.certificates.authority,
        "servers": ",".join(f"{layout.address}:{each.api_server}" for each in layout.ports.hosts),
    }


_ARGUMENTS: Mapping[str, Callable[[ControlPlaneFiles], Arguments]] = {
    ETCD: _etcd_arguments,
    API_SERVER: _api_server_arguments,
    CONTROLLER_MANAGER: _controller_manager_arguments,
    SCHEDULER: _scheduler_arguments,
    KWOK: _kwok_arguments,
    BALANCER: _balancer_arguments,
}


def _etcd_is_ready(layout: ControlPlaneFiles) -> bool:
    certificates = layout.certificates
    return (
        Api(layout.etcd, certificates.etcd_authority, certificates.etcd_client).call("GET", "/health").status
        == 200
    )


def _api_server_is_ready(layout: ControlPlaneFiles) -> bool:
    return _admin(layout).call("GET", "/readyz").status == 200


def _controller_manager_is_ready(layout: ControlPlaneFiles) -> bool:
    """Returns whether the controllers work: the program answers, and it has created the service account without which
    no pod is admitted."""
    account = "/api/v1/namespaces/default/serviceaccounts/default"
    return (
        _is_healthy(layout, layout.ports.controller_manager)
        and _admin(layout).call("GET", account).status == 200
    )


def _scheduler_is_ready(layout: ControlPlaneFiles) -> bool:
    return _is_healthy(layout, layout.ports.scheduler)


def _kwok_is_ready(layout: ControlPlaneFiles) -> bool:
    """Returns whether kwok's binary exists: kwok listens on no port. That it works shows when the first nodes become
    Ready (nodes.wait_until_ready)."""
    return layout.binaries.kwok.exists()


def _is_healthy(layout: ControlPlaneFiles, port: int) -> bool:
    api = Api(f"https://127.0.0.1:{port}", layout.certificates.authority, None)
    return api.call("GET", "/healthz").status == 200


def _admin(layout: ControlPlaneFiles) -> Api:
    return Api(layout.server, layout.certificates.authority, layout.certificates.admin)


_READY: Mapping[str, Callable[[ControlPlaneFiles], bool]] = {
    ETCD: _etcd_is_ready,
    API_SERVER: _api_server_is_ready,
    CONTROLLER_MANAGER: _controller_manager_is_ready,
    SCHEDULER: _scheduler_is_ready,
    KWOK: _kwok_is_ready,
    BALANCER: _api_server_is_ready,
}
