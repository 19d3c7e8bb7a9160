"""Reads required affinity and topology spread of a pod from the API server's JSON, once for all pods with the same
text.

Namespaces are not read: of a namespaceSelector, only the empty one (all namespaces) and names of namespaces
(`kubernetes.io/metadata.name`) are understood. A selector that is not understood becomes a doubt, and holds no node.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple, TypeVar

from msgspec import Raw, field, json
from msgspec.structs import replace

from fleet.core.objects.placement import EVERYWHERE, AffinityRule, NodeTerm, SpreadRule
from fleet.core.objects.selector import Requirement, Selector
from fleet.core.records.doubt import Doubt, DoubtKind
from fleet.kube.objects.wire import ApiStruct

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
MOST_KEPT = 10_000
MOST_WORDS = 200
NAME_LABEL = "kubernetes.io/metadata.name"
"""The label in which the API server puts the namespace's own name."""

R = TypeVar("R", SpreadRule, AffinityRule)


class NodeSelectorTerm(ApiStruct, frozen=True):
    match_expressions: tuple[Requirement, ...] | None = None
    match_fields: tuple[Requirement, ...] | None = None


class NodeSelector(ApiStruct, frozen=True):
    node_selector_terms: tuple[NodeSelectorTerm, ...] | None = None


class NodeAffinity(ApiStruct, frozen=True):
    required: NodeSelector | None = field(name=REQUIRED, default=None)


class PodAffinityTerm(ApiStruct, frozen=True):
    topology_key: str = ""
    label_selector: Selector | None = None
    namespaces: tuple[str, ...] | None = None
    namespace_selector: Selector | None = None
    match_label_keys: tuple[str, ...] | None = None
    mismatch_label_keys: tuple[str, ...] | None = None


class PodAffinity(ApiStruct, frozen=True):
    required: tuple[PodAffinityTerm, ...] | None = field(name=REQUIRED, default=None)


class Affinity(ApiStruct, frozen=True):
    node_affinity: NodeAffinity | None = None
    pod_affinity: PodAffinity | None = None
    pod_anti_affinity: PodAffinity | None = None


class TopologySpreadConstraint(ApiStruct, frozen=True):
    max_skew: int = 1
    topology_key: str = ""
    when_unsatisfiable: str = ""
    label_selector: Selector | None = None
    match_label_keys: tuple[str, ...] | None = None
    min_domains: int | None = None
    node_affinity_policy: str | None = None
    node_taints_policy: str | None = None


class NeighbourRules(NamedTuple):
    """All rules of a pod about its neighbours."""

    apart: tuple[SpreadRule, ...] = ()
    near: tuple[AffinityRule, ...] = ()
    doubts: tuple[Doubt, ...] = ()


class LabelKeys(NamedTuple):
    """The keys of labels whose values must equal, or must differ from, the pod's own."""

    match: tuple[str, ...] = ()
    mismatch: tuple[str, ...] = ()


def node_terms(affinity: Raw) -> tuple[NodeTerm, ...]:
    """Returns the required node affinity. Raises msgspec.ValidationError for JSON that is no affinity."""
    return _node_terms(bytes(affinity))


def selector_terms(terms: Raw) -> tuple[NodeTerm, ...]:
    """Returns the terms of a node selector, as a PersistentVolume has it. Raises msgspec.ValidationError for JSON that
    is no node selector."""
    return _selector_terms(bytes(terms))


def neighbours(affinity: Raw, constraints: Raw, namespace: str, labels: Mapping[str, str]) -> NeighbourRules:
    """Returns the pod's rules about its neighbours. `labels` are those of the pod. Raises msgspec.ValidationError for
    JSON that is neither affinity nor spread constraints."""
    data, spread = bytes(affinity), bytes(constraints)
    if data == NOTHING and spread == NOTHING:
        return NONE
    found, keyed = _rules(data, spread, namespace)
    if not keyed:
        return found
    return NeighbourRules(
        tuple(_with_keys(rule, keys, labels) for rule, keys in zip(found.apart, keyed, strict=False)),
        tuple(
            _with_keys(rule, keys, labels)
            for rule, keys in zip(found.near, keyed[len(found.apart) :], strict=True)
        ),
        found.doubts,
    )


NOTHING = b"null"
NONE = NeighbourRules()


@lru_cache(MOST_KEPT)
def _node_terms(data: bytes) -> tuple[NodeTerm, ...]:
    found = json.decode(data, type=Affinity | None)
    return _terms(found.node_affinity.required if found and found.node_affinity else None)


@lru_cache(MOST_KEPT)
def _selector_terms(data: bytes) -> tuple[NodeTerm, ...]:
    return _terms(json.decode(data, type=NodeSelector | None))


def _terms(required: NodeSelector | None) -> tuple[NodeTerm, ...]:
    terms = (required.node_selector_terms or ()) if required else ()
    return tuple(NodeTerm(term.match_expressions or (), term.match_fields or ()) for term in terms)


@lru_cache(MOST_KEPT)
def _rules(
    affinity: bytes, constraints: bytes, namespace: str
) -> tuple[NeighbourRules, tuple[LabelKeys, ...]]:
    """Returns the rules and the label keys of each, those of `apart` first; no keys at all where no rule has any."""
    found = json.decode(affinity, type=Affinity | None) or Affinity()
    doubts: dict[Doubt, None] = {}
    apart = [*_anti_affinity(found.pod_anti_affinity, namespace, doubts), *_spread(constraints, namespace)]
    near = list(_affinity(found.pod_affinity, namespace, doubts))
    keys = (*(label_keys for _, label_keys in apart), *(label_keys for _, label_keys in near))
    rules = NeighbourRules(tuple(rule for rule, _ in apart), tuple(rule for rule, _ in near), tuple(doubts))
    return rules, keys if any(key != LabelKeys() for key in keys) else ()


def _anti_affinity(
    found: PodAffinity | None, namespace: str, doubts: dict[Doubt, None]
) -> Iterator[tuple[SpreadRule, LabelKeys]]:
    for term in (found.required or ()) if found else ():
        where = _namespaces(term, namespace, doubts)
        # A term without a selector matches no pod.
        if term.label_selector is not None and where:
            yield SpreadRule(term.topology_key, _requirements(term.label_selector), where), _keys(term)


def _affinity(
    found: PodAffinity | None, namespace: str, doubts: dict[Doubt, None]
) -> Iterator[tuple[AffinityRule, LabelKeys]]:
    for term in (found.required or ()) if found else ():
        where = _namespaces(term, namespace, doubts)
        if where:
            others = _requirements(term.label_selector) if term.label_selector is not None else None
            yield AffinityRule(term.topology_key, others, where), _keys(term)


def _keys(term: PodAffinityTerm) -> LabelKeys:
    return LabelKeys(term.match_label_keys or (), term.mismatch_label_keys or ())


def _namespaces(term: PodAffinityTerm, namespace: str, doubts: dict[Doubt, None]) -> tuple[str, ...]:
    """Returns the namespaces of the other pods, as far as they can be known; a doubt is added for the rest."""
    listed, selector = term.namespaces or (), term.namespace_selector
    if selector is None:
        return listed or (namespace,)
    requirements = _requirements(selector)
    if not requirements:
        return (EVERYWHERE,)
    names = [
        requirement.values
        for requirement in requirements
        if requirement.key == NAME_LABEL and requirement.operator == "In"
    ]
    if len(names) != len(requirements):
        text = ", ".join(
            f"{requirement.key} {requirement.operator} {' '.join(requirement.values)}".rstrip()
            for requirement in requirements
        )
        doubts[Doubt(DoubtKind.NAMESPACES, text[:MOST_WORDS])] = None
        return listed
    meant = set(names[0]).intersection(*names[1:])
    return tuple(dict.fromkeys((*listed, *sorted(meant))))


def _spread(data: bytes, namespace: str) -> Iterator[tuple[SpreadRule, LabelKeys]]:
    constraints = json.decode(data, type=tuple[TopologySpreadConstraint, ...] | None) or ()
    for constraint in constraints:
        if constraint.when_unsatisfiable != "DoNotSchedule":
            continue
        # A constraint without a selector counts no pods, but still requires the topology label on the node.
        others = _requirements(constraint.label_selector) if constraint.label_selector is not None else ()
        rule = SpreadRule(
            constraint.topology_key,
            others,
            (namespace,),
            max(1, constraint.max_skew),
            max(1, constraint.min_domains or 1),
            by_affinity=constraint.node_affinity_policy != "Ignore",
            by_taints=constraint.node_taints_policy == "Honor",
        )
        yield rule, LabelKeys(constraint.match_label_keys or ())


def _requirements(selector: Selector) -> tuple[Requirement, ...]:
    labels = (Requirement(key, "In", (value,)) for key, value in selector.match_labels.items())
    return (*labels, *selector.match_expressions)


def _with_keys(rule: R, keys: LabelKeys, labels: Mapping[str, str]) -> R:
    """Adds the pod's own values of label keys to a rule. The API server has added most of them to the selector itself;
    a duplicate does no harm."""
    if rule.others is None:
        return rule
    own = [Requirement(key, "In", (labels[key],)) for key in keys.match if key in labels]
    own += [Requirement(key, "NotIn", (labels[key],)) for key in keys.mismatch if key in labels]
    return replace(rule, others=rule.others + tuple(own)) if own else rule
