"""Probes for well-known kinds of quorum groups. Each is a probe that a user could also write in the policy."""

from __future__ import annotations

from collections.abc import Mapping

from fleet.core.quorum.groups import QuorumKind
from fleet.core.quorum.probe import ExecProbe, HttpProbe, Probe, ProbeTerm
from fleet.core.quorum.quorum import QuorumRule

PRESETS: Mapping[QuorumKind, Probe] = {
    # Each server's admin server (ZooKeeper 3.5 and later). A follower serves only once it is in sync with its leader.
    "zookeeper": Probe(
        ask=HttpProbe(8080, "/commands/server_stats"),
        leader=ProbeTerm("server_stats.server_state", ("leader", "standalone")),
        voter=ProbeTerm("server_stats.server_state", ("leader", "follower", "standalone")),
        healthy=ProbeTerm("server_stats.server_state", ("leader", "follower", "observer", "standalone")),
        index="server_stats.last_processed_zxid",
        epoch_bits=32,
        version="version",
    ),
    # Any server answers with the leader's view; status 429 means that not all are healthy. Needs operator:read.
    "consul": Probe(
        ask=HttpProbe(8500, "/v1/operator/autopilot/health", also=(429,)),
        members="Servers",
        name="Name",
        leader=ProbeTerm("Leader"),
        voter=ProbeTerm("Voter"),
        healthy=ProbeTerm("Healthy"),
        index="LastIndex",
        version="Version",
    ),
    # There is no single leader: each range has its own. The group is healthy if every range has all its replicas.
    "cockroachdb": Probe(
        ask=HttpProbe(8080, "/_status/vars"),
        answer="metrics",
        settled=(ProbeTerm("ranges_underreplicated", ("0",)), ProbeTerm("ranges_unavailable", ("0",))),
    ),
    "kafka": Probe(
        ask=ExecProbe(
            (
                "/opt/kafka/bin/kafka-metadata-quorum.sh",
                "--bootstrap-controller",
                "localhost:9093",
                "describe",
                "--replication",
            )
        ),
        answer="table",
        members="rows",
        name="NodeId",
        leader=ProbeTerm("Status", ("Leader",)),
        voter=ProbeTerm("Status", ("Leader", "Follower")),
        index="LogEndOffset",
        heard="LastFetchTimestamp",
    ),
    # PostgreSQL itself does not vote, but a member that lags cannot take over. The lag is in bytes.
    "patroni": Probe(
        ask=HttpProbe(8008, "/cluster"),
        members="members",
        name="name",
        leader=ProbeTerm("role", ("leader", "standby_leader", "master")),
        healthy=ProbeTerm("state", ("running", "streaming", "in archive recovery")),
        lag="lag",
    ),
}
RULES: Mapping[QuorumKind, QuorumRule] = {"patroni": QuorumRule(lag_entries=16 << 20)}
"""Default rules of the kinds for which `QuorumRule()` does not fit."""


def default_rule(kind: QuorumKind) -> QuorumRule:
    """Returns the rule of a group of this kind for which the user declares none."""
    return RULES.get(kind, QuorumRule())
