"""The view of one node: why it waits, what must happen first, what it runs, what was done to it. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from rich.text import Text

from fleet.app.reporting.explain import Explanation, NodeEvent
from fleet.cli.terminal.columns import columns
from fleet.cli.terminal.person import persons_within
from fleet.cli.terminal.time_format import ago, stamp
from fleet.cli.views.rollout_page.standstill import standing_still
from fleet.core.records.held import Held

MOST = 25
"""Happenings that are shown, the newest last."""


def whole(explanation: Explanation, most: int = MOST) -> Text:
    """Returns all that is known of one node: its state, what holds it, and its history."""
    lines = [Text(headline(explanation), "bold")]
    if explanation.gone:
        return Text("\n").join([*lines, *_history(explanation, most)])
    if explanation.standstill is not None:
        lines.append(standing_still(explanation.standstill))
    lines += _reasons(explanation)
    lines += [Text(f"  {line}") for line in _facts(explanation)]
    lines += _history(explanation, most)
    return Text("\n").join(lines)


def headline(explanation: Explanation) -> str:
    """Returns the first line: the node, what it runs, and its state."""
    node = explanation.status
    zone = f", zone {node.zone}" if node.zone else ""
    place = f"{node.name} ({node.cluster}{zone}, {f'pool {node.pool}' if node.pool else 'in no pool'})"
    since = f" for {ago(explanation.since, explanation.now)}" if explanation.since is not None else ""
    if explanation.gone:
        return f"{place} is gone: the cluster does not have this node any more; {explanation.gone}"
    if node.step == "done":
        return f"{place} is done in rollout {node.rollout}{since}: it runs {node.version}"
    if node.state == "failed":
        when = f" {ago(explanation.since, explanation.now)} ago" if explanation.since is not None else ""
        return f"{place} failed in rollout {node.rollout}{when}"
    if node.rollout:
        verb = "is at work" if node.state == "running" else "waits"
        if explanation.standstill is not None:
            verb = "was left" if node.state == "running" else "waited"
        return f"{place} {verb}: step {node.step} in rollout {node.rollout}{since}"
    match node.state:
        case "patched":
            return f"{place} is patched{since}: it runs {node.version}"
        case "outdated":
            return f"{place} is outdated: it runs {node.version}, its pool wants {node.target}; no rollout upgrades it yet"
        case "drifted":
            return f"{place} has drifted: {node.version} is not a release of its stream"
        case "orphan":
            return f"{place} is an orphan: its machine is known, its node is not in the cluster"
        case _:
            return f"{place} is unknown: {explanation.unknown or 'its operating system is not known'}"


def _reasons(explanation: Explanation) -> Iterator[Text]:
    """Yields the reasons, numbered: what must come first stands first. What an operator must do stands below each."""
    if explanation.held and not explanation.status.rollout:
        yield Text("  A rollout that starts now would wait:")
    for number, held in enumerate(explanation.held, 1):
        then = "then: " if number > 1 else ""
        yield Text(f"  {number}. {then}{held.message}{_waited(explanation, held)}", "yellow")
        if held.remedy:
            yield Text(f"     -> {held.remedy}")
    for pod in explanation.may_be_deleted:
        yield Text(f"  {pod}: the node is a canary only if no other node can be")
    if explanation.status.state == "failed":
        for why in explanation.status.held:
            yield Text(f"  {why}", "red")
        if explanation.slot:
            yield Text(
                f"  -> check the node, then: fleet rollout release {explanation.status.cluster}/{explanation.status.name}"
            )


def _waited(explanation: Explanation, held: Held) -> str:
    since = explanation.held_since.get(held.reason)
    return f" (for {ago(since, explanation.now)})" if since is not None else ""


def _facts(explanation: Explanation) -> Iterator[str]:
    node = explanation.status
    booted = f"booted {node.version}" if node.version else "booted: not known"
    kernel = f" (kernel {node.kernel})" if node.kernel else ""
    staged = f", staged {node.staged}" if node.staged and node.staged != node.version else ""
    seen = "never seen" if node.last_seen is None else f"last seen {ago(node.last_seen, explanation.now)} ago"
    yield f"{booted}{kernel}{staged}, {seen}"
    flags = [
        "not Ready" if node.ready is False else "Ready unknown" if node.ready is None else "Ready",
        "open for pods" if node.schedulable else "cordoned",
        f"{node.pods} pods",
    ]
    if node.kubelet:
        flags.append(f"kubelet {node.kubelet}")
    yield ", ".join(flags)
    if node.systemd:
        failed = f"; failed: {', '.join(node.failed_units)}" if node.failed_units else ""
        yield f"systemd {node.systemd}{failed}"
    if node.layered:
        yield f"layered on the release: {', '.join(node.layered)}"
    if node.live_patches:
        yield f"live patches: {', '.join(node.live_patches)}"
    if node.kernel_arguments:
        yield f"kernel arguments: {node.kernel_arguments}"


def _history(explanation: Explanation, most: int) -> Iterator[Text]:
    if not explanation.history:
        return
    shown = explanation.history[-most:]
    left = len(explanation.history) - len(shown)
    yield Text(f"History (UTC){f', the last {most} of {len(explanation.history)}' if left else ''}:", "bold")
    yield columns((), [_line(event) for event in shown])


def _line(event: NodeEvent) -> tuple[str | Text, ...]:
    style = {"failed": "red", "done": "green", "refused": "yellow"}.get(event.what, "")
    return (
        f"  {stamp(event.at)}",
        event.rollout or "-",
        Text(event.what, style),
        Text(persons_within(event.message)),
    )
