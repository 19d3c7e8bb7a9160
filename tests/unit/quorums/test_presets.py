"""Quorum groups of each known kind, by their members' answers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from fleet.core.guards import quorum as guard
from fleet.core.objects.node import SITE_LABEL, ZONE_LABEL, Node, NodeRef
from fleet.core.objects.pod import Owner, Pod, PodRef
from fleet.core.objects.selector import Selector
from fleet.core.quorum.groups import GroupMembers, QuorumGroup, QuorumKind
from fleet.core.quorum.presets import PRESETS, default_rule
from fleet.core.quorum.probe import ExecProbe, HttpProbe, Probe, ProbeTerm
from fleet.core.quorum.quorum import Member, Quorum, healthy, unhealthy_members
from fleet.core.records.errors import UnreachableError
from fleet.quorums.group import PodsPlace
from fleet.quorums.reading import read
from tests.golden import GoldenFiles
from tests.unit.quorums import recorded

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
EPOCH = 3 << 32


class Pods:
    """Answers for pods, and remembers who was asked."""

    def __init__(self, answers: Mapping[str, bytes]) -> None:
        self._answers = answers
        self.asked: list[str] = []

    async def ask(self, pod: PodRef, how: HttpProbe | ExecProbe) -> bytes:
        self.asked.append(pod.name)
        if pod.name not in self._answers:
            raise UnreachableError(f"{pod} does not answer")
        return self._answers[pod.name]


def pod(name: str, *, ready: bool = True) -> Pod:
    return Pod("data", name, f"uid-{name}", node=f"node-{name}", labels={"app": "db"}, ready=ready)


def group(kind: QuorumKind, voters: int | None = None, probe: Probe | None = None) -> QuorumGroup:
    members = GroupMembers("data", Selector({"app": "db"}), voters, probe or PRESETS.get(kind))
    return QuorumGroup("g", "east", kind, default_rule(kind), members=members)


def reading(of: QuorumGroup, pods: list[Pod], answers: Mapping[str, bytes]) -> tuple[Quorum, list[str]]:
    nodes = {each.node: Node(each.node, f"uid-{each.node}") for each in pods}
    asks = Pods(answers)
    return asyncio.run(read(of, PodsPlace(nodes, "fra"), pods, asks, NOW)), asks.asked


def names(members: tuple[Member, ...]) -> list[str]:
    return [member.name for member in members]


def unhealthy(of: QuorumGroup, quorum: Quorum) -> dict[str, str]:
    return {member.name: why for member, why in unhealthy_members(quorum, of.rule)}


def zookeepers(count: int = 3) -> list[Pod]:
    return [pod(f"zk-{number}") for number in range(count)]


def test_zookeeper_reports_the_leader_and_the_index_of_each_member() -> None:
    of = group("zookeeper")
    answers = {
        "zk-0": recorded.zookeeper("follower", EPOCH + 3),
        "zk-1": recorded.zookeeper("leader", EPOCH + 5000),
        "zk-2": recorded.zookeeper("follower", EPOCH + 4990),
    }
    quorum, _ = reading(of, zookeepers(), answers)
    assert quorum.leader is not None
    assert (quorum.leader.name, quorum.leader.node) == ("zk-1", NodeRef("east", "node-zk-1"))
    assert names(healthy(quorum, of.rule)) == ["zk-1", "zk-2"]
    assert unhealthy(of, quorum) == {"zk-0": "is 4997 entries behind"}
    assert (quorum.read_at, quorum.unread, quorum.kind) == (NOW, "", "zookeeper")


def test_no_follower_is_behind_a_leader_without_writes_in_its_epoch() -> None:
    """A follower goes on naming the last zxid of the epoch before, or 0."""
    of = group("zookeeper")
    answers = {
        "zk-0": recorded.zookeeper("follower", 0),
        "zk-1": recorded.zookeeper("leader", EPOCH),
        "zk-2": recorded.zookeeper("follower", 0),
    }
    assert unhealthy(of, reading(of, zookeepers(), answers)[0]) == {}


def test_zookeeper_without_a_leader_does_not_count() -> None:
    of = group("zookeeper")
    answers = {f"zk-{number}": recorded.ZOOKEEPER_WITHOUT_LEADER for number in range(3)}
    quorum, _ = reading(of, zookeepers(), answers)
    assert healthy(quorum, of.rule) == ()
    assert quorum.leader is None
    assert len(quorum.voters) == 3


def test_observer_does_not_vote_and_a_silent_member_counts_as_a_voter() -> None:
    answers = {
        "zk-0": recorded.zookeeper("leader", EPOCH + 1),
        "zk-1": recorded.zookeeper("follower", EPOCH + 1),
        "zk-2": recorded.zookeeper("follower", EPOCH + 1),
        "zk-3": recorded.zookeeper("observer", EPOCH + 1),
    }
    assert names(reading(group("zookeeper"), zookeepers(5), answers)[0].voters) == [
        "zk-0",
        "zk-1",
        "zk-2",
        "zk-4",
    ]
    # All three voters are known: the silent one can only be an observer.
    declared, _ = reading(group("zookeeper", voters=3), zookeepers(5), answers)
    assert names(declared.voters) == ["zk-0", "zk-1", "zk-2"]


def test_declared_voters_that_are_missing_count_in_the_size() -> None:
    of = group("zookeeper", voters=5)
    answers = {f"zk-{number}": recorded.zookeeper("follower", EPOCH + 1) for number in range(3)}
    quorum, _ = reading(of, zookeepers(), answers)
    assert (len(quorum.voters), quorum.majority, len(healthy(quorum, of.rule))) == (5, 3, 3)


def test_unready_pod_does_not_count_whatever_it_answers() -> None:
    of = group("zookeeper")
    pods = [pod("zk-0", ready=False), pod("zk-1"), pod("zk-2")]
    answers = {each.name: recorded.zookeeper("follower", EPOCH + 1) for each in pods}
    quorum, _ = reading(of, pods, answers)
    assert unhealthy(of, quorum) == {"zk-0": "does not vote: its pod is not Ready"}


def test_group_in_which_no_member_answers_is_unread(golden: GoldenFiles) -> None:
    quorum, _ = reading(group("zookeeper"), zookeepers(), {})
    golden.check(quorum.unread)
    assert not any(member.reachable for member in quorum.members)


def test_group_without_pods_is_unread(golden: GoldenFiles) -> None:
    quorum, _ = reading(group("zookeeper", voters=3), [], {})
    golden.check(quorum.unread)
    assert len(quorum.voters) == 3


CONSULS = [pod(f"consul-server-{number}") for number in range(3)]


def test_consul_reports_all_servers_at_once() -> None:
    of = group("consul")
    answer = recorded.consul(
        ("consul-server-0", True, True, 9046, True),
        ("consul-server-1", False, True, 9040, True),
        ("consul-server-2", False, False, 12, True),
    )
    quorum, _ = reading(of, CONSULS, {each.name: answer for each in CONSULS})
    assert quorum.leader is not None
    assert quorum.leader.name == "consul-server-0"
    assert names(healthy(quorum, of.rule)) == ["consul-server-0", "consul-server-1"]
    assert unhealthy(of, quorum) == {"consul-server-2": "does not vote: reports false"}
    assert quorum.members[0].version == "1.17.0"


def test_worst_of_differing_answers_counts() -> None:
    of = group("consul")
    well = recorded.consul(*((each.name, each is CONSULS[0], True, 46, True) for each in CONSULS))
    other = recorded.consul(
        *((each.name, each is CONSULS[1], each is not CONSULS[2], 46, True) for each in CONSULS)
    )
    answers = {CONSULS[0].name: well, CONSULS[1].name: other, CONSULS[2].name: well}
    quorum, _ = reading(of, CONSULS, answers)
    assert quorum.leader is None
    assert unhealthy(of, quorum) == {"consul-server-2": "does not vote: reports false"}


def test_permanently_lost_server_still_counts_in_the_size() -> None:
    of = group("consul")
    servers = [(each.name, each is CONSULS[0], True, 46, True) for each in CONSULS]
    answer = recorded.consul(*servers, ("consul-server-3", False, False, 40, True))
    quorum, _ = reading(of, CONSULS, {each.name: answer for each in CONSULS})
    assert (len(quorum.voters), quorum.majority, len(healthy(quorum, of.rule))) == (4, 3, 3)


def test_member_name_that_matches_no_pod_is_not_guessed(
    golden: GoldenFiles,
) -> None:
    servers = [("node-a", True, True, 46, True), ("consul-server-1", False, True, 46, True)]
    quorum, _ = reading(group("consul"), CONSULS, {each.name: recorded.consul(*servers) for each in CONSULS})
    golden.check(quorum.unread)
    assert not any(member.reachable for member in quorum.members)
    assert [member.node for member in quorum.voters] == [NodeRef("east", each.node) for each in CONSULS]


def test_no_cockroachdb_node_counts_while_a_range_lacks_a_replica() -> None:
    of = group("cockroachdb")
    pods = [pod(f"cockroachdb-{number}") for number in range(5)]
    answers = {each.name: recorded.cockroachdb(0) for each in pods}
    whole, _ = reading(of, pods, answers)
    assert len(healthy(whole, of.rule)) == 5
    # Nobody leads the whole, and nobody is waited for after a reboot.
    assert guard.why_not_recovered(whole, of.rule, NodeRef("east", "node-cockroachdb-0")) == ""
    answers["cockroachdb-3"] = recorded.cockroachdb(0, second_store=2)
    quorum, _ = reading(of, pods, answers)
    assert healthy(quorum, of.rule) == ()
    assert unhealthy(of, quorum)["cockroachdb-0"] == "has alarm ranges_underreplicated is 2"


def test_answer_without_the_metric_decides_nothing() -> None:
    of = group("cockroachdb")
    pods = [pod(f"cockroachdb-{number}") for number in range(3)]
    quorum, _ = reading(of, pods, {each.name: b"up 1\n" for each in pods})
    assert unhealthy(of, quorum)["cockroachdb-0"].startswith(
        "has alarm ranges_underreplicated is not reported"
    )


def test_one_kafka_controller_is_asked_and_brokers_do_not_vote() -> None:
    of = group("kafka")
    pods = [pod(f"kafka-{number}") for number in (0, 1, 2, 7)]
    quorum, asked = reading(of, pods, {"kafka-1": recorded.KAFKA_OBSERVED})
    assert asked == ["kafka-0", "kafka-1"]
    assert names(quorum.voters) == ["kafka-0", "kafka-1", "kafka-2"]
    assert quorum.leader is not None
    assert quorum.leader.name == "kafka-0"
    assert unhealthy(of, quorum) == {}


@pytest.mark.parametrize(
    ("answer", "leader", "away"),
    [
        (recorded.KAFKA_HEALTHY, "kafka-0", {}),
        (recorded.KAFKA_KILLED, "kafka-0", {"kafka-2": "the leader has not heard from it for 9 s"}),
        (recorded.KAFKA_BACK, "kafka-0", {}),
        (recorded.KAFKA_STOPPED, "kafka-0", {"kafka-1": "the leader has not heard from it for 8 s"}),
        (recorded.KAFKA_LEADER_KILLED, "kafka-1", {"kafka-0": "the leader has never heard from it"}),
    ],
)
def test_controller_that_kafkas_leader_does_not_hear_of_is_unreachable(
    answer: bytes, leader: str, away: dict[str, str]
) -> None:
    """Its pod may be Ready, and it is a few entries behind at most: nothing is written there but a beat."""
    of = group("kafka")
    quorum, _ = reading(of, [pod(f"kafka-{number}") for number in range(3)], {"kafka-0": answer})
    assert quorum.leader is not None
    assert quorum.leader.name == leader
    assert unhealthy(of, quorum) == {name: f"does not vote: {why}" for name, why in away.items()}
    others = [each for each in range(3) if f"kafka-{each}" not in away]
    may_go = [
        guard.held(quorum, of.rule, NodeRef("east", f"node-kafka-{each}"), ()) is None for each in others
    ]
    assert any(may_go) == (not away)


def test_command_of_an_annotation_runs_in_the_workloads_own_pods_alone() -> None:
    of = group("kafka")
    assert of.members is not None
    of = replace(of, source="StatefulSet data/kafka", members=replace(of.members, owner="u-kafka"))
    own = replace(pod("kafka-1"), owner=Owner("StatefulSet", "kafka", "u-kafka"))
    other = replace(pod("kafka-0"), owner=Owner("StatefulSet", "vault", "u-vault"))
    _, asked = reading(of, [pod("kafka-2"), other, own], {"kafka-1": recorded.KAFKA_HEALTHY})
    assert asked == ["kafka-1"]
    _, asked = reading(of, [pod("kafka-2"), other], {"kafka-0": recorded.KAFKA_HEALTHY})
    assert asked == []


def test_group_of_too_many_pods_is_not_asked_and_a_slow_one_times_out(
    golden: GoldenFiles,
) -> None:
    of = group("zookeeper")
    quorum, asked = reading(of, [pod(f"zk-{number}") for number in range(101)], {})
    assert asked == []
    golden.check(quorum.unread, "too-many")

    class Slow:
        async def ask(self, pod: PodRef, how: HttpProbe | ExecProbe) -> bytes:
            await asyncio.Event().wait()
            return b""

    pods = zookeepers()
    quorum = asyncio.run(read(of, PodsPlace({}, "fra"), pods, Slow(), NOW, seconds=0.01))
    assert not healthy(quorum, of.rule)
    golden.check(quorum.unread, "slow")


def test_wrong_declaration_is_not_asked_and_its_pods_are_its_members() -> None:
    of = replace(group("zookeeper"), source="StatefulSet data/zk", wrong="no kind x")
    pods = zookeepers()
    quorum, asked = reading(of, pods, {each.name: b"{}" for each in pods})
    assert asked == [] and quorum.wrong and quorum.unread == "no kind x" and not quorum.declared
    assert [each.node for each in quorum.voters] == [NodeRef("east", f"node-zk-{n}") for n in range(3)]


def real_consul(answer: bytes, *unready: str) -> Quorum:
    pods = [pod(name, ready=name not in unready) for name in ("c-1", "c-2", "c-3")]
    quorum, _ = reading(group("consul", 3), pods, {each.name: answer for each in pods if each.ready})
    return quorum


def held_by(quorum: Quorum) -> dict[str, str]:
    """Of the nodes of all three: the reason that each is held for."""
    rule = group("consul").rule
    found = {
        name: guard.held(quorum, rule, NodeRef("east", f"node-{name}"), {}) for name in ("c-1", "c-2", "c-3")
    }
    return {name: str(held.reason) for name, held in found.items() if held is not None}


def test_real_consul_of_three_may_lose_one() -> None:
    quorum = real_consul(recorded.CONSUL_HEALTHY)
    assert quorum.leader is not None and quorum.leader.name == "c-1"
    assert held_by(quorum) == {}


def test_real_consul_first_reports_a_dead_server_as_healthy() -> None:
    """So whether its pod is Ready counts as well."""
    quorum = real_consul(recorded.CONSUL_HEALTHY, "c-3")
    assert held_by(quorum) == {"c-1": "quorum", "c-2": "quorum"}


def test_server_removed_by_a_real_consul_is_missing() -> None:
    quorum = real_consul(recorded.CONSUL_CLEANED, "c-3")
    assert {"c-1", "c-2"} <= held_by(quorum).keys()


def test_returned_server_without_a_vote_is_waited_for() -> None:
    quorum = real_consul(recorded.CONSUL_BACK)
    assert {"c-1", "c-2"} <= held_by(quorum).keys()


def test_real_consul_with_a_dead_leader_lets_no_node_go() -> None:
    quorum = real_consul(recorded.CONSUL_LEADER_DEAD, "c-1")
    assert held_by(quorum).keys() == {"c-1", "c-2", "c-3"}
    again = real_consul(recorded.CONSUL_LED_ANEW, "c-1")
    assert again.leader is not None and again.leader.name == "c-3"
    assert {"c-2", "c-3"} <= held_by(again).keys()


def test_patroni_reports_lag_in_bytes_and_a_stopped_replica_does_not_count() -> None:
    of = group("patroni")
    pods = [pod(f"acid-test-cluster-{number}") for number in range(3)]
    quorum, _ = reading(of, pods, {each.name: recorded.PATRONI for each in pods})
    assert quorum.leader is not None
    assert quorum.leader.name == "acid-test-cluster-0"
    assert unhealthy(of, quorum) == {"acid-test-cluster-2": "does not vote: reports stopped"}
    assert names(healthy(quorum, of.rule)) == ["acid-test-cluster-0", "acid-test-cluster-1"]


def test_replica_too_far_behind_is_out_of_step() -> None:
    of = group("patroni")
    pods = [pod(f"acid-test-cluster-{number}") for number in range(3)]
    answer = recorded.PATRONI.replace(b'"lag": 0', b'"lag": 33554432')
    quorum, _ = reading(of, pods, {each.name: answer for each in pods})
    assert unhealthy(of, quorum)["acid-test-cluster-1"] == "is 33554432 entries behind"


def patronis(*unready: str) -> list[Pod]:
    return [pod(name, ready=name not in unready) for name in ("pg-1", "pg-2", "pg-3")]


def test_real_patroni_with_all_members_streaming() -> None:
    of = group("patroni", 3)
    quorum, _ = reading(of, patronis(), dict.fromkeys(("pg-1", "pg-2", "pg-3"), recorded.PATRONI_HEALTHY))
    assert quorum.leader is not None and quorum.leader.name == "pg-1"
    assert names(healthy(quorum, of.rule)) == ["pg-1", "pg-2", "pg-3"]
    assert unhealthy(of, quorum) == {}


def test_real_patroni_reports_a_dead_member_as_streaming_until_its_ttl() -> None:
    """So whether the member's pod is Ready counts as well."""
    of = group("patroni", 3)
    answers = dict.fromkeys(("pg-1", "pg-3"), recorded.PATRONI_SWITCHED)
    quorum, _ = reading(of, patronis("pg-2"), answers)
    assert quorum.leader is not None and quorum.leader.name == "pg-3"
    assert names(healthy(quorum, of.rule)) == ["pg-1", "pg-3"]
    assert list(unhealthy(of, quorum)) == ["pg-2"]


def test_member_that_a_real_patroni_no_longer_reports_is_missing() -> None:
    of = group("patroni", 3)
    answers = dict.fromkeys(("pg-1", "pg-3"), recorded.PATRONI_WITHOUT_ONE)
    quorum, _ = reading(of, patronis("pg-2"), answers)
    assert names(healthy(quorum, of.rule)) == ["pg-1", "pg-3"]
    held = guard.held(quorum, of.rule, NodeRef("east", "node-pg-1"), {})
    assert held is not None and (held.params["remaining"], held.params["voters"]) == (1, 3)


def test_declared_group_goes_by_the_readiness_of_its_pods() -> None:
    of = group("pods")
    quorum, asked = reading(of, [pod("a"), pod("b", ready=False), pod("c")], {})
    assert asked == []
    assert (quorum.declared, quorum.unread) == (True, "")
    assert names(healthy(quorum, of.rule)) == ["a", "c"]


def test_probe_of_lines_and_terms() -> None:
    probe = Probe(
        ExecProbe(("own", "state")),
        "lines",
        leader=ProbeTerm("role", ("primary",)),
        healthy=ProbeTerm("state.ready", ("true",)),
        lag="behind",
    )
    of = group("pods", probe=probe)
    answers = {
        "a": b"role primary\nstate.ready true\n",
        "b": b"role other\nstate.ready true\nbehind 5\n",
        "c": b"role other\nstate.ready false\nbehind 0\n",
    }
    quorum, _ = reading(of, [pod("a"), pod("b"), pod("c")], answers)
    assert names(healthy(quorum, of.rule)) == ["a", "b"]
    assert quorum.members[1].index == -5
    assert quorum.members[2].errors == ("reports false",)


def test_unreadable_answer_counts_as_none() -> None:
    of = group("zookeeper")
    answers = {"zk-0": b"<html>", "zk-1": b"[1, 2", "zk-2": recorded.zookeeper("leader", 5)}
    quorum, _ = reading(of, zookeepers(), answers)
    message = unhealthy(of, quorum)
    assert set(message) == {"zk-0", "zk-1"}
    assert all(each.startswith("does not vote: the answer is not json") for each in message.values())


def test_site_of_a_member_is_that_of_its_node_or_its_cluster() -> None:
    of = group("pods")
    pods = [pod("a"), pod("b")]
    nodes = {"node-a": Node("node-a", "1", labels={SITE_LABEL: "nyc"}), "node-b": Node("node-b", "2")}
    quorum = asyncio.run(read(of, PodsPlace(nodes, "fra"), pods, Pods({}), NOW))
    assert [member.site for member in quorum.members] == ["nyc", "fra"]


def test_place_of_a_member_is_its_nodes_zone_where_zones_may_fail() -> None:
    of = replace(group("pods"), spread="zone")
    nodes = {
        "node-a": Node("node-a", "1", labels={SITE_LABEL: "nyc", ZONE_LABEL: "nyc-1"}),
        "node-b": Node("node-b", "2", labels={ZONE_LABEL: "fra-1"}),
        "node-c": Node("node-c", "3"),
    }
    pods = [pod("a"), pod("b"), pod("c")]
    quorum = asyncio.run(read(of, PodsPlace(nodes, "fra"), pods, Pods({}), NOW))
    assert [member.site for member in quorum.members] == ["nyc-1", "fra-1", "fra"]
