"""Another controller that deletes, drains or reboots nodes, and the signs by which it says so."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal, NamedTuple

MarkPlace = Literal["taint", "annotation", "label"]


class Does(StrEnum):
    DELETES = "deletes"
    """The node will be gone. fleet does nothing there."""
    WORKS = "works"
    """The party drains, reboots or sets up the node, or is about to. fleet waits until it has finished."""
    MAY_DELETE = "may-delete"
    """The party may delete the node later. It is worked on, and is no canary where another node can be."""


class Sign(NamedTuple):
    """A taint, an annotation or a label of a Node that says what a party does with it."""

    place: MarkPlace
    key: str
    does: Does
    message: str
    """`{value}`: the sign's own value."""
    only: frozenset[str] = frozenset()
    """The values that mean it. Empty: any value that is not in `never`."""
    never: frozenset[str] = frozenset({"false"})
    unlike: str = ""
    """Another annotation: the sign counts only while that one has another value."""
    stays: bool = False
    """It does not pass by itself: an operator has to act."""
    remedy: str = ""
    """Instead of the party's."""


class ObjectSign(NamedTuple):
    """A kind of object, each about one node."""

    kind: str
    resource: str
    """As kubectl takes it: `nodemaintenances.medik8s.io`."""
    message: str
    idle: frozenset[str] = frozenset()
    """Phases in which the party does nothing with the node."""
    stays: frozenset[str] = frozenset()
    """Phases that do not pass by themselves; `*` is every phase."""


class Program(NamedTuple):
    """A party's pods, by which a cluster is seen to run it (`rebooters.py`)."""

    owner: str
    """Kind of what controls its own pods."""
    names: frozenset[str]
    """Of a DaemonSet."""
    labels: frozenset[tuple[str, str]]
    """Any one of them on its pods is enough."""
    does: str
    nowhere: str
    """What to say of it while it is at work on no node."""
    remedy: str


class Party(NamedTuple):
    name: str
    remedy: str
    """What helps while it holds a node. `{node}`, `{object}` and `{value}` are filled in."""
    signs: tuple[Sign, ...] = ()
    objects: tuple[ObjectSign, ...] = ()
    keep_off: str = ""
    """Annotation that keeps it off a node while its value is `true`."""
    program: Program | None = None


WAIT_FOR_DELETION = "nothing to do: when the node is gone, its run is cancelled"

WAIT = "nothing to do: fleet goes on when it has finished"
