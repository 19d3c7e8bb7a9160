from __future__ import annotations

from fleet.core.records.errors import FleetError


class EtcdError(FleetError):
    """An etcd refused a request or gave no answer; the message quotes etcd's own."""


class EtcdRefusedError(EtcdError):
    """The member answered with a refusal, so it is reachable."""
