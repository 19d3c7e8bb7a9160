"""What real members answer, shortened to what matters, and where it is from."""

from __future__ import annotations

import json


def zookeeper(state: str, zxid: int) -> bytes:
    """GET /commands/server_stats of a ZooKeeper 3.8.0 (Debian's package), three servers, read on 23 November 2026."""
    stats = {
        "packets_sent": 3,
        "provider_null": False,
        "server_state": state,
        "outstanding_requests": 0,
        "last_processed_zxid": zxid,
        "uptime": 8737,
    }
    return json.dumps(
        {
            "version": "3.8.0-${mvngit.commit.id}, built on 2024-12-29 17:54 UTC",
            "read_only": False,
            "server_stats": stats,
            "node_count": 7,
            "command": "server_stats",
            "error": None,
        }
    ).encode()


ZOOKEEPER_WITHOUT_LEADER = json.dumps(
    {"command": "server_stats", "error": "This ZooKeeper instance is not currently serving requests"}
).encode()
"""The same server, status 200, while it looks for a leader."""


def consul(*servers: tuple[str, bool, bool, int, bool]) -> bytes:
    """GET /v1/operator/autopilot/health, in the shape that Consul's API documentation shows. Of each server: its name,
    whether it leads, is healthy, its last index, and whether it votes."""
    return json.dumps(
        {
            "Healthy": all(healthy for _, _, healthy, _, _ in servers),
            "FailureTolerance": 1,
            "Servers": [
                {
                    "ID": f"e349749b-3303-3ddf-959c-b5885a0e1f6{number}",
                    "Name": name,
                    "Address": f"10.0.0.{number}:8300",
                    "SerfStatus": "alive" if healthy else "failed",
                    "Version": "1.17.0",
                    "Leader": leads,
                    "LastContact": "0s" if leads else "27.291304ms",
                    "LastTerm": 2,
                    "LastIndex": index,
                    "Healthy": healthy,
                    "Voter": votes,
                    "StableSince": "2017-03-06T22:07:51Z",
                }
                for number, (name, leads, healthy, index, votes) in enumerate(servers, 1)
            ],
        }
    ).encode()


def cockroachdb(underreplicated: int, second_store: int = 0) -> bytes:
    """GET /_status/vars: two of the metrics, as a node with two stores gives them."""
    return f"""\
# HELP ranges_underreplicated Number of ranges with fewer live replicas than the replication target
# TYPE ranges_underreplicated gauge
ranges_underreplicated{{store="1",node_id="1"}} {underreplicated}
ranges_underreplicated{{store="2",node_id="1"}} {second_store}
# HELP ranges_unavailable Number of ranges with fewer live replicas than needed for quorum
# TYPE ranges_unavailable gauge
ranges_unavailable{{store="1",node_id="1"}} 0
ranges_unavailable{{store="2",node_id="1"}} 0
""".encode()


KAFKA_HEALTHY = b"""\
NodeId\tDirectoryId           \tLogEndOffset\tLag\tLastFetchTimestamp\tLastCaughtUpTimestamp\tStatus  \t
0     \tAAAAAAAAAAAAAAAAAAAAAA\t179         \t0  \t1795458718938     \t1795458718938        \tLeader  \t
1     \tAAAAAAAAAAAAAAAAAAAAAA\t179         \t0  \t1795458718637     \t1795458718637        \tFollower\t
2     \tAAAAAAAAAAAAAAAAAAAAAA\t179         \t0  \t1795458718641     \t1795458718641        \tFollower\t
"""
"""kafka-metadata-quorum.sh describe --replication of a real Kafka 4.1.0 with three controllers, and those that follow."""

KAFKA_KILLED = b"""\
NodeId\tDirectoryId           \tLogEndOffset\tLag\tLastFetchTimestamp\tLastCaughtUpTimestamp\tStatus  \t
0     \tAAAAAAAAAAAAAAAAAAAAAA\t202         \t0  \t1795458730391     \t1795458730391        \tLeader  \t
1     \tAAAAAAAAAAAAAAAAAAAAAA\t202         \t0  \t1795458730163     \t1795458730163        \tFollower\t
2     \tAAAAAAAAAAAAAAAAAAAAAA\t183         \t19 \t1795458721124     \t1795458720725        \tFollower\t
"""
"""Controller 2 was killed nine seconds before: so few entries are written that it is hardly behind."""

KAFKA_BACK = b"""\
NodeId\tDirectoryId           \tLogEndOffset\tLag\tLastFetchTimestamp\tLastCaughtUpTimestamp\tStatus  \t
0     \tAAAAAAAAAAAAAAAAAAAAAA\t340         \t0  \t1795458799139     \t1795458799139        \tLeader  \t
1     \tAAAAAAAAAAAAAAAAAAAAAA\t340         \t0  \t1795458798707     \t1795458798707        \tFollower\t
2     \tAAAAAAAAAAAAAAAAAAAAAA\t340         \t0  \t1795458798716     \t1795458798716        \tFollower\t
"""

KAFKA_STOPPED = b"""\
NodeId\tDirectoryId           \tLogEndOffset\tLag\tLastFetchTimestamp\tLastCaughtUpTimestamp\tStatus  \t
0     \tAAAAAAAAAAAAAAAAAAAAAA\t355         \t0  \t1795458806483     \t1795458806483        \tLeader  \t
1     \tAAAAAAAAAAAAAAAAAAAAAA\t340         \t15 \t1795458798707     \t1795458798707        \tFollower\t
2     \tAAAAAAAAAAAAAAAAAAAAAA\t355         \t0  \t1795458806233     \t1795458806233        \tFollower\t
"""
"""Controller 1 was stopped, not killed."""

KAFKA_LEADER_KILLED = b"""\
NodeId\tDirectoryId           \tLogEndOffset\tLag\tLastFetchTimestamp\tLastCaughtUpTimestamp\tStatus  \t
1     \tAAAAAAAAAAAAAAAAAAAAAA\t373         \t0  \t1795458816959     \t1795458816959        \tLeader  \t
0     \tAAAAAAAAAAAAAAAAAAAAAA\t-1          \t374\t-1                \t-1                   \tFollower\t
2     \tAAAAAAAAAAAAAAAAAAAAAA\t373         \t0  \t1795458816943     \t1795458816943        \tFollower\t
"""
"""The leader was killed: another was elected, which has never heard of it."""

KAFKA_OBSERVED = (
    KAFKA_HEALTHY
    + b"""\
7     \tAAAAAAAAAAAAAAAAAAAAAA\t178         \t1  \t1795458718637     \t1795458718637        \tObserver\t
"""
)
"""With a broker, in the shape that Kafka documents; the others are recorded."""

PATRONI = b"""\
{"members": [{"name": "acid-test-cluster-0", "role": "leader", "state": "running",
"api_url": "http://192.168.100.1:8008/patroni", "host": "192.168.100.1", "port": 5432, "timeline": 1},
{"name": "acid-test-cluster-1", "role": "sync_standby", "state": "streaming",
"api_url": "http://192.168.100.2:8008/patroni", "host": "192.168.100.2", "port": 5432, "timeline": 1, "lag": 0},
{"name": "acid-test-cluster-2", "role": "replica", "state": "stopped", "host": "192.168.100.3", "port": 5432,
"lag": "unknown"}], "scope": "acid-test-cluster"}"""
"""GET /cluster, in the shape that the tests of Zalando's operator for PostgreSQL have, with a stopped replica."""


PATRONI_HEALTHY = json.dumps(
    {
        "members": [
            {"name": "pg-1", "role": "leader", "state": "running", "timeline": 1},
            {
                "name": "pg-2",
                "role": "replica",
                "state": "streaming",
                "timeline": 1,
                "receive_lag": 0,
                "receive_lsn": "0/4000060",
                "replay_lag": 0,
                "replay_lsn": "0/4000060",
                "lag": 0,
                "lsn": "0/4000060",
            },
            {
                "name": "pg-3",
                "role": "replica",
                "state": "streaming",
                "timeline": 1,
                "receive_lag": 0,
                "receive_lsn": "0/4000060",
                "replay_lag": 0,
                "replay_lsn": "0/4000060",
                "lag": 0,
                "lsn": "0/4000060",
            },
        ],
        "scope": "demo",
    }
).encode()
"""Three members, pg-1 leads. GET /cluster of a Patroni 4.1.5 with its own raft, on PostgreSQL 15, read on 23 November
2026; addresses are left out."""
PATRONI_SWITCHED = json.dumps(
    {
        "members": [
            {
                "name": "pg-1",
                "role": "replica",
                "state": "streaming",
                "timeline": 2,
                "receive_lag": 0,
                "receive_lsn": "0/64D2F98",
                "replay_lag": 0,
                "replay_lsn": "0/64D2F98",
                "lag": 0,
                "lsn": "0/64D2F98",
            },
            {
                "name": "pg-2",
                "role": "replica",
                "state": "streaming",
                "timeline": 1,
                "receive_lag": 1624,
                "receive_lsn": "0/64D2940",
                "replay_lag": 1624,
                "replay_lsn": "0/64D2940",
                "lag": 1624,
                "lsn": "0/64D2940",
            },
            {"name": "pg-3", "role": "leader", "state": "running", "timeline": 2},
        ],
        "scope": "demo",
    }
).encode()
"""The same eight seconds after pg-2 was killed, and two after leadership was handed to pg-3: the dead member is told as
before, on the old timeline."""
PATRONI_WITHOUT_ONE = json.dumps(
    {
        "members": [
            {
                "name": "pg-1",
                "role": "replica",
                "state": "streaming",
                "timeline": 2,
                "receive_lag": 0,
                "receive_lsn": "0/64D2FD0",
                "replay_lag": 0,
                "replay_lsn": "0/64D2FD0",
                "lag": 0,
                "lsn": "0/64D2FD0",
            },
            {"name": "pg-3", "role": "leader", "state": "running", "timeline": 2},
        ],
        "scope": "demo",
    }
).encode()
"""Half a minute after that, once the time to live has passed: the dead member is told no more."""

CONSUL_HEALTHY = json.dumps(
    {
        "Healthy": True,
        "FailureTolerance": 1,
        "Servers": [
            {
                "Name": "c-1",
                "SerfStatus": "alive",
                "Version": "1.22.0",
                "Leader": True,
                "LastContact": "0s",
                "LastTerm": 2,
                "LastIndex": 25,
                "Healthy": True,
                "Voter": True,
            },
            {
                "Name": "c-2",
                "SerfStatus": "alive",
                "Version": "1.22.0",
                "Leader": False,
                "LastContact": "30.59219ms",
                "LastTerm": 2,
                "LastIndex": 25,
                "Healthy": True,
                "Voter": True,
            },
            {
                "Name": "c-3",
                "SerfStatus": "alive",
                "Version": "1.22.0",
                "Leader": False,
                "LastContact": "80.50353ms",
                "LastTerm": 2,
                "LastIndex": 25,
                "Healthy": True,
                "Voter": True,
            },
        ],
    }
).encode()
"""Status 200. GET /v1/operator/autopilot/health of a Consul 1.22.0, three servers, read on 23 November 2026; ids and
addresses are left out. Two seconds after c-3 was killed it still said the same."""

CONSUL_CLEANED = json.dumps(
    {
        "Healthy": True,
        "FailureTolerance": 0,
        "Servers": [
            {
                "Name": "c-2",
                "SerfStatus": "alive",
                "Version": "1.22.0",
                "Leader": False,
                "LastContact": "25.080027ms",
                "LastTerm": 2,
                "LastIndex": 32,
                "Healthy": True,
                "Voter": True,
            },
            {
                "Name": "c-1",
                "SerfStatus": "alive",
                "Version": "1.22.0",
                "Leader": True,
                "LastContact": "0s",
                "LastTerm": 2,
                "LastIndex": 32,
                "Healthy": True,
                "Voter": True,
            },
        ],
    }
).encode()
"""Status 200. Some fifteen seconds after c-3 was killed: autopilot has taken it out: a group of two now."""

CONSUL_BACK = json.dumps(
    {
        "Healthy": True,
        "FailureTolerance": 0,
        "Servers": [
            {
                "Name": "c-1",
                "SerfStatus": "alive",
                "Version": "1.22.0",
                "Leader": True,
                "LastContact": "0s",
                "LastTerm": 2,
                "LastIndex": 37,
                "Healthy": True,
                "Voter": True,
            },
            {
                "Name": "c-2",
                "SerfStatus": "alive",
                "Version": "1.22.0",
                "Leader": False,
                "LastContact": "5.545581ms",
                "LastTerm": 2,
                "LastIndex": 37,
                "Healthy": True,
                "Voter": True,
            },
            {
                "Name": "c-3",
                "SerfStatus": "alive",
                "Version": "1.22.0",
                "Leader": False,
                "LastContact": "27.819716ms",
                "LastTerm": 2,
                "LastIndex": 37,
                "Healthy": True,
                "Voter": False,
            },
        ],
    }
).encode()
"""Status 200. c-3 is back for some seconds, and has no vote until it has been stable for ten."""

CONSUL_LEADER_DEAD = json.dumps(
    {
        "Healthy": False,
        "FailureTolerance": 0,
        "Servers": [
            {
                "Name": "c-1",
                "SerfStatus": "failed",
                "Version": "1.22.0",
                "Leader": True,
                "LastContact": "0s",
                "LastTerm": 2,
                "LastIndex": 41,
                "Healthy": False,
                "Voter": True,
            },
            {
                "Name": "c-2",
                "SerfStatus": "alive",
                "Version": "1.22.0",
                "Leader": False,
                "LastContact": "11.978945503s",
                "LastTerm": 2,
                "LastIndex": 41,
                "Healthy": False,
                "Voter": True,
            },
            {
                "Name": "c-3",
                "SerfStatus": "alive",
                "Version": "1.22.0",
                "Leader": False,
                "LastContact": "12.021468468s",
                "LastTerm": 2,
                "LastIndex": 41,
                "Healthy": False,
                "Voter": True,
            },
        ],
    }
).encode()
"""Status 429. Twelve seconds after the leader, c-1, was killed."""

CONSUL_LED_ANEW = json.dumps(
    {
        "Healthy": True,
        "FailureTolerance": 0,
        "Servers": [
            {
                "Name": "c-2",
                "SerfStatus": "alive",
                "Version": "1.22.0",
                "Leader": False,
                "LastContact": "16.364573ms",
                "LastTerm": 3,
                "LastIndex": 48,
                "Healthy": True,
                "Voter": True,
            },
            {
                "Name": "c-3",
                "SerfStatus": "alive",
                "Version": "1.22.0",
                "Leader": True,
                "LastContact": "0s",
                "LastTerm": 3,
                "LastIndex": 48,
                "Healthy": True,
                "Voter": True,
            },
        ],
    }
).encode()
"""Status 200. Some twenty seconds after that."""
