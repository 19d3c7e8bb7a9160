"""The view of exposure: which nodes, where, since when, and what fixes them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from rich.text import Text

from fleet.cli.terminal.columns import Cell, columns, unrepeated
from fleet.cli.terminal.time_format import clock
from fleet.core.exposure.exposure_report import (
    AlikeAnswer,
    AlikeReport,
    ExposedNode,
    ExposedNodes,
    ExposureFix,
    ExposureReport,
)
from fleet.core.text.counts import counted

STYLES = {"affected": "bold red", "unknown": "yellow", "fixed": "green", "not_affected": "green"}
HEAD = ("SITE", "CLUSTER", "POOL", "{}", "NODES", "SINCE", "DAYS", "FIXED BY")
UNKNOWN_SHOWN = 5


def answers(report: AlikeReport, past: bool = False) -> Text:
    """Returns each answer: a row for nodes of one place and one kernel, and why nodes could not be judged. `past`: the
    report is about a past moment. What was planned then is not known, and a plan made now would not be for it."""
    return Text("\n\n").join(Text("\n").join(_answer(answer, report.at, past)) for answer in report.answers)


def _answer(answer: AlikeAnswer, now: datetime, past: bool) -> Iterator[Text]:
    yield from _head(answer)
    affected = [nodes for nodes in answer.groups if nodes.node.state == "affected"]
    if affected:
        by_version = answer.head.question.startswith("os")
        head = [cell.format("VERSION" if by_version else "KERNEL") for cell in HEAD]
        yield columns(head, list(_rows(affected, now, by_version, past)), right=(4, 6))
        if any(nodes.node.at_least for nodes in affected):
            yield Text("+ at least: the history begins later, or what ran before cannot be judged", "dim")
        if not past:
            yield from _remedies([nodes.node for nodes in affected])
    unknown = [nodes for nodes in answer.groups if nodes.node.state == "unknown"]
    if unknown:
        yield Text(f"Unknown: {counted(_count(unknown), 'node')}", "yellow")
        yield from _unknown(unknown)


def _count(groups: Iterable[ExposedNodes]) -> int:
    return sum(len(nodes.names) for nodes in groups)


def _head(found: AlikeAnswer) -> Iterator[Text]:
    answer = found.head
    title = Text(answer.question, "bold")
    if answer.title:
        title.append(f": {_line(answer.title)}", "not bold")
    yield title
    about = [f"severity {answer.severity} by {answer.severity_source}"] if answer.severity else []
    if answer.published is not None:
        about.append(f"published {answer.published:%Y-%m-%d}")
    if answer.aliases and len(answer.aliases) <= UNKNOWN_SHOWN:
        about.append(", ".join(answer.aliases))
    if any(nodes.node.reason == "withdrawn" for nodes in found.groups):
        about.append("withdrawn by its publisher")
    if about:
        yield Text(_line("; ".join(about)), "dim")
    counts, total = answer.counts, _count(found.groups)
    if not total:
        yield Text("no node is known that this could be asked about (fleet status)", "yellow")
        return
    parts = [
        Text(
            f"{counts['affected']:,} of {counted(total, 'node')} affected",
            STYLES["affected"] if counts["affected"] else "green",
        )
    ]
    parts += [
        Text(f"{counts[state]:,} {name}", STYLES[state])
        for state, name in (("unknown", "unknown"), ("fixed", "fixed"), ("not_affected", "not affected"))
        if counts[state]
    ]
    yield Text(", ").join(parts)


def _line(text: str) -> str:
    """Returns the text in one line: an advisory or a VEX document must not add lines to the answer."""
    return " ".join(text.split())


def _rows(
    affected: Iterable[ExposedNodes], now: datetime, by_version: bool, past: bool
) -> Iterator[tuple[Cell, ...]]:
    groups: dict[tuple[str, str, str, str, str], list[ExposedNodes]] = {}
    for nodes in affected:
        node = nodes.node
        software = node.version if by_version else node.kernel
        key = (node.site, node.cluster, node.pool, software, _fix(node.fix, now, past))
        groups.setdefault(key, []).append(nodes)
    above = ("", "")
    for (site, cluster, pool, software, fix), alike in groups.items():
        members = [nodes.node for nodes in alike]
        since = min((node.since for node in members if node.since is not None), default=None)
        longest = max((node for node in members if node.days is not None), key=_days, default=None)
        yield (
            *unrepeated((site, cluster), above),
            pool or "-",
            software or "?",
            f"{_count(alike):,}",
            f"{since:%Y-%m-%d}" if since is not None else "?",
            f"{longest.days:.0f}{'+' if longest.at_least else ''}" if longest is not None else "?",
            Text(fix, "" if members[0].fix is not None and members[0].fix.kind == "rollout" else "yellow"),
        )
        above = (site, cluster)


def _days(node: ExposedNode) -> tuple[float, bool]:
    return node.days or 0.0, node.at_least


def _fix(fix: ExposureFix | None, now: datetime, past: bool) -> str:
    """Returns what fixes a node, in a few words."""
    if fix is None or fix.kind == "none":
        return "no known release"
    doubt = "" if fix.certain else "perhaps "
    if fix.kind == "rollout":
        when = f", {clock(fix.at, now)}" if fix.at is not None else ""
        return f"{doubt}{fix.rollout} to {fix.version}{when}"
    if fix.kind == "plan":
        from fleet.core.planning.plan import short_id

        return f"{doubt}plan {short_id(fix.plan)} to {fix.version}"
    return f"{doubt}{fix.version}" if past else f"{doubt}{fix.version}, not planned"


def _remedies(nodes: Sequence[ExposedNode]) -> Iterator[Text]:
    """Returns the commands that bring fixes to nodes that no rollout upgrades."""
    commands: dict[str, None] = {}
    for node in nodes:
        if node.fix is None:
            continue
        if node.fix.kind == "plan":
            from fleet.core.planning.plan import short_id

            commands[f"fleet rollout start {short_id(node.fix.plan)}"] = None
        elif node.fix.kind == "release" and node.pool:
            commands[f"fleet plan --pool {node.pool} --to {node.fix.version}"] = None
    for command in commands:
        yield Text(f"  -> {command}")


def _unknown(groups: Iterable[ExposedNodes]) -> Iterator[Text]:
    messages: dict[str, int] = {}
    for node, names in groups:
        message = _line(node.message)
        messages[message] = messages.get(message, 0) + len(names)
    ordered = sorted(messages.items(), key=lambda item: -item[1])
    for message, count in ordered[:UNKNOWN_SHOWN]:
        yield Text(f"  {count:,}: {message}")
    if len(ordered) > UNKNOWN_SHOWN:
        yield Text(f"  and {counted(len(ordered) - UNKNOWN_SHOWN, 'other reason')} (-o wide)", "dim")


def wide(report: ExposureReport, past: bool = False) -> Text:
    """Returns a row for each node and question."""
    head, rows = cells(report, past)
    return columns(
        [name.upper().replace("_", " ") for name in head], [[str(cell) for cell in row] for row in rows]
    )


CELLS = (
    "question",
    "state",
    "site",
    "cluster",
    "pool",
    "node",
    "version",
    "kernel",
    "since",
    "days",
    "fix",
    "message",
    "at_least",
)


def cells(report: ExposureReport, past: bool = False) -> tuple[Sequence[str], Iterator[Sequence[object]]]:
    """Returns the head and the rows of a table with a row for each node and question."""
    return CELLS, (
        (
            answer.question,
            node.state,
            node.site,
            node.cluster,
            node.pool,
            node.node,
            node.version,
            node.kernel,
            node.since.isoformat() if node.since is not None else "",
            node.days if node.days is not None else "",
            _fix(node.fix, report.at, past) if node.fix is not None else "",
            _line(node.message),
            "yes" if node.at_least else "",
        )
        for answer in report.answers
        for node in answer.nodes
    )
