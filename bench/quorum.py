"""Reboots five etcd members in three sites once each, in fleet's order and in naive orders, while a client writes all the
time.

    python -m bench.quorum [--json FILE]

A reboot is a SIGKILL and a start a moment later. fleet's order is that of its guard (`fleet.core.guards.quorum`), and the
leadership is moved away from a member before its reboot; the other policies kill the next member, as a reboot daemon does.
All of them wait until the member is back and in sync.
"""

from __future__ import annotations

import argparse
import base64
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from statistics import median
from tempfile import TemporaryDirectory
from typing import Literal

import msgspec
from msgspec import Struct

from fleet.core.guards import quorum
from fleet.core.objects.node import NodeRef
from fleet.core.quorum.groups import EtcdAccess, QuorumGroup
from fleet.core.quorum.quorum import Link, Quorum, QuorumRule, best_leader, healthy
from fleet.etcd.errors import EtcdError
from fleet.etcd.etcd import Etcd
from fleet.etcd.gateway import Gateway, trust
from fleet.etcd.reading import MemberPlace
from fleet.lab import build
from fleet.lab.etcd.members import Members

SITES = {"m0": "fra", "m1": "fra", "m2": "nyc", "m3": "nyc", "m4": "sgp"}
TRIPS = {("fra", "nyc"): 0.04, ("fra", "sgp"): 0.08, ("nyc", "sgp"): 0.10}
DOWN_SECONDS = 2.0
ELECTION_MS = 2000
RULE = QuorumRule()
PAUSE = 0.05
"""Between two writes."""

Choose = Callable[[Quorum, Sequence[str]], str]
"""Returns the member to reboot next, of those that were not rebooted yet."""
Tell = Callable[[Literal["down", "back"], str], None]
"""Called when a member goes down, and when it is back: it votes and is in sync."""


class Result(Struct, frozen=True):
    policy: str
    order: tuple[str, ...]
    elections: int
    """The number of elections, without moves of leadership that were requested."""
    moved: int
    gap_seconds: float
    """The longest time in seconds between two successful writes."""
    write_ms: float
    """The median time of a write in milliseconds."""
    commit_ms: tuple[float | None, ...]
    """The commit time in milliseconds while each member was away, computed from the remaining members. None: these had no
    majority in sync at that moment."""


class Writer:
    """Does linearizable puts and gets all the time, through any member that answers, and records the longest gap."""

    def __init__(self, access: EtcdAccess) -> None:
        context = trust(access)
        self._gateways = [Gateway(endpoint, context) for endpoint in access.endpoints]
        self._over = threading.Event()
        self._broken: Exception | None = None
        self.times: list[float] = []
        self.seconds: list[float] = []

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Writes inside the `with` block, from a successful write to a successful write, so that a gap at the end counts
        too."""
        thread = threading.Thread(target=self._run)
        thread.start()
        try:
            self._await(0)
            yield
            self._await(len(self.times))
        finally:
            self._over.set()
            thread.join()
            if self._broken is not None:
                raise self._broken

    def _await(self, count: int) -> None:
        """Waits until more than `count` writes have succeeded. Raises TimeoutError."""
        deadline = time.monotonic() + 60
        while len(self.times) <= count and self._broken is None:
            if time.monotonic() > deadline:
                raise TimeoutError("no write succeeds")
            time.sleep(PAUSE)  # noqa: TID251 - between two looks at the condition

    @property
    def gap(self) -> float:
        return max(after - before for before, after in zip(self.times, self.times[1:], strict=False))

    def _run(self) -> None:
        count, chosen = 0, 0
        while not self._over.wait(PAUSE):
            count += 1
            begun = time.monotonic()
            try:
                self._write(self._gateways[chosen], str(count))
            except EtcdError:
                chosen = (chosen + 1) % len(self._gateways)
                continue
            except Exception as error:
                self._broken = error
                return
            self.times.append(time.monotonic())
            self.seconds.append(self.times[-1] - begun)

    def _write(self, gateway: Gateway, text: str) -> None:
        """Writes each text under its own key, since a put that timed out may still be written later."""
        key = base64.b64encode(text.encode()).decode()
        gateway.call("/v3/kv/put", {"key": key, "value": key}, 1.0)
        stored = gateway.call("/v3/kv/range", {"key": key}, 1.0).get("kvs", [])
        if [entry["value"] for entry in stored] != [key]:
            raise AssertionError(f"{text} was written, and {stored} read")


def now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 - of a real etcd


def adapter(members: Members, links: Mapping[tuple[str, str], float] = TRIPS) -> Etcd:
    places = {name: MemberPlace(NodeRef("lab", name), site) for name, site in members.sites.items()}
    delays = [Link(one, other, seconds) for (one, other), seconds in links.items()]
    return Etcd(QuorumGroup("etcd", "lab", access=members.access), places, delays)


def wait(etcd: Etcd, condition: Callable[[Quorum], object], seconds: float = 120.0) -> Quorum:
    """Returns the first reading that meets the condition. Raises TimeoutError."""
    deadline = time.monotonic() + seconds
    while True:
        group = etcd.read(now())
        if condition(group):
            return group
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds:.0f} s: {group}")
        time.sleep(0.1)  # noqa: TID251 - between two looks at the condition


def whole(group: Quorum) -> bool:
    return group.leader is not None and len(healthy(group, RULE)) == len(group.voters)


def fleets(group: Quorum, left: Sequence[str]) -> str:
    """Returns the member that fleet's guard ranks first among those that may go."""
    ranks = [(quorum.rank(group, RULE, NodeRef("lab", name)), name) for name in left]
    may = [
        (rank, name)
        for rank, name in ranks
        if rank is not None and quorum.held(group, RULE, NodeRef("lab", name), ()) is None
    ]
    return min(may)[1]


def roll(
    members: Members,
    etcd: Etcd,
    policy: str,
    choose: Choose,
    hand_over: bool,
    leader: str = "",
    report: Tell = lambda event, member: None,
) -> Result:
    """Reboots every member once. `leader`: the leader at the beginning; empty: the first member."""
    wait(etcd, whole)
    etcd.move_leader(leader or next(iter(members.sites)))
    group = wait(etcd, whole)
    first, moved = etcd.term, 0
    writer = Writer(members.access)
    order: list[str] = []
    commits: list[float | None] = []
    with writer.at_work():
        while left := [name for name in members.sites if name not in order]:
            name = choose(group, left)
            node = NodeRef("lab", name)
            if hand_over and quorum.leads(group, RULE, node):
                others = [member for member in healthy(group, RULE) if member.node != node]
                to = best_leader(group, others, frozenset(NodeRef("lab", upgraded) for upgraded in order))
                assert to is not None
                etcd.move_leader(to.name)
                group = wait(etcd, whole)
                moved += 1
            report("down", name)
            members.kill(name)
            time.sleep(DOWN_SECONDS)  # noqa: TID251 - the machine is away for so long
            without_member = wait(etcd, lambda group: group.leader is not None)
            absence = quorum.group_without(without_member, RULE, node)
            seconds = absence.commit_seconds if absence is not None else None
            commits.append(seconds * 1000 if seconds is not None else None)
            members.start(name)
            order.append(name)
            group = wait(etcd, whole)
            report("back", name)
    elections = etcd.term - first - moved
    write = median(writer.seconds) * 1000
    return Result(policy, tuple(order), elections, moved, writer.gap, write, tuple(commits))


def in_turn(names: Sequence[str]) -> Choose:
    return lambda group, left: next(name for name in names if name in left)


def results(binary: Path, directory: Path, report_line: Callable[[str], None]) -> list[Result]:
    names = list(SITES)
    shuffled = Random(7).sample(names, len(names))
    policies: tuple[tuple[str, Choose, bool], ...] = (
        ("fleet", fleets, True),
        ("by name", in_turn(names), False),
        (
            "zone by zone",
            in_turn(sorted(names, key=lambda name: (SITES[name] != "nyc", SITES[name], name))),
            False,
        ),
        ("random", in_turn(shuffled), False),
    )
    seconds = {frozenset(sites): trip for sites, trip in TRIPS.items()}
    measured = []
    for policy, choose, hand_over in policies:
        report_line(f"{policy} ...")
        folder = directory / policy.replace(" ", "-")
        with Members(
            binary, folder, now(), SITES, seconds, heartbeat_ms=200, election_ms=ELECTION_MS
        ) as members:
            measured.append(roll(members, adapter(members), policy, choose, hand_over))
    return measured


def table(measured: Sequence[Result]) -> str:
    lines = [
        f"{'policy':<14} {'order':<16} {'elections':>9} {'moves':>6} {'longest gap':>12} {'median write':>13}"
        f"  commit while one is away"
    ]
    for result in measured:
        commits = " ".join("?" if value is None else f"{value:.0f}" for value in result.commit_ms)
        order = " ".join(result.order)
        lines.append(
            f"{result.policy:<14} {order:<16} {result.elections:>9} {result.moved:>6} {result.gap_seconds:>10.2f} s "
            f"{result.write_ms:>10.0f} ms  {commits} ms"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, help="write the figures there too")
    options = parser.parse_args()
    binary = build.build(print).controlplane
    with TemporaryDirectory() as directory:
        measured = results(binary, Path(directory), print)
    print(f"\nfive members in three sites, election timeout {ELECTION_MS / 1000:.0f} s\n\n{table(measured)}")
    if options.json is not None:
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(measured)))


if __name__ == "__main__":
    main()
