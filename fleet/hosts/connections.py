"""Connections to hosts: over ssh by the user's own configuration, with host keys checked."""

from __future__ import annotations

from typing import Protocol

from fleet.hosts.inventory.inventory import HostEntry, HostInventory
from fleet.machines.host import Host


class HostConnection(Host, Protocol):
    """A Host with a connection that can be closed."""

    async def close(self) -> None: ...


class Connector(Protocol):
    def __call__(self, inventory: HostInventory) -> ConnectHost:
        """Returns the connector of one inventory; another one is made when the file changes."""
        ...


class ConnectHost(Protocol):
    def __call__(self, host: HostEntry) -> HostConnection: ...


def over_ssh(inventory: HostInventory) -> ConnectHost:
    """Returns the ssh connector of one inventory. No connection is made before a host's first command."""
    from fleet.machines.access import SshAccess, SshAddress
    from fleet.machines.ssh.host import Limit, Ssh

    limit = Limit(inventory.parallel)

    def reach(host: HostEntry) -> HostConnection:
        access = SshAccess(config=inventory.config, identity=host.identity or inventory.identity)
        return Ssh(SshAddress(host.address or host.name, host.user, host.port), access, limit)

    return reach
