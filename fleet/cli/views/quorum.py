"""The members of quorum groups, as they were read last."""

from __future__ import annotations

from collections.abc import Iterator

from rich.text import Text

from fleet.cli.terminal.columns import Cell, columns
from fleet.core.reporting.status import FleetStatus, StatusMember, StatusQuorum

HEAD = ("GROUP", "MEMBER", "NODE", "SITE", "ROLE", "INDEX", "BEHIND", "SIZE", "VERSION", "ANSWERS", "")


def members(status: FleetStatus) -> Text:
    """Returns a row for each member, and below how long a commit takes where that is known."""
    if not status.quorums:
        return Text("No quorum groups are known.\n  -> fleet sync, or declare them: docs/quorum.md")
    rows = [row for group in status.quorums for row in _rows(group)]
    return Text("\n").join([columns(HEAD, rows, right=(5, 6, 7, 9)), *_commits(status)])


def _rows(group: StatusQuorum) -> Iterator[tuple[Cell, ...]]:
    for number, member in enumerate(group.members):
        yield (
            group.name if not number else "",
            *(value or "-" for value in (member.name, member.node, member.site)),
            _role(member),
            f"{member.index:,}" if member.index is not None else "-",
            f"{member.behind:,}" if member.behind is not None else "-",
            f"{member.size / (1 << 20):.1f} MiB" if member.size else "-",
            member.version or "-",
            f"{member.seconds * 1000:.1f} ms" if member.seconds is not None else "-",
            Text(member.ails, "yellow"),
        )


def _role(member: StatusMember) -> str:
    if member.leader:
        return "leader"
    return "voter" if member.voter else "learner"


def _commits(status: FleetStatus) -> Iterator[Text]:
    for group in status.quorums:
        if group.links and group.commit_seconds is not None:
            links = ", ".join(
                f"{link.one}-{link.other} {link.seconds * 1000:.1f} ms"
                for link in group.links
                if link.one != link.other
            )
            yield Text(f"{group.name}: a commit takes {group.commit_seconds * 1000:.1f} ms; {links}")
