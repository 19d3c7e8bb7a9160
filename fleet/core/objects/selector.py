"""A label selector, as the Kubernetes API means it (metav1.LabelSelector)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

_NUMBER = re.compile(r"[+-]?[0-9]{1,18}")
"""The numbers that Go's strconv.ParseInt accepts; Python's `int` accepts underscores and blanks too."""


class Requirement(Struct, frozen=True, gc=False):
    """One requirement of a label or field: a key, an operator and values."""

    key: str
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"]
    """Gt and Lt compare integers and exist in node affinity only."""
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Returns whether the labels meet the requirement."""
        match self.operator:
            case "In":
                return labels.get(self.key) in self.values
            case "NotIn":
                return labels.get(self.key) not in self.values
            case "Exists":
                return self.key in labels
            case "DoesNotExist":
                return self.key not in labels
            case "Gt" | "Lt":
                return self._compares(labels.get(self.key, ""))

    def _compares(self, value: str) -> bool:
        limit = self.values[0] if self.values else ""
        if not (_NUMBER.fullmatch(value) and _NUMBER.fullmatch(limit)):
            return False
        return int(value) > int(limit) if self.operator == "Gt" else int(value) < int(limit)


class Selector(Struct, frozen=True, gc=False, rename="camel"):
    """A label selector, all of whose terms must hold. A selector without terms matches everything; an absent selector
    is `None`, not an empty selector."""

    match_labels: dict[str, str] = {}
    match_expressions: tuple[Requirement, ...] = ()

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of the labels that the terms are about."""
        return (*self.match_labels, *(each.key for each in self.match_expressions))

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Returns whether the labels meet all terms."""
        for key, value in self.match_labels.items():
            if labels.get(key) != value:
                return False
        return not self.match_expressions or all(each.matches(labels) for each in self.match_expressions)


def covers(wide: Selector, narrow: Selector) -> bool:
    """Returns whether `wide` matches every label set that `narrow` matches, as far as their terms show."""
    terms = _terms(narrow)
    return all(any(_implies(known, term) for known in terms) for term in _terms(wide))


def excludes(one: Selector, other: Selector) -> bool:
    """Returns whether no label set matches both, as far as their terms show."""
    return any(_contradicts(term, against) for term in _terms(one) for against in _terms(other))


def _contradicts(one: Requirement, other: Requirement) -> bool:
    if one.key != other.key:
        return False
    mine, its = set(one.values), set(other.values)
    match one.operator, other.operator:
        case ("In", "In"):
            return not mine & its
        case ("In", "NotIn"):
            return mine <= its
        case ("NotIn", "In"):
            return its <= mine
        case ("In" | "Exists", "DoesNotExist") | ("DoesNotExist", "In" | "Exists"):
            return True
        case _:
            return False


def _terms(of: Selector) -> list[Requirement]:
    labels = [Requirement(key, "In", (value,)) for key, value in of.match_labels.items()]
    return [*labels, *of.match_expressions]


def _implies(known: Requirement, term: Requirement) -> bool:
    if known.key != term.key:
        return False
    mine, its = set(known.values), set(term.values)
    match known.operator, term.operator:
        case ("In", "In"):
            return mine <= its
        case ("In", "NotIn"):
            return not mine & its
        case ("NotIn", "NotIn"):
            return mine >= its
        case ("In" | "Exists", "Exists") | ("DoesNotExist", "DoesNotExist" | "NotIn"):
            return True
        case _:
            return False
