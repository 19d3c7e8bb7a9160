"""The arguments of the lab's programs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from fleet.lab.control_plane.certificates import SERVICE_NETWORK
from fleet.lab.control_plane.files import (
    API_SERVER,
    BALANCER,
    CONTROLLER_MANAGER,
    ETCD,
    KWOK,
    SCHEDULER,
    ControlPlaneFiles,
)

NODE_GRACE_SECONDS = 600
"""Seconds without a renewed lease after which the controller manager marks a node as Unknown. kwok renews leases four
times as often."""

HOST_GRACE_SECONDS = 50
"""The same in a lab that real hosts join: Kubernetes' default."""

_STAGES = Path(__file__).parent / "stages.yaml"

Arguments = Mapping[str, str | int | Path]


def arguments(kind: str, layout: ControlPlaneFiles) -> dict[str, str | int | Path]:
    """Returns the arguments of a program of this kind, by the names of its flags."""
    return dict(_ARGUMENTS[kind](layout))


def _etcd_arguments(layout: ControlPlaneFiles) -> Arguments:
    certificates = layout.certificates
    host = layout.host or 0
    peers = [f"https://127.0.0.1:{ports.etcd_peer}" for ports in layout.ports.hosts]
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
        "config": layout.scheduler_configuration,
        "bind-address": "127.0.0.1",
        "secure-port": layout.ports.scheduler,
        "tls-cert-file": layout.certificates.scheduler_server.certificate,
        "tls-private-key-file": layout.certificates.scheduler_server.key,
        "authentication-kubeconfig": own,
        "authorization-kubeconfig": own,
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
        "servers": ",".join(f"{layout.address}:{host.api_server}" for host in layout.ports.hosts),
    }


_ARGUMENTS: Mapping[str, Callable[[ControlPlaneFiles], Arguments]] = {
    ETCD: _etcd_arguments,
    API_SERVER: _api_server_arguments,
    CONTROLLER_MANAGER: _controller_manager_arguments,
    SCHEDULER: _scheduler_arguments,
    KWOK: _kwok_arguments,
    BALANCER: _balancer_arguments,
}
