"""How hosts are reached: over ssh by the user's own configuration, host keys checked."""

from __future__ import annotations

from typing import Protocol

from fleet.hosts.inventory.inventory import Entry, Inventory
from fleet.machines.host import Host


class Way(Host, Protocol):
    """A Host with a connection."""

    async def close(self) -> None: ...


class Ways(Protocol):
    def __call__(self, inventory: Inventory) -> Reach:
        """Opened for one inventory; another one is opened when the file changes."""
        ...


class Reach(Protocol):
    def __call__(self, host: Entry) -> Way: ...


def over_ssh(inventory: Inventory) -> Reach:
    """Nothing is connected before the first command."""
    from fleet.machines.access import Access, Address
    from fleet.machines.ssh.host import Limit, Ssh

    limit = Limit(inventory.parallel)

    def reach(host: Entry) -> Way:
        access = Access(config=inventory.config, identity=host.identity or inventory.identity)
        return Ssh(Address(host.address or host.name, host.user, host.port), access, limit)

    return reach
