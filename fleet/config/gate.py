"""Reads stages and gates."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from fleet.config.document import forms, network_forms
from fleet.config.document.reader import Reader
from fleet.config.hook import hooks
from fleet.core.policy.gate import (
    AlertsGate,
    AnyGate,
    CommandGate,
    HttpGate,
    OperatorGate,
    PrometheusGate,
    SoakGate,
    WorkloadsGate,
)
from fleet.core.policy.policy import Pool
from fleet.core.policy.rollout_stage import RolloutStage


def gates(reader: Reader, base: tuple[AnyGate, ...] = ()) -> tuple[AnyGate, ...]:
    """Reads the key `gates`; `base` counts where there is none."""
    parts = reader.blocks("gates")
    found = [_gate(part) for part in parts]
    names: set[str] = set()
    for part, gate in zip(parts, found, strict=True):
        if gate is not None and gate.name in names:
            part.problem("expected each name once, found it again", "name")
        names.add(gate.name if gate is not None else "")
    return tuple(gate for gate in found if gate is not None) if reader.has("gates") else base


def stages(reader: Reader, pools: Iterable[Pool]) -> tuple[RolloutStage, ...]:
    """Reads the key `stages`."""
    pool = forms.one_of([pool.name for pool in pools], "the name of a pool")
    parts = reader.blocks("stages")
    found = [_stage(part, pool) for part in parts]
    names: set[str] = set()
    everything = ""
    for part, stage in zip(parts, found, strict=True):
        if stage.name and stage.name in names:
            part.problem("expected each name once, found it again", "name")
        names.add(stage.name)
        if everything:
            part.caution(f"has no nodes: stage {everything} comes first and has all of them")
        elif not (stage.pools or stage.clusters or stage.sites):
            everything = stage.name
    return tuple(found)


def _stage(reader: Reader, pool: forms.ValueForm[str]) -> RolloutStage:
    return RolloutStage(
        name=reader.required("name", forms.TITLE, ""),
        pools=reader.values("pools", pool),
        clusters=reader.values("clusters", forms.NAME),
        sites=reader.values("sites", forms.NAME),
        sites_at_once=reader.value("sites_at_once", forms.OPTIONAL_COUNT, None),
        gates=gates(reader),
        hooks=hooks(reader, "stage"),
    )


def _gate(reader: Reader) -> AnyGate | None:
    """Returns the gate; None if it has no kind, or several."""
    common: dict[str, Any] = {
        "name": reader.required("name", forms.NAME, ""),
        "for_seconds": reader.value("for", forms.seconds(0), 0),
        "every_seconds": reader.value("every", forms.seconds(1), 30),
        "bad": reader.value("bad", forms.count(1), 2),
        "timeout_seconds": reader.value("timeout", forms.seconds(1), 3600),
    }
    given = [kind for kind in KINDS if reader.has(kind)]
    if len(given) != 1:
        reader.problem(f"expected one of {', '.join(KINDS)}, found {' and '.join(given) or 'none'}")
        for kind in given:
            KINDS[kind](reader, common)
        return None
    gate = KINDS[given[0]](reader, common)
    measured = not isinstance(gate, SoakGate | OperatorGate)
    for key in ("for", "every", "bad", "timeout"):
        if reader.has(key) and not measured:
            reader.problem(f"expected no {key} beside {given[0]}, found one", key)
    if measured and gate.for_seconds >= gate.timeout_seconds:
        reader.problem("expected less than timeout, found no less: the gate could never pass", "for")
    return gate


def _soak(reader: Reader, common: dict[str, Any]) -> AnyGate:
    return SoakGate(name=common["name"], for_seconds=reader.value("soak", forms.seconds(1), 1))


def _operator(reader: Reader, common: dict[str, Any]) -> AnyGate:
    if not reader.flag("operator", True):
        reader.problem("expected true, found false: leave the gate out", "operator")
    return OperatorGate(name=common["name"])


def _prometheus(reader: Reader, common: dict[str, Any]) -> AnyGate:
    part = reader.block("prometheus")
    gate = PrometheusGate(
        **common,
        url=part.required("url", network_forms.URL, ""),
        query=part.required("query", forms.TEXT, ""),
        below=part.value("below", forms.DECIMAL, None),
        above=part.value("above", forms.DECIMAL, None),
        token_file=part.value("token_file", forms.FILE, ""),
    )
    if gate.below is None and gate.above is None:
        part.problem("expected below, above or both, found none")
    elif gate.below is not None and gate.above is not None and gate.above >= gate.below:
        part.problem("expected less than below, found no less", "above")
    return gate


def _http(reader: Reader, common: dict[str, Any]) -> AnyGate:
    part = reader.block("http")
    return HttpGate(
        **common,
        url=part.required("url", network_forms.URL, ""),
        status=part.value("status", network_forms.STATUS, 200),
        contains=part.value("contains", forms.TEXT, ""),
    )


def _alerts(reader: Reader, common: dict[str, Any]) -> AnyGate:
    part = reader.block("alerts")
    return AlertsGate(
        **common,
        url=part.required("url", network_forms.URL, ""),
        matchers=part.values("matchers", forms.MATCHER),
    )


def _command(reader: Reader, common: dict[str, Any]) -> AnyGate:
    return CommandGate(**common, command=reader.values("command", forms.TEXT, required=True))


def _workloads(reader: Reader, common: dict[str, Any]) -> AnyGate:
    if not reader.flag("workloads", True):
        reader.problem("expected true, found false: leave the gate out", "workloads")
    if reader.has("bad"):
        reader.problem("expected no bad beside workloads, found one: it fails by timeout alone", "bad")
    return WorkloadsGate(**common)


KINDS: Mapping[str, Callable[[Reader, dict[str, Any]], AnyGate]] = {
    "soak": _soak,
    "operator": _operator,
    "prometheus": _prometheus,
    "http": _http,
    "alerts": _alerts,
    "command": _command,
    "workloads": _workloads,
}
"""The reader of each kind of gate, by the key that makes a gate one of the kind."""
