from __future__ import annotations

from fleet.core.records.errors import FleetError


class EtcdError(FleetError):
    """An etcd refused, or gave no answer; the message quotes it."""


class EtcdRefusedError(EtcdError):
    """The member answered, and refused: it is there."""
