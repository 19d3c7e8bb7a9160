"""Judges a rollout over a stacked control plane, by what the members themselves and their clients see."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.cluster.rest import Json
from tests.etcd.raft_timeline import judged
from tests.machines.stack import MEMBERS, Stack
from tests.machines.workload import Environment

GAP = 10.0
"""Seconds. An election takes between two and four, and this computer has other things to do."""


@contextmanager
def one_voter_at_a_time(stack: Stack, testbed: Environment) -> Iterator[None]:
    """Each member reboots once, the leader last and moved first, while one client writes to etcd and another reads
    from the API server."""
    testbed.fleet.run("sync")
    before = etcd(testbed)
    voters, writer, reader = stack.voters(), stack.writer(), stack.reader()
    with voters.watched(), writer.at_work(), reader.reading():
        yield
    print(f"etcd: {len(writer.times)} writes, longest gap {writer.gap:.2f} s; {voters.timeline}")
    print(f"API: {reader.answers} answers, longest gap {reader.gap:.2f} s; {reader.errors}")
    assert judged(MEMBERS, voters.timeline) == [], voters.timeline
    assert sorted(voters.order) == sorted(MEMBERS), "each went once"
    assert voters.order[-1] == before["leader"], "the leader went last"
    assert writer.gap < GAP
    assert reader.gap < GAP, reader.errors
    testbed.fleet.run("sync")
    after = etcd(testbed)
    assert (after["voters"], after["healthy"]) == (3, 3)
    assert after["leader"] != before["leader"], "it was moved before its host went"


def etcd(testbed: Environment) -> Json:
    """As fleet knows it."""
    (found,) = [each for each in testbed.fleet.json("status")["quorums"] if each["kind"] == "etcd"]
    return dict(found)
