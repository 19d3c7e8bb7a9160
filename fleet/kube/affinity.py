"""Required affinity and spread of a pod, from the API server's JSON. Found once for all pods that say the same.

Not read: volumes' zones, and a namespaceSelector but for the empty one, which means all namespaces.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from msgspec import Raw, Struct, field, json

from fleet.core.placement import EVERYWHERE, Apart, NodeTerm
from fleet.core.selector import Requirement, Selector

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
MOST_KEPT = 10_000


class Wire(Struct, frozen=True, rename="camel", gc=False):
    pass


class NodeTermWire(Wire, frozen=True):
    match_expressions: tuple[Requirement, ...] | None = None
    match_fields: tuple[Requirement, ...] | None = None


class NodeTerms(Wire, frozen=True):
    node_selector_terms: tuple[NodeTermWire, ...] | None = None


class NodeAffinity(Wire, frozen=True):
    required: NodeTerms | None = field(name=REQUIRED, default=None)


class PodTerm(Wire, frozen=True):
    topology_key: str = ""
    label_selector: Selector | None = None
    namespaces: tuple[str, ...] | None = None
    namespace_selector: dict[str, Any] | None = None
    match_label_keys: tuple[str, ...] | None = None


class PodAffinity(Wire, frozen=True):
    required: tuple[PodTerm, ...] | None = field(name=REQUIRED, default=None)


class Affinity(Wire, frozen=True):
    node_affinity: NodeAffinity | None = None
    pod_anti_affinity: PodAffinity | None = None


class Constraint(Wire, frozen=True):
    max_skew: int = 1
    topology_key: str = ""
    when_unsatisfiable: str = ""
    label_selector: Selector | None = None
    match_label_keys: tuple[str, ...] | None = None


def node_terms(affinity: Raw) -> tuple[NodeTerm, ...]:
    """Raises msgspec.ValidationError for what is none."""
    return _node_terms(bytes(affinity))


def apart(affinity: Raw, constraints: Raw, namespace: str, labels: Mapping[str, str]) -> tuple[Apart, ...]:
    """Raises msgspec.ValidationError for what is neither. `labels`: of the pod."""
    terms = _rules(bytes(affinity), bytes(constraints), namespace)
    if not any(keys for _, keys in terms):
        return tuple(rule for rule, _ in terms)
    return tuple(_with_keys(rule, keys, labels) for rule, keys in terms)


@lru_cache(MOST_KEPT)
def _node_terms(data: bytes) -> tuple[NodeTerm, ...]:
    found = json.decode(data, type=Affinity | None)
    required = found.node_affinity.required if found and found.node_affinity else None
    terms = (required.node_selector_terms or ()) if required else ()
    return tuple(NodeTerm(each.match_expressions or (), each.match_fields or ()) for each in terms)


@lru_cache(MOST_KEPT)
def _rules(affinity: bytes, constraints: bytes, namespace: str) -> tuple[tuple[Apart, tuple[str, ...]], ...]:
    """Each with the keys of labels whose values are to be the pod's own."""
    return (*_anti_affinity(affinity, namespace), *_spread(constraints, namespace))


def _anti_affinity(data: bytes, namespace: str) -> Iterator[tuple[Apart, tuple[str, ...]]]:
    found = json.decode(data, type=Affinity | None)
    terms = (found.pod_anti_affinity.required or ()) if found and found.pod_anti_affinity else ()
    for term in terms:
        if term.label_selector is not None:
            where = (EVERYWHERE,) if term.namespace_selector == {} else term.namespaces or (namespace,)
            rule = Apart(term.topology_key, _requirements(term.label_selector), where)
            yield rule, term.match_label_keys or ()


def _spread(data: bytes, namespace: str) -> Iterator[tuple[Apart, tuple[str, ...]]]:
    constraints = json.decode(data, type=tuple[Constraint, ...] | None) or ()
    for each in constraints:
        if each.when_unsatisfiable == "DoNotSchedule" and each.label_selector is not None:
            others = _requirements(each.label_selector)
            rule = Apart(each.topology_key, others, (namespace,), max(1, each.max_skew))
            yield rule, each.match_label_keys or ()


def _requirements(selector: Selector) -> tuple[Requirement, ...]:
    labels = (Requirement(key, "In", (value,)) for key, value in selector.match_labels.items())
    return (*labels, *selector.match_expressions)


def _with_keys(rule: Apart, keys: Iterable[str], labels: Mapping[str, str]) -> Apart:
    own = (Requirement(key, "In", (labels[key],)) for key in keys if key in labels)
    return Apart(rule.topology, (*rule.others, *own), rule.namespaces, rule.skew)
