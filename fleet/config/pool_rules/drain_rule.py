"""Drain rules: how single pods are treated in a drain."""

from __future__ import annotations

from fleet.config.document import forms
from fleet.config.document.reader import Reader
from fleet.config.selector import selector
from fleet.core.policy.drain_rule import NO_OWNER, DrainBehaviour, PodRule, PodRuleTerm

BEHAVIOURS: dict[str, DrainBehaviour] = {
    "evict": "evict",
    "hold": "hold",
    "wait": "wait",
    "skip": "skip",
    "ask": "ask",
}
TIMED = ("wait", "ask")
TERMS = ("namespaces", "selector", "annotations", "owners")
STAYING = ("DaemonSet", "Node")
"""Kinds of controllers whose pods are never drained, whatever a rule contains."""


def rules(reader: Reader, base: tuple[PodRule, ...]) -> tuple[PodRule, ...]:
    """Reads the rules for single pods. A pool's rules replace those of `defaults`."""
    found = [(part, _rule(part)) for part in reader.blocks("rules")]
    names: set[str] = set()
    all_pods = ""
    for part, rule in found:
        if rule.name and rule.name in names:
            part.problem("expected each name once, found it again", "name")
        names.add(rule.name)
        if all_pods:
            part.caution(f"never applies: rule {all_pods} comes first and is about every pod")
        elif not rule.pods:
            all_pods = rule.name
    return tuple(rule for _, rule in found) if reader.has("rules") else base


def _rule(reader: Reader) -> PodRule:
    name = reader.required("name", forms.NAME, "")
    do: DrainBehaviour = reader.required("do", forms.choice(BEHAVIOURS), "evict")
    pods = tuple(_term(part) for part in reader.blocks("pods"))
    if not pods and do != "evict":
        reader.problem(
            f"expected pods (which ones to {do}), found none", "pods" if reader.has("pods") else ""
        )
    timeout = reader.value("timeout", forms.seconds(1), 0) or None
    if timeout is not None and do not in TIMED:
        reader.problem(f"expected no timeout beside {do}, found one (the drain's own counts)", "timeout")
    order = reader.value("order", forms.ORDER, 0)
    return PodRule(name, do, pods, order, timeout)


def _term(reader: Reader) -> PodRuleTerm:
    if not any(reader.has(key) for key in TERMS):
        reader.problem(f"expected at least one of {', '.join(TERMS)}, found none")
    owners = reader.values("owners", forms.KIND)
    for kind in owners:
        if kind in STAYING:
            reader.caution(f"pods of a {kind} always stay on their node", "owners")
    if NO_OWNER in owners and len(owners) > 1:
        reader.caution(
            f"{NO_OWNER} means pods without a controller, beside {len(owners) - 1} kinds", "owners"
        )
    return PodRuleTerm(
        namespaces=reader.values("namespaces", forms.NAME),
        selector=selector(reader.block("selector")),
        annotations=reader.pairs("annotations", forms.LABEL_KEY, forms.WORD),
        owners=owners,
    )
