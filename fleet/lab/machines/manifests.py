"""The files that make a host one of a control plane's members on the lab's machines, as kubeadm would write them.
Pure.

Its programs are static pods. Their binary is the operating system's own, so a release brings the control plane's
version too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import yaml

from fleet.lab.build import Binaries
from fleet.lab.control_plane.arguments import arguments
from fleet.lab.control_plane.certificates import Certificates
from fleet.lab.control_plane.files import API_SERVER, CONTROLLER_MANAGER, ETCD, SCHEDULER, ControlPlaneFiles
from fleet.lab.control_plane.ports import HostPorts, Ports
from fleet.lab.machines.etc import File
from fleet.lab.machines.machine import LabMachine

API_PORT, ETCD_PORT, PEER_PORT, METRICS_PORT = 6443, 2379, 2380, 2381
PORTS = Ports((HostPorts(ETCD_PORT, PEER_PORT, API_PORT),), 10257, 10259, 0)
HOME = Path("/etc/kubernetes")
PROGRAM = "/usr/bin/kubernetes"
IMAGE = "lab.fleet.internal/pause:1"
"""An image without any files that the pods need: their program is the host's."""

ADVERTISED = "kubeadm.kubernetes.io/etcd.advertise-client-urls"


def files(
    machine: LabMachine, members: Sequence[LabMachine], issued: Certificates, server: str
) -> Mapping[str, File]:
    """Returns files by path below /etc. `server` is the address by which its programs call all API servers."""
    layout = _layout(machine, issued)
    written = {f"kubernetes/pki/{path.name}": File(path.read_text(), 0o600) for path in _own(issued)}
    for program in (CONTROLLER_MANAGER, SCHEDULER):
        own = layout.program_kubeconfig(program)
        written[f"kubernetes/{own.name}"] = File(_kubeconfig(server, layout.certificates, program), 0o600)
    for program, flags in _arguments(machine, members, layout).items():
        written[f"kubernetes/manifests/{program}.yaml"] = File(
            yaml.safe_dump(_pod(machine, program, flags), sort_keys=False), 0o600
        )
    return written


def _own(issued: Certificates) -> Iterator[Path]:
    """Yields those of the cluster's files that every host of a control plane has. The administrator's key is not among
    them."""
    yield from (issued.authority, issued.etcd_authority, issued.front_proxy_authority)
    yield from (issued.service_accounts_key, issued.service_accounts_public_key)
    of_etcd = (issued.etcd_server, issued.etcd_peer, issued.etcd_client)
    of_servers = (issued.api_server, issued.controller_manager_server, issued.scheduler_server)
    of_clients = (issued.kubelet_client, issued.front_proxy, issued.controller_manager, issued.scheduler)
    for pair in (*of_etcd, *of_servers, *of_clients):
        yield from (pair.certificate, pair.key)


def _layout(machine: LabMachine, issued: Certificates) -> ControlPlaneFiles:
    """Returns the layout of the files as the machine sees its own."""
    program = Path(PROGRAM)
    return ControlPlaneFiles(
        HOME, Binaries(program, program), issued.moved(HOME / "pki"), PORTS, machine.address
    )


def _kubeconfig(server: str, certificates: Certificates, program: str) -> str:
    client = certificates.controller_manager if program == CONTROLLER_MANAGER else certificates.scheduler
    named = {"name": "lab"}
    cluster = {"server": server, "certificate-authority": str(certificates.authority)}
    user = {"client-certificate": str(client.certificate), "client-key": str(client.key)}
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "lab",
            "clusters": [{**named, "cluster": cluster}],
            "users": [{**named, "user": user}],
            "contexts": [{**named, "context": {"cluster": "lab", "user": "lab"}}],
        }
    )


def _arguments(
    machine: LabMachine, members: Sequence[LabMachine], layout: ControlPlaneFiles
) -> Mapping[str, Mapping[str, object]]:
    """Returns the arguments of each program: the lab's, with those changed that differ where there are several
    hosts."""
    elected = {"leader-elect": "true"}
    scheduler = {**arguments(SCHEDULER, layout), **elected}
    # With the configuration file of the lab, which has one, leader election could not be turned on.
    del scheduler["config"]
    own = layout.program_kubeconfig(SCHEDULER)
    return {
        ETCD: {**arguments(ETCD, layout), **_etcd(machine, members)},
        API_SERVER: arguments(API_SERVER, layout),
        CONTROLLER_MANAGER: {**arguments(CONTROLLER_MANAGER, layout), **elected},
        SCHEDULER: {**scheduler, "kubeconfig": own},
    }


def _etcd(machine: LabMachine, members: Sequence[LabMachine]) -> Mapping[str, object]:
    peer = f"https://{machine.address}:{PEER_PORT}"
    return {
        "name": machine.name,
        "data-dir": "/var/lib/etcd/data",
        "listen-client-urls": f"https://127.0.0.1:{ETCD_PORT},https://{machine.address}:{ETCD_PORT}",
        "advertise-client-urls": f"https://{machine.address}:{ETCD_PORT}",
        "listen-peer-urls": peer,
        "initial-advertise-peer-urls": peer,
        "initial-cluster": ",".join(
            f"{member.name}=https://{member.address}:{PEER_PORT}" for member in members
        ),
        "listen-metrics-urls": f"http://127.0.0.1:{METRICS_PORT}",
        # Hosts that share a busy computer need longer timeouts.
        "heartbeat-interval": 200,
        "election-timeout": 2000,
    }


def _pod(machine: LabMachine, program: str, arguments: Mapping[str, object]) -> dict[str, object]:
    folders = {"pki": str(HOME), "data": "/var/lib/etcd"} if program == ETCD else {"pki": str(HOME)}
    volumes = [{"name": name, "hostPath": {"path": path}} for name, path in folders.items()]
    if program == ETCD:
        volumes[1] = {"name": "data", "hostPath": {"path": "/var/lib/etcd", "type": "DirectoryOrCreate"}}
    volumes.append({"name": "program", "hostPath": {"path": PROGRAM, "type": "File"}})
    mounts = [{"name": name, "mountPath": path} for name, path in folders.items()]
    mounts.append({"name": "program", "mountPath": PROGRAM})
    container: dict[str, object] = {
        "name": program,
        "image": IMAGE,
        "imagePullPolicy": "Never",
        "command": [PROGRAM, program, *(f"--{name}={value}" for name, value in arguments.items())],
        "volumeMounts": mounts,
        "resources": {"requests": {"cpu": "50m", "memory": "100Mi"}},
    }
    if (request := _PROBES.get(program)) is not None:
        host = machine.address if program == API_SERVER else "127.0.0.1"
        probe = {"httpGet": {"host": host, **request}, "timeoutSeconds": 10}
        container["startupProbe"] = {**probe, "periodSeconds": 2, "failureThreshold": 150}
        container["readinessProbe"] = {**probe, "periodSeconds": 2}
        container["livenessProbe"] = {**probe, "periodSeconds": 10, "failureThreshold": 12}
    metadata: dict[str, object] = {
        "name": program,
        "namespace": "kube-system",
        "labels": {"component": program, "tier": "control-plane"},
    }
    if program == ETCD:
        metadata["annotations"] = {ADVERTISED: f"https://{machine.address}:{ETCD_PORT}"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {
            "hostNetwork": True,
            "priorityClassName": "system-node-critical",
            "terminationGracePeriodSeconds": 15,
            "volumes": volumes,
            "containers": [container],
        },
    }


_PROBES: Mapping[str, Mapping[str, object]] = {
    ETCD: {"path": "/readyz", "port": METRICS_PORT},
    API_SERVER: {"path": "/readyz", "port": API_PORT, "scheme": "HTTPS"},
}
"""Probes of programs. The other two listen for clients with certificates of their own."""
