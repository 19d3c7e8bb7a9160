"""How a member of a quorum group is asked, and where in its answer is what matters."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct


class HttpProbe(Struct, frozen=True, tag="http"):
    """A GET of the member's pod."""

    port: int
    path: str
    scheme: Literal["http", "https"] = "http"
    also: tuple[int, ...] = ()
    """Statuses beside 2xx with which an answer counts too."""


class ExecProbe(Struct, frozen=True, tag="exec"):
    """A command in the member's pod; its output is the answer."""

    command: tuple[str, ...]
    container: str = ""
    """Empty: the pod's first one."""


class ProbeTerm(Struct, frozen=True):
    path: str
    """Keys from the top of the answer with dots between; a number is a place in a list."""
    values: tuple[str, ...] = ("true",)
    """It holds where one of these is found there."""

    def __str__(self) -> str:
        return f"{self.path}={'|'.join(self.values)}"


class Probe(Struct, frozen=True):
    ask: HttpProbe | ExecProbe
    answer: Literal["json", "lines", "table", "metrics"] = "json"
    """lines: a key and its value each (ZooKeeper's `mntr`). table: a line with the names of the columns, and rows.
    metrics: the text format of Prometheus; what one metric says of several stores is summed up."""
    members: str = ""
    """Path of the list of all members, of a table `rows`. Empty: an answer is about the member that gave it."""
    name: str = ""
    """In that list: what a member is called; the name of its pod, a host name that begins with it, or its ordinal."""
    leader: ProbeTerm | None = None
    voter: ProbeTerm | None = None
    """None: all vote."""
    healthy: ProbeTerm | None = None
    """None: whoever answers."""
    settled: tuple[ProbeTerm, ...] = ()
    """Of the group as a whole, as every answer must confirm; where one does not, nobody counts as healthy."""
    index: str = ""
    """Path of the last entry that the member has applied."""
    epoch_bits: int = 0
    """So many of the index's lower bits count within an epoch. Where the leader's are all zero, nothing was written in
    its epoch yet, and a member that serves under it is in step whatever epoch it names."""
    lag: str = ""
    """Instead of `index`: path of how far it is behind the leader, which itself need not say."""
    heard: str = ""
    """In that list: path of when the leader last heard of the member, in milliseconds by the leader's own clock. Of one
    that died the index stays where it was, and a quiet group is soon not far from it."""
    version: str = ""

    @property
    def heavy(self) -> bool:
        """A command that tells of all members: it starts a program, and one answer is enough."""
        return bool(self.members) and isinstance(self.ask, ExecProbe)
