from __future__ import annotations

from fleet.core.records.errors import FleetError


class EtcdError(FleetError):
    """An etcd refused, or gave no answer; the message has its words."""


class EtcdRefusedError(EtcdError):
    """The member answered, and refused: it is there."""
