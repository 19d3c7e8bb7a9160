"""Finds machines that only a source outside of the clusters has, and machines that came back under another name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from fleet.core.drift.drift_report import OrphanFinding
from fleet.core.objects import identity
from fleet.core.objects.known_node import KnownNode
from fleet.core.objects.node import Node, NodeRef
from fleet.core.sources.matching import SourceMatching
from fleet.core.sources.record import SourcedRecord

RENAMED_FOR = timedelta(days=30)
"""How long after a Node was deleted its machine counts as one that came back under another name."""

Departed = tuple[NodeRef, Node, datetime]
"""A node that its cluster does not have any more, and when it was there last."""


def only_in_sources(
    matching: SourceMatching, nodes: Mapping[NodeRef, Node], unreachable: Sequence[str]
) -> Iterator[OrphanFinding]:
    """Yields the machines that no cluster has. `unreachable`: clusters of which nothing newer is known."""
    by_name: dict[str, list[NodeRef]] = defaultdict(list)
    for ref in nodes:
        by_name[ref.name.casefold()].append(ref)
    for records in matching.alone:
        newest = max(records, key=lambda record: (record.seen, record.source))
        sources = sorted({record.source for record in records})
        verb = "have" if len(sources) > 1 else "has"
        message = f"{' and '.join(sources)} {verb} it (as of {newest.seen:%Y-%m-%d}), and no cluster does"
        if same := by_name.get(newest.machine.name.casefold(), ()):
            message += f"; {', '.join(map(str, sorted(same)))} has its name and is other hardware"
        if unreachable:
            message += f"; {', '.join(unreachable)} may have it, and does not answer"
        yield OrphanFinding(
            "",
            _site(records),
            newest.shown,
            "only-in-source",
            None,
            message,
            "fleet cluster add, or fleet sync, where a cluster has it; else take it out of the file and import that again",
        )
    for record, refs in matching.ambiguous:
        several = len(refs) > 1
        yield OrphanFinding(
            "",
            _site([record]),
            record.shown,
            "ambiguous",
            None,
            f"it may be {' or '.join(map(str, refs))}, by what {record.source} has of it"
            if several
            else f"it may be {refs[0]}, and so may another machine of {record.source}",
            f"give it a system uuid, machine id or provider id in {record.source}, and import that again",
        )


def _site(records: Iterable[SourcedRecord]) -> str:
    return next((site for record in records if (site := record.machine.facts.get("site"))), "")


def renamed(
    departed: Sequence[Departed], known: Iterable[KnownNode], now: datetime
) -> Iterator[OrphanFinding]:
    """Yields the nodes whose machines had another name, of which the Node is gone; of several, the last one."""
    by_id: dict[str, list[Departed]] = defaultdict(list)
    for gone in departed:
        if now - gone[2] <= RENAMED_FOR:
            for key in _keys(gone[1]):
                by_id[key].append(gone)
    for node in known:
        if node.node is None:
            continue
        candidates = [gone for key in _keys(node.node) for gone in by_id.get(key, ())]
        same = [gone for gone in candidates if identity.same(identity.of(gone[1]), node.node)]
        if same:
            ref, _, end = max(same, key=lambda gone: (gone[2], gone[0]))
            yield OrphanFinding(
                node.cluster,
                node.site,
                node.name,
                "renamed",
                end,
                f"the machine came back under another name: until {end:%Y-%m-%d} it was {ref}",
                f"if that was not meant, set its host name and delete the Node {node.name}; "
                f"fleet node history {ref} has its past",
            )


def _keys(node: Node) -> list[str]:
    uuid = identity.canonical_uuid(node.system_uuid) if node.system_uuid else ""
    return [key for key in (uuid, node.provider_id, node.machine_id) if key]
