"""The releases of streams as text."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from rich.text import Text

from fleet.cli.terminal.columns import Cell, columns, indented
from fleet.cli.terminal.time_format import ago, clock
from fleet.core.releases.release_list import ListedRelease, ListedStream, ReleaseList
from fleet.core.text.durations import format_age

NEW = 5
"""The newest releases, which are shown whether or not a node runs them."""
HEX = 12
"""The hexadecimal digits of a digest that are shown; JSON has all of them."""


def release_text(found: ReleaseList, *, every: bool = False) -> Text:
    """Returns a table for each stream. Without `every`, old releases that no node runs and about which there is nothing
    special are only counted."""
    if not found.streams:
        return Text("The policy has no streams.\n  -> docs/policy.md, streams")
    return Text("\n\n").join(_stream(stream, found.at, every) for stream in found.streams)


def _stream(stream: ListedStream, now: datetime, every: bool) -> Text:
    lines = [Text(f"Stream {stream.name}", "bold") + Text(_origin(stream, now))]
    if stream.problem:
        lines.append(Text(f"  {stream.problem}", "yellow"))
    shown = [release for place, release in enumerate(stream.releases) if every or _matters(release, place)]
    if shown:
        head = ("RELEASE", "AGE", "NODES", "OFFERED", "KERNEL", "KUBELET", "DIGEST", "")
        rows: list[tuple[Cell, ...]] = [_row(release, stream.target, now) for release in shown]
        lines.append(indented(columns(head, rows, right=(2, 3)), 2))
    if left := len(stream.releases) - len(shown):
        lines.append(Text(f"  and {left} more, which no node runs: --all", "dim"))
    lines += [
        Text(f"  {nodes} on {version}, which is not in the stream", "yellow")
        for version, nodes in stream.others.items()
    ]
    if stream.unknown:
        lines.append(Text(f"  {stream.unknown} that report no release", "yellow"))
    return Text("\n").join(lines)


def _origin(stream: ListedStream, now: datetime) -> str:
    if not stream.feed:
        return ", from the policy"
    read = f"read {ago(stream.read_at, now)} ago" if stream.read_at is not None else "never read"
    return f", {stream.feed}, {read}"


def _matters(release: ListedRelease, place: int) -> bool:
    return place < NEW or bool(release.nodes)


def _row(release: ListedRelease, target: str, now: datetime) -> tuple[Cell, ...]:
    return (
        release.version,
        format_age(now - release.released) if release.released is not None else "",
        f"{release.nodes:,}" if release.nodes else "",
        f"{int(release.offered * 100)} %" if release.offered < 1 else "",
        release.kernel,
        release.kubelet,
        _digest(release),
        "; ".join(_notes(release, target, now)),
    )


def _digest(release: ListedRelease) -> str:
    own = (release.digest, *release.digests.values())
    short = next((digest for digest in own if digest), "").partition(":")[2][:HEX]
    names = " ".join(release.digests)
    return f"{short} {names}".strip()


def _notes(release: ListedRelease, target: str, now: datetime) -> Iterator[str]:
    if release.version == target:
        yield "newest"
    if release.barrier is not None:
        yield f"barrier: {release.barrier}" if release.barrier else "barrier"
    if release.dead_end is not None:
        yield f"dead end: {release.dead_end}" if release.dead_end else "dead end"
    if release.offered_to_all is not None:
        yield f"offered to all from {clock(release.offered_to_all, now)} on"
    if len(release.route) > 1 and release.nodes:
        yield f"{len(release.route)} reboots to the newest, over {', '.join(release.route[:-1])}"
