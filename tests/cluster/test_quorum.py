"""A rollout over the nodes of a real etcd with three members: its vote is never lost, and its leader moves once."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fleet.core.quorum.groups import QuorumGroup
from fleet.core.quorum.quorum import Quorum, QuorumRule, healthy
from fleet.etcd.etcd import Etcd
from fleet.lab import Lab, build
from fleet.lab.etcd.members import Members
from tests.background import repeated
from tests.cluster.rest import Cluster
from tests.cluster.rolling import (
    NEW,
    POLICY,
    active,
    assert_left_clean,
    assert_proven,
    begun_fleet,
    upgraded,
    wait,
)
from tests.cluster.scenario import Scenario

ELECTION_MS = 5000
"""Long: on a busy machine a late heartbeat is not to look like a leader that is gone."""


def now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 - of a real etcd


class Power:
    """A member goes down with its node, and comes back with it. Knows the fewest members that ever ran at once."""

    def __init__(self, members: Members, cluster: Cluster) -> None:
        self._members, self._cluster = members, cluster
        self._down: set[str] = set()
        self.order: list[str] = []
        self.most_down = 0

    def look(self) -> None:
        for node in self._cluster.get("/api/v1/nodes")["items"]:
            name = node["metadata"]["name"]
            if name in self._members.sites:
                self._follow(name, _is_up(node))

    def _follow(self, name: str, up: bool) -> None:
        if up and name in self._down:
            self._members.start(name)
            self._down.discard(name)
        elif not up and name not in self._down:
            self._members.kill(name)
            self._down.add(name)
            self.order.append(name)
            self.most_down = max(self.most_down, len(self._down))


def _is_up(node: dict) -> bool:  # type: ignore[type-arg]
    return any(each["type"] == "Ready" and each["status"] == "True" for each in node["status"]["conditions"])


def quorums(members: Members, backup: Path) -> str:
    access = members.access
    return f"""\
quorums:
  - name: prod
    cluster: east
    kind: etcd
    endpoints: [{", ".join(access.endpoints)}]
    ca: {access.ca}
    cert: {access.cert}
    key: {access.key}
    soak: 1s
    snapshot: {{directory: {backup}, keep: 2}}
    defragment: true
"""


@pytest.mark.timeout(600)
def test_three_members_reboot_one_after_another_the_leader_last(lab: Lab, tmp_path: Path) -> None:
    home, backup = tmp_path / "home", tmp_path / "backup"
    with begun_fleet(lab, home, 6, Scenario((), False)) as (fleet, cluster, _):
        names = sorted(node["metadata"]["name"] for node in cluster.get("/api/v1/nodes")["items"])[:3]
        binary = build.build(lambda line: None).controlplane
        sites = dict.fromkeys(names, "fra")
        with Members(
            binary, tmp_path / "etcd", now(), sites, heartbeat_ms=500, election_ms=ELECTION_MS
        ) as members:
            (home / "fleet.yaml").write_text(POLICY.replace("25%", "6") + quorums(members, backup))
            etcd = Etcd(QuorumGroup("prod", "east", access=members.access), {})
            reading: list[Quorum] = []

            def well() -> bool:
                reading.append(etcd.read(now()))
                return len(healthy(reading[-1], QuorumRule())) == 3 and reading[-1].leader is not None

            wait(well, lambda: str(reading[-1]))
            leader = reading[-1].leader
            assert leader is not None
            fleet.run("sync")
            plan = fleet.json("plan", "--pool", "workers", "--pool", "storage", "--to", NEW)
            assert plan["held"] == []
            power = Power(members, cluster)
            with repeated(power.look, 0.05):
                fleet.run("rollout", "start", plan["plan_id"])
                wait(lambda: len(upgraded(cluster)) == 6, lambda: fleet.run("rollout", "status"))
                wait(lambda: not active(fleet), lambda: fleet.run("rollout", "status"))
            wait(well, lambda: str(reading[-1]))
        assert power.most_down == 1
        assert sorted(power.order) == names and power.order[-1] == leader.name
        assert_proven(fleet, "r-1", 6)
        assert_left_clean(cluster)
        kept = sorted(backup.glob("prod-*.db"))
        assert len(kept) == 2 and all(path.stat().st_mode & 0o777 == 0o600 for path in kept)
        reported = [entry["record"] for entry in json.loads(fleet.run("audit", "export"))["entries"]]
        done = [each["kind"] for each in reported if each["detail"].get("result") == "done"]
        arguments = [each for each in reported if each["kind"] == "defragment"]
        assert (done.count("move-leader"), done.count("snapshot"), done.count("defragment")) == (1, 3, 3), (
            arguments
        )
        saved = [
            each["detail"]["detail"]
            for each in reported
            if each["kind"] == "snapshot" and each["form"] == "outcome"
        ]
        assert all("sha256" in arguments for arguments in saved)
