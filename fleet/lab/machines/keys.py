"""The ssh keys of the lab's machines and of the user who logs in to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from fleet.lab.machines.machine import LabMachine


class SshKeyPair(msgspec.Struct, frozen=True):
    """An ed25519 key as OpenSSH writes it."""

    private: str
    public: str


def make() -> SshKeyPair:
    """Returns a new key."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    return SshKeyPair(private.decode(), public.decode())


def write(
    folder: Path, login: SshKeyPair, machines: Sequence[LabMachine], hosts: Mapping[str, SshKeyPair]
) -> Path:
    """Writes the files that `ssh -F` needs to reach every machine by its name, and returns the configuration's path.

    `hosts` has each machine's own key, so that machines are verified without a prompt.
    """
    folder.mkdir(mode=0o700)
    private, known_hosts, config = folder / "id_ed25519", folder / "known_hosts", folder / "config"
    private.touch(mode=0o600)
    private.write_text(login.private)
    (folder / "id_ed25519.pub").write_text(f"{login.public}\n")
    known_hosts.write_text(
        "".join(f"{machine.address} {hosts[machine.name].public}\n" for machine in machines)
    )
    common = [
        "User root",
        f"IdentityFile {private}",
        "IdentitiesOnly yes",
        f"UserKnownHostsFile {known_hosts}",
        "StrictHostKeyChecking yes",
        "BatchMode yes",
        "ConnectTimeout 5",
        "ServerAliveInterval 5",
        "ServerAliveCountMax 3",
    ]
    blocks = [[f"Host {machine.name}", f"HostName {machine.address}", *common] for machine in machines]
    config.write_text("\n".join("\n    ".join(block) + "\n" for block in blocks))
    return config
