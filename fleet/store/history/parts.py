"""The parts of a node and its machine that have history, each stored as a text.

A row of history refers to a text for each part. The parts are chosen by how they change and who shares them: an image
is the same on many nodes, a boot is one node's own. So an interval takes some hundred bytes, however many labels a node
has. What a machine is asked to do, and how far it is, has no history here: the journal has it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple, TypeVar

import msgspec
from msgspec import Struct

from fleet.core.objects.machine import Machine
from fleet.core.objects.node import Node
from fleet.core.records.errors import StoreError
from fleet.store.db.database import TAMPERED
from fleet.store.inventory.kinds import MACHINE, NODE, encoder_of

V = TypeVar("V")
Texts = tuple[str | None, ...]
"""A text for each of PARTS; None: there is no node, or no machine."""


class Part(NamedTuple):
    column: str
    type: type[Any]
    own: bool
    """Whether the text belongs to one node. Else nodes share it, and it is stored once."""
    fields: tuple[str, ...]


NODE_SOFTWARE = ("os_image", "kernel", "kubelet")
MACHINE_SOFTWARE = ("booted", "staged", "rollback", "kernel")
BOOT = ("boot_id",)
UNKEPT = ("log_ask", "log_told")


def _others(facts: Sequence[str], *parts: Sequence[str]) -> tuple[str, ...]:
    taken = {name for part in parts for name in part}
    return tuple(name for name in facts if name not in taken)


PARTS = (
    Part("node_profile", Node, True, _others(NODE.facts, NODE_SOFTWARE, BOOT)),
    Part("node_boot", Node, True, BOOT),
    Part("node_software", Node, False, NODE_SOFTWARE),
    Part("node_condition", Node, False, NODE.states),
    Part("machine_profile", Machine, True, _others(MACHINE.facts, MACHINE_SOFTWARE, BOOT, UNKEPT)),
    Part("machine_boot", Machine, True, BOOT),
    Part("machine_software", Machine, False, MACHINE_SOFTWARE),
)
COLUMNS = tuple(part.column for part in PARTS)
MACHINE_FROM = COLUMNS.index("machine_profile")
"""The parts before are those of the node."""
OWN = tuple(part.column for part in PARTS if part.own)


class Software(Struct, frozen=True, gc=False):
    """Says what a node runs, by its kubelet, or by its agent."""

    os_image: str = ""
    kernel: str = ""
    booted: dict[str, Any] | None = None

    @property
    def by_kubelet(self) -> tuple[str, str]:
        return self.os_image, self.kernel

    @property
    def by_agent(self) -> tuple[str, str] | None:
        """Returns version and digest of the booted release; None: the agent does not report one."""
        booted = self.booted
        return None if booted is None else (booted.get("version", ""), booted.get("digest", ""))


_NODE = msgspec.json.Decoder(Node)
_MACHINE = msgspec.json.Decoder(Machine)
_BOOT = msgspec.json.Decoder(dict[str, str])
_SOFTWARE = msgspec.json.Decoder(Software)


@cache
def _encoders() -> tuple[Callable[[Any], str], ...]:
    return tuple(encoder_of(part.type, part.fields) for part in PARTS)


def texts_of(node: Node | None, machine: Machine | None) -> Texts:
    """Returns the texts of the parts. Equal objects have equal texts."""
    things: Mapping[type[Any], Any] = {Node: node, Machine: machine}
    return tuple(
        None if (thing := things[part.type]) is None else encode(thing)
        for part, encode in zip(PARTS, _encoders(), strict=True)
    )


def node_of(texts: Texts) -> Node | None:
    """Returns the node that the texts stand for. Raises StoreError for texts that fleet cannot have written."""
    return _decoded(_NODE, texts[:MACHINE_FROM])


def profile_of(text: str) -> Node:
    """Returns the node that a text of `node_profile` stands for, without what other parts have. Raises as `node_of`
    does."""
    return read(_NODE, text)


def machine_of(texts: Texts) -> Machine | None:
    """Returns the machine that the texts stand for. Raises as `node_of` does."""
    return _decoded(_MACHINE, texts[MACHINE_FROM:])


def software_of(text: str | None) -> Software:
    """Returns what the text of `node_software` or `machine_software` stands for. Raises as `node_of` does."""
    return Software() if text is None else read(_SOFTWARE, text)


def boot_of(text: str) -> str:
    """Returns the boot id that a text of `node_boot` or `machine_boot` stands for. Raises as `node_of` does."""
    return str(read(_BOOT, text).get("boot_id", ""))


def _decoded(decoder: msgspec.json.Decoder[V], texts: Texts) -> V | None:
    inner = [text[1:-1] for text in texts if text is not None and text != "{}"]
    return read(decoder, f"{{{','.join(inner)}}}") if inner else None


def read(decoder: msgspec.json.Decoder[V], text: str) -> V:
    """Returns what a text of the history stands for. Raises StoreError for a text that fleet cannot have written."""
    try:
        return decoder.decode(text)
    except (msgspec.DecodeError, TypeError) as error:
        raise StoreError(f"a text of the history cannot be read: {error}", TAMPERED) from None
