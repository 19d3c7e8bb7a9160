"""The views of one node: what is known of it, and its life. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from msgspec import UNSET, UnsetType
from rich.text import Text

from fleet.cli.terminal.columns import columns
from fleet.cli.terminal.person import persons_within
from fleet.cli.terminal.time_format import ago
from fleet.core.objects.machine import EtcChanges
from fleet.core.reporting.past.node_details import NodeDetails
from fleet.core.reporting.past.node_life import LifeEvent, LifeEventKind, NodeLife

BOOT = 13
"""Characters of a boot id that are shown, as in `fleet explain`."""
FILES = 5
"""Changed files in /etc that are shown; all are in the JSON."""


def details(found: NodeDetails, now: datetime) -> Text:
    """Returns a line for each fact."""
    head = _head(found)
    rows = [(name, value) for name, value in _facts(found, now) if value]
    return Text("\n").join([head, columns((), [(f"  {name}", value) for name, value in rows])])


def sources(found: NodeDetails, now: datetime) -> Text:
    """Returns a line for each value that a source reports, and below it what contradicts the value."""
    head = _head(found)
    if not found.sources:
        return Text("\n").join([head, Text("No source has reported anything.")])
    rows = [
        (one.fact, Text(one.value, "yellow" if one.conflict else ""), one.source, _age(one.seen, now))
        for one in found.sources
    ]
    conflicts = {one.fact: one.conflict for one in found.sources if one.conflict}
    lines = [Text(f"conflict: {fact}: {why}", "yellow") for fact, why in conflicts.items()]
    return Text("\n").join([head, columns(("FACT", "VALUE", "SOURCE", "AGE"), rows), *lines])


def _head(found: NodeDetails) -> Text:
    return Text(f"{found.status.name} in {found.status.cluster or 'no cluster'}", "bold")


def _age(seen: datetime | None, now: datetime) -> str:
    return ago(seen, now) if seen is not None else "never"


def _facts(found: NodeDetails, now: datetime) -> Iterator[tuple[str, str]]:
    node = found.status
    zone = (f"zone {node.zone}",) if node.zone else ()
    yield "place", ", ".join((f"site {node.site}", *zone, f"pool {node.pool}" if node.pool else "in no pool"))
    step = f", step {node.step}" if node.step else ""
    yield "state", f"{node.state}{step}{f' of {node.rollout}' if node.rollout else ''}"
    yield "runs", f"{node.version or node.os or 'unknown'}{_since(node.since, now)}"
    yield "digest", node.booted
    yield "os", f"{node.os}{f' ({found.os_family})' if found.os_family else ''}"
    yield "kernel", node.kernel
    yield "kubelet", node.kubelet
    yield "staged", node.staged
    yield "rollback", found.rollback
    yield "target", node.target
    ready = {True: "ready", False: "not ready", None: "not known whether it is ready"}[node.ready]
    yield "condition", f"{ready}, cordoned by {found.cordoned_by}" if found.cordoned_by else ready
    yield "pods", "" if node.pods is None else f"{node.pods:,}"
    yield "boot id", found.boot_id
    yield "machine id", found.machine_id
    yield "system uuid", found.system_uuid
    yield "provider id", found.provider_id
    yield "addresses", ", ".join(found.addresses)
    yield "taints", ", ".join(found.taints)
    yield "labels", ", ".join(f"{key}={value}" for key, value in sorted(found.labels.items()))
    yield "layered", ", ".join(node.layered)
    yield "/etc", _changed_files(node.etc)
    yield "live patches", ", ".join(node.live_patches)
    yield "failed units", ", ".join(node.failed_units)
    yield "rollouts", ", ".join(found.rollouts)
    yield "first seen", f"{found.first_seen:%Y-%m-%d %H:%M} UTC" if found.first_seen is not None else ""
    yield "last seen", f"{node.last_seen:%Y-%m-%d %H:%M} UTC" if node.last_seen is not None else "never"


def _changed_files(etc: EtcChanges | UnsetType) -> str:
    if etc is UNSET:
        return ""
    if not etc.changed:
        return "as in the release"
    rest = len(etc.changed) - FILES + etc.more
    return ", ".join(etc.changed[:FILES]) + (f" and {rest:,} more" if rest > 0 else "")


def _since(since: datetime | None, now: datetime) -> str:
    return f", for {ago(since, now)} (since {since:%Y-%m-%d %H:%M} UTC)" if since is not None else ""


def life(history: NodeLife) -> Text:
    """Returns a line for each event, oldest first."""
    head = Text(f"{history.node} in {history.cluster}", "bold")
    if not history.events:
        return Text("\n").join([head, Text("No history of this node is kept.")])
    rows = [(f"{event.at:%Y-%m-%d %H:%M}", _event(event)) for event in history.events]
    return Text("\n").join([head, columns(("WHEN (UTC)", "WHAT"), rows)])


def _event(event: LifeEvent) -> Text:
    style = {"foreign-boot": "yellow", "not-ready": "yellow", "replaced": "magenta", "gone": "magenta"}
    text = _what(event)
    if event.not_before is not None:
        text += f" (at some time after {event.not_before:%Y-%m-%d %H:%M})"
    return Text(text, style.get(event.kind, ""))


def _what(event: LifeEvent) -> str:
    before, after, by = event.before, event.after, event.by
    boot = f"boot {before[:BOOT]} -> {after[:BOOT]}"
    texts: Mapping[LifeEventKind, str] = {
        "found": f"found{f': {after}' if after else ''}",
        "gone": "gone: the cluster has no such node any more",
        "replaced": f"another machine has this name: {f'{before} -> ' if before else ''}{after}",
        "boot": f"{boot}, asked for by {by}",
        "foreign-boot": f"{boot}, which no rollout asked for",
        "cordoned": f"cordoned by {by}",
        "uncordoned": f"uncordoned; it had been cordoned by {by}",
        "ready": "ready",
        "not-ready": f"not ready{f': {after}' if after else ''}",
        "staged": f"staged {after}" if after else f"{before} is no longer staged",
        "etc": f"in /etc: {' and '.join(part for part in (after, before and f'no longer {before}') if part)}",
        "rollout": f"in rollout {persons_within(by)} to {after}",
        "rollout-ended": f"{by}: {persons_within(after)}",
    }
    return texts.get(event.kind, f"{event.kind} {before or 'none'} -> {after or 'none'}")
