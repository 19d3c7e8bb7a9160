"""The quorum groups that a policy declares: which they are, where they are asked, and what is allowed of them."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from fleet.core.probe import Probe
from fleet.core.quorum import QuorumRule
from fleet.core.selector import Selector

Kind = Literal["etcd", "zookeeper", "consul", "cockroachdb", "kafka", "patroni", "pods"]
"""pods: whatever else votes; known by the readiness of its pods, or by a probe of its own."""


class Access(Struct, frozen=True):
    """To an etcd. Paths are absolute."""

    endpoints: tuple[str, ...] = ()
    """URLs for clients. Empty: it is not asked, and its static pods are all that is known."""
    ca: str = ""
    cert: str = ""
    key: str = ""


class Members(Struct, frozen=True):
    """The pods that carry a group which is no etcd."""

    namespace: str
    selector: Selector
    voters: int | None = None
    """As declared. None: as many as there are pods, or as the members tell."""
    probe: Probe | None = None
    """None: the readiness of the pods is all that is known."""


class Group(Struct, frozen=True):
    name: str
    """Unique in the fleet."""
    cluster: str
    """Whose nodes carry its members."""
    kind: Kind = "etcd"
    rule: QuorumRule = QuorumRule()
    access: Access = Access()
    """Of an etcd."""
    members: Members | None = None
    """Of all others."""
