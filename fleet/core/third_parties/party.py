"""Third parties: other controllers that delete, drain or reboot nodes, and the signs by which they announce their
work."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal, NamedTuple

MarkPlace = Literal["taint", "annotation", "label"]


class Does(StrEnum):
    """The kinds of work of a third party on a node."""

    DELETES = "deletes"
    """The node will be deleted. fleet does nothing on the node."""
    WORKS = "works"
    """The party drains, reboots or sets up the node, or is about to. fleet waits until the party has finished."""
    MAY_DELETE = "may-delete"
    """The party may delete the node later. fleet works on the node, and chooses it as a canary only if no other node
    can be."""


class Sign(NamedTuple):
    """A taint, annotation or label of a Node that announces what a party does with the node."""

    place: MarkPlace
    key: str
    does: Does
    message: str
    """The party's work, for messages; `{value}` stands for the value of the taint, annotation or label."""
    only: frozenset[str] = frozenset()
    """The values with which the sign counts. Empty for any value that is not in `never`."""
    never: frozenset[str] = frozenset({"false"})
    """The values with which the sign does not count, if `only` is empty."""
    unlike: str = ""
    """Key of another annotation: the sign counts only while that annotation has another value than the sign. Empty for
    none."""
    stays: bool = False
    """True if the sign stays until an operator acts."""
    remedy: str = ""
    """The remedy, in place of the party's; empty for the party's."""


class ObjectSign(NamedTuple):
    """A kind of object by which a party announces work; each object is about one node."""

    kind: str
    resource: str
    """Resource name as kubectl accepts it, such as `nodemaintenances.medik8s.io`."""
    message: str
    idle: frozenset[str] = frozenset()
    """Phases in which the party does nothing with the node."""
    stays: frozenset[str] = frozenset()
    """Phases that last until an operator acts; `*` stands for every phase."""


class Program(NamedTuple):
    """Says how the pods of a party are recognized, which shows that a cluster runs the party (`rebooters.py`)."""

    owner: str
    """Kind of the controller of the party's own pods."""
    names: frozenset[str]
    """Names of the DaemonSet, if `owner` is DaemonSet."""
    labels: frozenset[tuple[str, str]]
    """Labels, key and value, at least one of which the party's pods have."""
    does: str
    """Message while the program is at work on nodes."""
    nowhere: str
    """Message while the program is at work on no node."""
    remedy: str


class Party(NamedTuple):
    """A third party: its name, its signs, and the annotation that keeps the party off a node."""

    name: str
    remedy: str
    """The remedy while the party holds a node; `{node}`, `{object}` and `{value}` are placeholders."""
    signs: tuple[Sign, ...] = ()
    objects: tuple[ObjectSign, ...] = ()
    keep_off: str = ""
    """Key of the annotation that keeps the party off a node while its value is `true`; empty if there is none."""
    program: Program | None = None


WAIT_FOR_DELETION = "nothing to do: when the node is gone, its run is cancelled"

WAIT = "nothing to do: fleet goes on when it has finished"
