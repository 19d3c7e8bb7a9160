"""An object by which another party says that it works on a node, or wants to: NodeMaintenance, MachineConfigNode."""

from __future__ import annotations

from msgspec import Struct


class Maintenance(Struct, frozen=True, gc=False):
    kind: str
    """As kubectl takes it: `nodemaintenances.maintenance.nvidia.com`."""
    namespace: str
    """Empty for a kind without namespaces."""
    name: str
    uid: str
    node: str
    """Name of the node that it is about."""
    requestors: tuple[str, ...] = ()
    """Who asked for it, as far as it says so; or its reason."""
    phase: str = ""
    resource_version: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        """Its identity in its cluster."""
        return self.kind, self.namespace, self.name
