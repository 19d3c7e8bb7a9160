"""The life of a node: what it was and ran, when, and who did what to it. These structs are the published JSON
(`docs/schemas/node-history.json`)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal

from msgspec import Struct

from fleet.core.objects.machine import Machine
from fleet.core.objects.node import Node
from fleet.core.releases.release import Release
from fleet.core.reporting.past.differences import same_machine

LifeEventKind = Literal[
    "found",
    "gone",
    "replaced",
    "release",
    "staged",
    "kernel",
    "kubelet",
    "boot",
    "foreign-boot",
    "cordoned",
    "uncordoned",
    "ready",
    "not-ready",
    "labels",
    "etc",
    "rollout",
    "rollout-ended",
]
OTHER_PARTY = "another party"
LAG = timedelta(minutes=10)
"""How much later than the end of a run the boot of that run may be noticed."""


class LifeEvent(Struct, frozen=True):
    """Something that happened to a node."""

    at: datetime
    """When fleet learned of the event."""
    kind: LifeEventKind
    """foreign-boot: a boot that no rollout asked for."""
    before: str = ""
    after: str = ""
    by: str = ""
    """Who did it, where that is known: a rollout, or another party."""
    source: str = ""
    """How it was learned: `sync`, `watch`, `journal`, ..."""
    not_before: datetime | None = None
    """When the cluster had been seen last before: it happened between then and `at`. Null: `at` is the moment."""


class NodeLife(Struct, frozen=True):
    """The history of one node, from the inventory and the journal."""

    cluster: str
    node: str
    events: tuple[LifeEvent, ...]
    """Oldest first."""


class Interval(Struct, frozen=True):
    """Holds what was known of a node in an interval of time."""

    begin: datetime
    end: datetime | None
    source: str
    node: Node | None
    machine: Machine | None


class NodeRun(Struct, frozen=True):
    """The part of a node in one rollout."""

    rollout: str
    version: str
    by: str
    started: datetime
    rebooted: datetime | None
    """When the run had asked for the reboot. None: it never did."""
    ended: datetime | None
    result: str
    boots: Collection[str]
    """The boot ids in the run's proof."""


def life(intervals: Sequence[Interval], runs: Sequence[NodeRun], now: datetime) -> list[LifeEvent]:
    """Returns the events of a node, oldest first. `intervals`: in order, and without overlaps."""
    events = [*_observed(intervals, runs, now), *_rollouts(runs)]
    return sorted(events, key=lambda event: event.at)


def _observed(intervals: Sequence[Interval], runs: Sequence[NodeRun], now: datetime) -> Iterator[LifeEvent]:
    before: Interval | None = None
    for interval in intervals:
        if before is not None and before.end is not None and before.end < interval.begin:
            yield LifeEvent(before.end, "gone", source=before.source)
            before = None if interval.node is None else before
            yield _found(before, interval)
        elif before is None:
            yield _found(None, interval)
        else:
            yield from _changes(before, interval, runs, now)
        before = interval
    if before is not None and before.end is not None:
        yield LifeEvent(before.end, "gone", source=before.source)


def _found(before: Interval | None, now: Interval) -> LifeEvent:
    replaced = (
        before is not None
        and before.node is not None
        and now.node is not None
        and not same_machine(before.node, now.node)
    )
    return LifeEvent(now.begin, "replaced" if replaced else "found", after=_runs(now), source=now.source)


def _changes(before: Interval, now: Interval, runs: Sequence[NodeRun], at: datetime) -> Iterator[LifeEvent]:
    was, node = before.node, now.node
    if was is not None and node is not None and not same_machine(was, node):
        yield LifeEvent(now.begin, "replaced", _machine(was), _machine(node), source=now.source)
    for kind, old, new in _values(before, now):
        if old != new and (old or new):
            yield LifeEvent(now.begin, kind, old, new, source=now.source)
    if was is None or node is None:
        if was is not node:
            yield LifeEvent(now.begin, "gone" if node is None else "found", source=now.source)
        return
    if was.boot_id != node.boot_id and was.boot_id and node.boot_id:
        run = _run_of(node.boot_id, now.begin, runs, at)
        kind_: LifeEventKind = "foreign-boot" if run is None else "boot"
        yield LifeEvent(
            now.begin, kind_, was.boot_id, node.boot_id, run.rollout if run is not None else "", now.source
        )
    if was.unschedulable != node.unschedulable:
        marked = node if node.unschedulable else was
        kind_ = "cordoned" if node.unschedulable else "uncordoned"
        yield LifeEvent(now.begin, kind_, by=marked.cordoned_by or OTHER_PARTY, source=now.source)
    if was.ready != node.ready:
        reason = node.why_unready or ("its kubelet does not report" if node.ready is None else "")
        yield LifeEvent(
            now.begin,
            "ready" if node.ready else "not-ready",
            after="" if node.ready else reason,
            source=now.source,
        )


def _values(before: Interval, now: Interval) -> Iterator[tuple[LifeEventKind, str, str]]:
    yield "release", _release(before), _release(now)
    yield "staged", _staged(before.machine), _staged(now.machine)
    yield "etc", *_etc(before.machine, now.machine)
    if before.node is not None and now.node is not None:
        yield "kernel", before.node.kernel, now.node.kernel
        yield "kubelet", before.node.kubelet, now.node.kubelet
        yield "labels", *_labels(before.node.labels, now.node.labels)


def _release(interval: Interval) -> str:
    """Returns the version and digest that the agent reports, or the OS image that the kubelet reports."""
    booted = interval.machine.booted if interval.machine is not None else None
    if booted is not None:
        return named(booted)
    return interval.node.os_image if interval.node is not None else ""


def _runs(interval: Interval) -> str:
    parts = [_release(interval)]
    if interval.node is not None and interval.node.kernel:
        parts.append(f"kernel {interval.node.kernel}")
    return ", ".join(part for part in parts if part)


def _staged(machine: Machine | None) -> str:
    return "" if machine is None or machine.staged is None else named(machine.staged)


def named(release: Release) -> str:
    return release.version or release.digest


def _machine(node: Node) -> str:
    return node.system_uuid or node.provider_id or node.machine_id or node.uid


def _labels(before: Mapping[str, str], now: Mapping[str, str]) -> tuple[str, str]:
    """Returns the labels that differ, before and after."""
    keys = [key for key in sorted(before.keys() | now.keys()) if before.get(key) != now.get(key)]
    return _shown(before, keys), _shown(now, keys)


def _etc(before: Machine | None, now: Machine | None) -> tuple[str, str]:
    """Returns the changes of files in /etc that only one of the two has. Empty where either does not know them."""
    if before is None or now is None or before.etc is None or now.etc is None:
        return "", ""
    was, is_now = before.etc.changed, now.etc.changed
    gone, new = [one for one in was if one not in is_now], [one for one in is_now if one not in was]
    return ", ".join(gone), ", ".join(new)


def _shown(labels: Mapping[str, str], keys: Iterable[str]) -> str:
    return ", ".join(f"{key}={labels[key]}" for key in keys if key in labels)


def _run_of(boot_id: str, at: datetime, runs: Iterable[NodeRun], now: datetime) -> NodeRun | None:
    """Returns the run that asked for the boot: its proof names the boot, or it was between its reboot and its end."""
    return next(
        (
            run
            for run in runs
            if boot_id in run.boots
            or (run.rebooted is not None and run.rebooted <= at <= (run.ended or now) + LAG)
        ),
        None,
    )


def _rollouts(runs: Iterable[NodeRun]) -> Iterator[LifeEvent]:
    for run in runs:
        yield LifeEvent(
            run.started, "rollout", after=run.version, by=f"{run.rollout} ({run.by})", source="journal"
        )
        if run.ended is not None:
            yield LifeEvent(run.ended, "rollout-ended", after=run.result, by=run.rollout, source="journal")
