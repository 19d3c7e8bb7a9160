"""Finds since when nodes are exposed: back through what they ran before, as far as it was affected too. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from msgspec import Struct

from fleet.core.exposure.verdict import ExposureState
from fleet.core.objects.node import NodeRef
from fleet.core.releases.release import Release


class PastSoftware(Struct, frozen=True, gc=False):
    """The software that a node ran, as its kubelet and its agent reported it."""

    os_image: str = ""
    kernel: str = ""
    kubelet: str = ""
    booted: Release | None = None
    """None: no agent reported a release."""
    layered: tuple[str, ...] = ()
    live_patches: tuple[str, ...] = ()


class HistoryRow(Struct, frozen=True, gc=False):
    """A row of a node's history, as its store names the row."""

    node: int
    begin: Any


class SoftwareChange(Struct, frozen=True, gc=False):
    """The moment at which the software of a row began to run, with what ran before."""

    begin: datetime
    row: HistoryRow | None = None
    """The last row with other software. None: the node's history begins with this software."""
    software: PastSoftware = PastSoftware()
    """The software of that row."""
    row_began: datetime | None = None
    """When that row began: its software ran since then, or since before."""
    unbroken: bool = False
    """True if that row ended when this software began, and was of the same machine."""


class SoftwareHistory(Protocol):
    """The history of nodes, read backwards."""

    def rows(self, at: datetime) -> Mapping[NodeRef, HistoryRow]:
        """Returns the row of each node that was valid at a moment."""

    def changes(
        self, rows: Sequence[HistoryRow], after: datetime | None = None
    ) -> Mapping[int, SoftwareChange]:
        """Returns, by the node's number, where the software of each row began to run, and what ran before. That is left
        out where the software began at `after` or earlier."""

    def first_contacts(self) -> Mapping[str, datetime]:
        """Returns, by cluster, the first moment of which anything is known."""


class ExposedSince(Struct, frozen=True, gc=False):
    """The moment since when a node is exposed."""

    at: datetime
    at_least: bool = False
    """True if the node may have been exposed before: nothing is known of the time before, or what the node ran then
    cannot be judged."""


JudgePast = Callable[[NodeRef, PastSoftware], ExposureState]


def exposed_since(
    history: SoftwareHistory,
    at: datetime,
    nodes: Iterable[NodeRef],
    judge: JudgePast,
    published: datetime | None,
) -> dict[NodeRef, ExposedSince]:
    """Returns since when each of the nodes, which are exposed at the moment `at`, has been so without a break.

    That is at the earliest when the vulnerability was published. A node without history is left out.
    """
    rows, first = history.rows(at), history.first_contacts()
    open_rows = {ref: rows[ref] for ref in nodes if ref in rows}
    found: dict[NodeRef, ExposedSince] = {}
    while open_rows:
        changes = history.changes(list(open_rows.values()), published)
        earlier: dict[NodeRef, HistoryRow] = {}
        for ref, row in open_rows.items():
            change = changes[row.node]
            if published is not None and change.begin <= published:
                found[ref] = ExposedSince(published)
            elif change.row is None:
                known = first.get(ref.cluster)
                found[ref] = ExposedSince(change.begin, known is None or change.begin <= known)
            elif change.unbroken and (state := judge(ref, change.software)) in ("affected", "unknown"):
                if state == "unknown":
                    found[ref] = ExposedSince(change.begin, at_least=True)
                elif published is not None and change.row_began is not None and change.row_began <= published:
                    # It ran that software when the vulnerability was published: what came before does not matter.
                    found[ref] = ExposedSince(published)
                else:
                    earlier[ref] = change.row
            else:
                found[ref] = ExposedSince(change.begin)
        open_rows = earlier
    return found
