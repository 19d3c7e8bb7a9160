"""What happened to the members of a group, and what raft allows: arithmetic on the member list alone, without fleet's
code."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal, NamedTuple


class Moment(NamedTuple):
    what: Literal["down", "back", "cut", "mended"]
    member: str = ""
    """Who is down, or back and a voter again."""
    cut: frozenset[frozenset[str]] = frozenset()
    """Pairs of members that cannot talk to each other from now on."""


def judged(members: Collection[str], timeline: Sequence[Moment]) -> list[str]:
    """Returns what was wrong. Some member must be able to lead whenever a member is taken: one that reaches a
    majority, itself included. No member is taken while another is away."""
    wrong: list[str] = []
    up = set(members)
    cut: frozenset[frozenset[str]] = frozenset()
    for index, moment in enumerate(timeline):
        match moment.what:
            case "cut" | "mended":
                cut = moment.cut
            case "back":
                up.add(moment.member)
            case "down":
                away = set(members) - up
                if away:
                    wrong.append(f"{index}: {moment.member} was taken while {sorted(away)} were away")
                up.discard(moment.member)
                if not decides(up, len(members), cut):
                    wrong.append(
                        f"{index}: {sorted(up)} of {len(members)} were left, cut {sorted(map(sorted, cut))}"
                    )
    return wrong


def decides(up: Collection[str], voters: int, cut: Collection[frozenset[str]]) -> bool:
    return any(2 * sum(frozenset((leader, each)) not in cut for each in up) > voters for leader in up)
