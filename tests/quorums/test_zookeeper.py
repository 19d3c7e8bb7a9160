"""The preset for ZooKeeper against a real one: three servers, and one of them rebooted."""

from __future__ import annotations

import asyncio
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fleet.core.guards import quorum as guard
from fleet.core.objects.node import Node, NodeRef
from fleet.core.objects.pod import Pod, PodRef
from fleet.core.objects.selector import Selector
from fleet.core.quorum.groups import GroupMembers, QuorumGroup
from fleet.core.quorum.presets import PRESETS
from fleet.core.quorum.probe import ExecProbe, HttpProbe
from fleet.core.quorum.quorum import Quorum, healthy, unhealthy_members
from fleet.core.records.errors import UnreachableError
from fleet.core.records.reasons.reason import Reason
from fleet.quorums.group import PodsPlace
from fleet.quorums.reading import read
from tests.quorums.zookeeper import Ensemble, need

GROUP = QuorumGroup(
    "zk", "east", "zookeeper", members=GroupMembers("data", Selector(), 3, PRESETS["zookeeper"])
)
PODS = [Pod("data", f"zk-{number}", str(number), node=f"n{number}") for number in (1, 2, 3)]
NODES = {each.node: Node(each.node, each.node) for each in PODS}
SECONDS = 150.0


class Loopback:
    """Asks the admin server of a pod's ordinal."""

    def __init__(self, ensemble: Ensemble) -> None:
        self._ensemble = ensemble

    async def ask(self, pod: PodRef, how: HttpProbe | ExecProbe) -> bytes:
        assert isinstance(how, HttpProbe)
        port = self._ensemble.admin[int(pod.name.removeprefix("zk-"))]
        return await asyncio.to_thread(get, f"http://127.0.0.1:{port}{how.path}")


def get(url: str) -> bytes:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            found: bytes = answer.read()
            return found
    except (urllib.error.URLError, OSError) as error:
        raise UnreachableError(f"{url}: {error}") from None


@pytest.fixture
def ensemble(tmp_path: Path) -> Iterator[Ensemble]:
    need()
    made = Ensemble(tmp_path, 3)
    try:
        for number in (1, 2, 3):
            made.start(number)
        yield made
    finally:
        made.stop()


async def until(ensemble: Ensemble, holds: Callable[[Quorum], bool]) -> Quorum:
    found = None
    try:
        async with asyncio.timeout(SECONDS):
            while True:
                now = datetime.now(UTC)  # noqa: TID251 - of a real server
                found = await read(GROUP, PodsPlace(NODES, "fra"), PODS, Loopback(ensemble), now)
                if holds(found):
                    return found
                await asyncio.sleep(0.2)
    except TimeoutError:
        raise AssertionError(f"after {SECONDS:.0f} s: {found}") from None


def whole(group: Quorum) -> bool:
    return group.leader is not None and len(healthy(group, GROUP.rule)) == 3


def test_members_are_known_through_a_reboot(ensemble: Ensemble) -> None:
    async def story() -> None:
        fresh = await until(ensemble, whole)
        # Nothing was written in this epoch: the followers still say 0.
        assert fresh.leader is not None
        assert (fresh.leader.index or 0) % (1 << 32) == 0
        assert fresh.leader.version.startswith("3.")

        await asyncio.to_thread(ensemble.write, 1, "/one")
        written = await until(ensemble, whole)
        assert len({member.index for member in written.members}) == 1
        assert written.leader is not None

        follower = next(member for member in written.members if not member.leader)
        other = next(member for member in written.members if member not in (follower, written.leader))
        assert follower.node is not None
        assert other.node is not None
        assert guard.held(written, GROUP.rule, follower.node, ()) is None

        ensemble.kill(int(follower.name.removeprefix("zk-")))
        without = await until(ensemble, lambda group: len(healthy(group, GROUP.rule)) == 2)
        [(unhealthy, why)] = unhealthy_members(without, GROUP.rule)
        assert unhealthy.name == follower.name
        assert why.startswith("does not vote: ") and "refused" in why
        held = guard.held(without, GROUP.rule, other.node, ())
        assert held is not None
        assert held.reason is Reason.QUORUM
        assert (
            guard.why_not_recovered(without, GROUP.rule, follower.node)
            == f"member {follower.name} of zk {why}"
        )

        ensemble.start(int(follower.name.removeprefix("zk-")))
        again = await until(ensemble, whole)
        assert guard.why_not_recovered(again, GROUP.rule, follower.node) == ""
        assert guard.held(again, GROUP.rule, NodeRef("east", other.node.name), ()) is None

    asyncio.run(story())


def test_server_without_a_majority_does_not_count(ensemble: Ensemble) -> None:
    async def story() -> None:
        await until(ensemble, whole)
        ensemble.kill(1)
        ensemble.kill(2)
        alone = await until(ensemble, lambda group: not healthy(group, GROUP.rule))
        assert alone.leader is None
        assert len(alone.voters) == 3

    asyncio.run(story())
