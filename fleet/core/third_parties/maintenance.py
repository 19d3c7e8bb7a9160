"""Objects by which a third party announces that it works on a node or wants to: NodeMaintenance, MachineConfigNode."""

from __future__ import annotations

from msgspec import Struct


class Maintenance(Struct, frozen=True, gc=False):
    """A NodeMaintenance, MachineConfigNode or similar object about one node."""

    kind: str
    """Resource name as kubectl accepts it, such as `nodemaintenances.maintenance.nvidia.com`."""
    namespace: str
    """Empty for a cluster-scoped kind."""
    name: str
    uid: str
    node: str
    """Name of the node that the object is about."""
    requestors: tuple[str, ...] = ()
    """The requestors of the maintenance, if the object names them; or the object's reason."""
    phase: str = ""
    """Phase or state of the maintenance, in the terms of its controller."""
    resource_version: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        """Identifies the object in its cluster: kind, namespace and name."""
        return self.kind, self.namespace, self.name
