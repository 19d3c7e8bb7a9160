"""Reads the policy from objects, by the reader of `fleet.yaml`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import combinations
from pathlib import Path

from msgspec import Struct

from fleet.config.document.asked_key import AskedKey
from fleet.config.document.findings import Caution, Findings, SourcePlace, TooMany
from fleet.config.document.reader import Reader
from fleet.config.document.spelling import OBJECTS
from fleet.config.objects.document import OrderedPool, document_of
from fleet.config.objects.kinds import CONFIG, DEFAULT, KINDS
from fleet.config.objects.policy_object import PolicyObject
from fleet.config.policy import PolicyFile, read_document
from fleet.config.selector import MOST_COMPARED
from fleet.core.objects.selector import excludes
from fleet.core.policy.policy import Pool


class PolicyRead(Struct, frozen=True):
    """The policy that objects are together."""

    content: PolicyFile | None
    """None if an object has mistakes."""
    problems: dict[str, tuple[str, ...]]
    """The mistakes by object (`upgradepolicies/workers`), each with its key (`spec.windows[0].from: expected …`)."""
    cautions: tuple[Caution, ...]
    keys: Mapping[str, AskedKey]
    """The keys that the reader has asked for."""


def read_objects(objects: Iterable[PolicyObject], folder: Path) -> PolicyRead:
    """Returns the policy that the objects are. `folder`: the one to which paths are relative, with the copies of feeds
    and calendars."""
    findings = Findings(OBJECTS)
    content = None
    with suppress(TooMany):
        content = read_into(objects, folder, findings)
    problems = findings.problems_by_file
    return PolicyRead(None if problems else content, problems, findings.cautions, findings.known_keys)


def read_into(objects: Iterable[PolicyObject], folder: Path, findings: Findings) -> PolicyFile:
    """Returns the policy; it may be used only if the findings have no problems. Raises TooMany."""
    document, pools = document_of(objects, findings)
    file = document.source or f"{KINDS[CONFIG].plural}/{DEFAULT}"
    content = read_document(Reader(document, file, findings, OBJECTS.root, folder=folder), folder)
    _warn_of_conflicts(pools, content.policy.pools, findings)
    return content


def _warn_of_conflicts(ordered: Sequence[OrderedPool], pools: Sequence[Pool], findings: Findings) -> None:
    """Warns of policies of the same order that may select the same node: only their names decide then."""
    both = list(zip(ordered, pools, strict=True))[:MOST_COMPARED]
    for (first, one), (second, other) in combinations(both, 2):
        if first.order == second.order and _may_share(one, other):
            place = SourcePlace(second.object.source, second.object.spec.line, "spec.order")
            message = (
                f"nodes that {first.object.id} selects too belong to that one, by its name: both have the order "
                f"{first.order}"
            )
            findings.caution(place, message)


def _may_share(one: Pool, other: Pool) -> bool:
    """Returns whether a node may match both."""
    apart = one.clusters and other.clusters and not set(one.clusters) & set(other.clusters)
    return not apart and not excludes(one.selector, other.selector)
