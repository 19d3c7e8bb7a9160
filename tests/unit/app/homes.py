"""A home with one small simulated cluster in it, as a demo would leave it."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from fleet.app.planning.plans import plan
from fleet.app.rollouts.start import start
from fleet.app.wiring.home import DATABASE, Home
from fleet.app.wiring.sources.simulated_clock import CLOCK
from fleet.core.cluster.snapshot import Snapshot
from fleet.core.planning.plan import Plan
from fleet.lab.simulation.builders import NEW, OLD, START, a_budget, a_deployment, a_node, a_snapshot
from fleet.model.behaviour import ClusterBehaviour
from fleet.simulated.clock import SimulatedClock
from fleet.simulated.cluster import create
from fleet.store import ClusterRow, Store

POLICY = f"""\
streams:
  - name: stable
    releases:
      - {{version: {OLD.version}, digest: "{OLD.digest}", kernel: {OLD.kernel}}}
      - {{version: {NEW.version}, digest: "{NEW.digest}", kernel: {NEW.kernel}}}
pools:
  - name: workers
    selector: {{matchLabels: {{pool: workers}}}}
    stream: stable
    limits: {{max_unavailable: 2}}
    canaries: 0
"""


def small_cluster(cluster: str = "east") -> Snapshot:
    """Four nodes: n-2 is cordoned by another party, n-3 has the one pod of web/checkout, whose budget never lets it
    go."""
    nodes = [a_node(f"n-{number}", unschedulable=number == 2) for number in range(1, 5)]
    checkout = a_deployment("checkout", 1, [nodes[2]])
    return a_snapshot(nodes, checkout, [a_budget("checkout", 1, 0)], cluster=cluster)


def a_home(
    path: Path, *snapshots: Snapshot, unreachable: str = "", policy: str = POLICY, database: str = ""
) -> Home:
    home = Home(path, database)
    home.simulated.mkdir(parents=True)
    home.policy_file.write_text(policy)
    SimulatedClock(START, 60.0, home.simulated / CLOCK).save()
    if not database:
        Path(home.database).write_bytes(_empty_database())
    store = home.make()
    for snapshot in snapshots or (small_cluster(),):
        file = home.simulated / f"{snapshot.cluster}.json"
        why = "connection refused" if snapshot.cluster == unreachable else ""
        create(file, snapshot, ClusterBehaviour(), 1, START, why)
        store.clusters.add(ClusterRow(name=snapshot.cluster, sites=(snapshot.site,), kind="simulated"))
    return home


@cache
def _empty_database() -> bytes:
    """The tables are made once and copied: the migrations that make them have tests of their own."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / DATABASE
        Store.open(path).close()
        return path.read_bytes()


def a_started_rollout(home: Home) -> Plan:
    made = plan(home, ["workers"], NEW.version)
    start(home, made, lambda clusters: ())
    return made
