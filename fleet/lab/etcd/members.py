"""Starts, kills and restarts real etcd members, each with an address of its own, on the loopback network or in a
network namespace."""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from fleet.core.quorum.groups import EtcdAccess
from fleet.lab.control_plane.certificates import KeyPair, issue_etcd
from fleet.lab.errors import LabError
from fleet.lab.etcd.namespaces import Namespaces, places
from fleet.lab.etcd.wan import Relay, Wan
from fleet.lab.process import Process, last_lines

READY_SECONDS = 120.0
_POLL_SECONDS = 0.05
_TRIES = 100


class Members:
    """The members of one etcd. `directory` is created. `sites` has the site of each member by name; its order
    determines the addresses. A context manager."""

    def __init__(
        self,
        binary: Path,
        directory: Path,
        now: datetime,
        sites: Mapping[str, str],
        seconds: Mapping[frozenset[str], float] | None = None,
        *,
        heartbeat_ms: int = 300,
        election_ms: int = 3000,
        quota_bytes: int = 1 << 30,
        snapshot_count: int = 10_000,
        before: Mapping[str, Sequence[str]] | None = None,
        namespaces: bool = False,
    ) -> None:
        """Prepares the members. `before` has the arguments in front of a member's command, by name."""
        self._binary = binary
        self._directory = directory
        self.sites = dict(sites)
        self.heartbeat_ms, self.election_ms = heartbeat_ms, election_ms
        self._quota = quota_bytes
        self._count = snapshot_count
        self._before = dict(before or {})
        directory.mkdir(parents=True)
        source = random.Random(str(directory))  # noqa: S311 - ports, no secrets
        self._relays = (
            places(list(sites), source.randrange(256)) if namespaces else _relays(list(sites), source)
        )
        addresses = tuple(relay.address for relay in self._relays.values())
        self._authority, self._server, self._client = issue_etcd(directory / "pki", now, addresses)
        self._processes: dict[str, Process] = {}
        self.wan: Wan | Namespaces = (
            Namespaces(self._relays, sites, seconds or {})
            if namespaces
            else Wan(self._relays, sites, seconds or {}, self._pids)
        )

    def __enter__(self) -> Members:
        self.wan.start()
        try:
            for name in self.sites:
                self.start(name)
            for name in self.sites:
                self.wait(name)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        for process in self._processes.values():
            process.kill()
        self.wan.stop()

    @property
    def access(self) -> EtcdAccess:
        return EtcdAccess(
            tuple(self.client_url(name) for name in self.sites),
            str(self._authority),
            str(self._client.certificate),
            str(self._client.key),
        )

    @property
    def strange(self) -> KeyPair:
        """Returns the key pair of a client that etcd does not trust: another authority has signed it."""
        return issue_etcd(self._directory / "strange", datetime.now().astimezone(), ("127.0.0.1",))[2]  # noqa: TID251

    def client_url(self, name: str) -> str:
        relay = self._relays[name]
        return f"https://{relay.address}:{relay.port + 2}"

    def peer_url(self, name: str) -> str:
        return f"https://{self._relays[name].address}:{self._relays[name].port}"

    def start(self, name: str, among: Sequence[str] | None = None, state: str = "new") -> None:
        """Starts a member. `among` are the members of the cluster, if not all; `state` is `existing` for a member that
        was added."""
        self._processes[name] = Process.start(
            name, self._command(name, among, state), self._log(name), tied=True
        )

    def kill(self, name: str) -> None:
        self._processes[name].kill()

    def wait(self, name: str) -> None:
        """Returns when the member's client port answers. Raises LabError."""
        relay = self._relays[name]
        deadline = time.monotonic() + READY_SECONDS
        while True:
            self._processes[name].check()
            try:
                with socket.create_connection((relay.address, relay.port + 2), 1.0):
                    return
            except OSError:
                pass  # nothing listens yet
            if time.monotonic() > deadline:
                raise LabError(f"{name} does not listen:\n{last_lines(self._log(name))}")
            time.sleep(_POLL_SECONDS)  # noqa: TID251 - between two looks at the condition

    def _pids(self) -> dict[str, int]:
        return {name: process.record.pid for name, process in self._processes.items()}

    def _log(self, name: str) -> Path:
        return self._directory / f"{name}.log"

    def _command(self, name: str, among: Sequence[str] | None, state: str) -> list[str]:
        relay = self._relays[name]
        cluster = ",".join(f"{member}={self.peer_url(member)}" for member in among or self.sites)
        flags = {
            "name": name,
            "data-dir": self._directory / name,
            "listen-client-urls": self.client_url(name),
            "advertise-client-urls": self.client_url(name),
            # Peers connect through the relay, which forwards to the port on which the member listens.
            "listen-peer-urls": f"https://{relay.address}:{relay.listens}",
            "initial-advertise-peer-urls": self.peer_url(name),
            "initial-cluster": cluster,
            "initial-cluster-state": state,
            "client-cert-auth": "true",
            "trusted-ca-file": self._authority,
            "cert-file": self._server.certificate,
            "key-file": self._server.key,
            "peer-client-cert-auth": "true",
            "peer-trusted-ca-file": self._authority,
            "peer-cert-file": self._server.certificate,
            "peer-key-file": self._server.key,
            "heartbeat-interval": self.heartbeat_ms,
            "election-timeout": self.election_ms,
            "quota-backend-bytes": self._quota,
            "snapshot-count": self._count,
            "unsafe-no-fsync": "true",
            "log-level": "warn",
        }
        return [
            *self.wan.before(name),
            *self._before.get(name, ()),
            str(self._binary),
            "etcd",
            *(f"--{flag}={value}" for flag, value in flags.items()),
        ]


def _relays(names: Sequence[str], source: random.Random) -> dict[str, Relay]:
    """Returns the relays: three consecutive ports on each member's address. Raises LabError where none are free."""
    for _ in range(_TRIES):
        port, net = source.randrange(20000, 32000, 4), source.randrange(1, 250)
        relays = {
            name: Relay(name, f"127.0.{net}.{index + 1}", port, port + 1) for index, name in enumerate(names)
        }
        if all(_free(relay.address, relay.port + more) for relay in relays.values() for more in range(3)):
            return relays
    raise LabError("found no free addresses for the members of an etcd")


def _free(address: str, port: int) -> bool:
    with socket.socket() as candidate:
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            candidate.bind((address, port))
        except OSError:
            return False
    return True
