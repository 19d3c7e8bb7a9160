"""Probes: how fleet asks a member of a quorum group for its health, and where in the answer each value is."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct


class HttpProbe(Struct, frozen=True, tag="http"):
    """An HTTP GET request to the member's pod."""

    port: int
    path: str
    scheme: Literal["http", "https"] = "http"
    also: tuple[int, ...] = ()
    """HTTP statuses besides 2xx with which an answer counts too."""


class ExecProbe(Struct, frozen=True, tag="exec"):
    """A command in the member's pod; its standard output is the answer."""

    command: tuple[str, ...]
    container: str = ""
    """Name of the container; empty for the pod's first container."""


class ProbeTerm(Struct, frozen=True):
    """A condition on one value of an answer."""

    path: str
    """Keys from the root of the answer, separated by dots; a number is an index into a list."""
    values: tuple[str, ...] = ("true",)
    """The values with which the term holds."""

    def __str__(self) -> str:
        return f"{self.path}={'|'.join(self.values)}"


class Probe(Struct, frozen=True):
    """A request to the members of a group, and the places of the values in their answers."""

    ask: HttpProbe | ExecProbe
    answer: Literal["json", "lines", "table", "metrics"] = "json"
    """Format of the answer. lines: a key and its value in each line (ZooKeeper's `mntr`). table: a line with the names
    of the columns, then rows. metrics: the text format of Prometheus; the values of one metric for several stores are
    added."""
    members: str = ""
    """Path of the list of all members (`rows` for a table). Empty if an answer is about the answering member only."""
    name: str = ""
    """Path, in an item of `members`, of the member's name: the name of its pod, a host name that begins with the name
    of its pod, or the pod's ordinal."""
    leader: ProbeTerm | None = None
    """Holds for the leader. None if the answers do not show which member leads."""
    voter: ProbeTerm | None = None
    """Holds for a voter. None if all members vote."""
    healthy: ProbeTerm | None = None
    """Holds for a healthy member. None if every member that answers is healthy."""
    settled: tuple[ProbeTerm, ...] = ()
    """Conditions of the group as a whole, which must hold in every answer; otherwise no member counts as healthy."""
    index: str = ""
    """Path of the index of the last log entry that the member has applied."""
    epoch_bits: int = 0
    """Number of low bits of the index that count within an epoch. If these bits of the leader's index are all zero,
    nothing was written in the leader's epoch yet, and a member that serves under this leader is in sync whatever its
    epoch is."""
    lag: str = ""
    """Path of the distance by which the member is behind the leader, in place of `index`. The leader need not report
    one."""
    heard: str = ""
    """Path, in an item of `members`, of the time at which the leader last heard of the member, in milliseconds by the
    leader's clock. The index of a dead member does not change, so in a group with few writes the index alone would not
    show that the member is dead."""
    version: str = ""
    """Path of the member's version."""

    @property
    def heavy(self) -> bool:
        """True for a command that reports about all members. The command starts a program each time, and one answer is
        enough."""
        return bool(self.members) and isinstance(self.ask, ExecProbe)
