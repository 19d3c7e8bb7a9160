"""A machine's own files in /etc: written once into its first deployment, and carried over by OSTree's merge. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from fleet.lab.control_plane.certificates import API_SERVER_ADDRESSES
from fleet.lab.machines.keys import SshKeyPair
from fleet.lab.machines.machine import LabMachine

SERVICE = API_SERVER_ADDRESSES[-1]
"""The address of the Service `kubernetes`, by which pods call the API server."""


class File(msgspec.Struct, frozen=True):
    """A file's text and permissions."""

    text: str
    mode: int = 0o644


def host(
    machine: LabMachine, all_machines: Sequence[LabMachine], key: SshKeyPair, login: SshKeyPair
) -> Mapping[str, File]:
    """Returns files by path below /etc: the name, the network, the ssh keys that may log in."""
    return {
        "hostname": File(f"{machine.name}\n"),
        "hosts": File("".join(_hosts(machine, all_machines))),
        # The container runtime needs the file; there is no name server.
        "resolv.conf": File("search lab.fleet.internal\n"),
        "systemd/network/05-host0.network": File(_network(machine, all_machines)),
        "ssh/ssh_host_ed25519_key": File(key.private, 0o600),
        "ssh/ssh_host_ed25519_key.pub": File(f"{key.public}\n"),
        "ssh/authorized_keys.root": File(f"{login.public}\n", 0o600),
    }


def node(
    machine: LabMachine, server: str, kubeconfig: str, authority: str, certificate: str, key: str
) -> Mapping[str, File]:
    """Returns the files that make the machine a node: its kubelet's server and credentials, its serving certificate,
    its pods' network."""
    bridge = {
        "type": "bridge",
        "bridge": "cni0",
        "isGateway": True,
        "ipMasq": False,
        "ipam": {
            "type": "host-local",
            "ranges": [[{"subnet": machine.network.pods(machine.index)}]],
            "routes": [{"dst": "0.0.0.0/0"}],
            # A reboot frees the addresses.
            "dataDir": "/run/cni-ipam",
        },
    }
    network = {"cniVersion": "0.4.0", "name": "fleet-lab", "plugins": [bridge]}
    return {
        # There is no kube-proxy: a systemd unit routes the Service `kubernetes`.
        "fleet-lab/service": File(f"SERVER={server.removeprefix('https://')}\nSERVICE={SERVICE}\n"),
        "kubernetes/kubeconfig": File(kubeconfig, 0o600),
        "kubernetes/pki/ca.crt": File(authority),
        "kubernetes/pki/kubelet.crt": File(certificate),
        "kubernetes/pki/kubelet.key": File(key, 0o600),
        "cni/net.d/10-fleet-lab.conflist": File(json.dumps(network, indent=2)),
    }


def write(folder: Path, files: Mapping[str, File]) -> None:
    """Writes the files below `folder`."""
    for name, file in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.touch(mode=file.mode)
        path.write_text(file.text)


def _hosts(machine: LabMachine, all_machines: Sequence[LabMachine]) -> list[str]:
    own = ["127.0.0.1 localhost\n", "::1 localhost\n"]
    return own + [f"{machine.address} {machine.name}\n" for machine in all_machines]


def _network(machine: LabMachine, all_machines: Sequence[LabMachine]) -> str:
    """Returns systemd-networkd's configuration: the address, and a route to the pods of each other machine."""
    lines = ["[Match]", "Name=host0", "", "[Network]", f"Address={machine.address}/24"]
    lines += [f"Gateway={machine.network.gateway}", "LinkLocalAddressing=no", "IPv6AcceptRA=no"]
    for other in all_machines:
        if other != machine:
            destination = machine.network.pods(other.index)
            lines += ["", "[Route]", f"Destination={destination}", f"Gateway={other.address}"]
    return "\n".join(lines) + "\n"
