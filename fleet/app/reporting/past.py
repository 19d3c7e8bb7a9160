"""The fleet at past moments, from the inventory's history and the journal. Only the database is read."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from msgspec import UNSET
from msgspec.structs import replace

from fleet.app.reporting.explain import find
from fleet.app.reporting.status import (
    clusters_of,
    fleet_status,
    is_whole,
    known_in,
    policy_for,
    refuse_unknown,
)
from fleet.app.reporting.totals.past import clusters_at, shown_moment
from fleet.app.reporting.totals.rollouts_then import rollouts_then
from fleet.app.rollouts.rollouts import Rollouts
from fleet.app.wiring.home import Home
from fleet.app.wiring.names import there_is
from fleet.app.wiring.source_records import machine_alone, only_in_sources, records_of
from fleet.app.wiring.sources.registry import source_of
from fleet.core.objects.known_node import KnownNode
from fleet.core.objects.node import NodeRef
from fleet.core.policy.policy import Policy
from fleet.core.records.errors import UsageError
from fleet.core.reporting.node_state import StatusNode
from fleet.core.reporting.overview import overview
from fleet.core.reporting.past.as_of import (
    without_unknown_steps,
)
from fleet.core.reporting.past.differences import FleetDiff, differences
from fleet.core.reporting.past.node_details import NodeDetails, details
from fleet.core.reporting.past.node_life import Interval, LifeEvent, NodeLife, NodeRun, life
from fleet.core.reporting.past.policy_then import policy_at
from fleet.core.reporting.selection import EVERYTHING, Selection, select
from fleet.core.reporting.status import FleetStatus
from fleet.core.rollout.codec import from_record
from fleet.core.rollout.decisions import StepFinished
from fleet.core.rollout.rollout import Rollout
from fleet.core.rollout.steps import Step
from fleet.core.sources.record import SourcedRecord

if TYPE_CHECKING:
    from fleet.store import ClusterRow

Moment = tuple[FleetStatus, list[KnownNode], Policy]


def status_at(home: Home, at: datetime, selection: Selection = EVERYTHING) -> FleetStatus:
    """Returns the status of everything, or at least of the selection, at a past moment.

    Conditions, releases and contacts are those of then. The target of a pool is that of the policy with which the last
    rollout had been started by then, or of the present policy. Raises UsageError for a moment in the future or of which
    nothing is known, and for an unknown cluster, site or pool.
    """
    return _at(home, at, selection)[0]


def moment_at(home: Home, at: datetime, selection: Selection) -> tuple[FleetStatus, Policy]:
    """Returns the status at a past moment, and the policy of then. Raises as `status_at` does."""
    status, _, policy = _at(home, at, selection)
    return status, policy


def diff(home: Home, begin: datetime, end: datetime, selection: Selection = EVERYTHING) -> FleetDiff:
    """Returns what differs between two moments. Raises as `status_at` does, and for an end before the begin."""
    if end <= begin:
        raise UsageError(
            f"the second moment ({shown_moment(end)}) is not after the first ({shown_moment(begin)})",
            "exchange --from and --to" if end < begin else "give two different moments",
        )
    before, known_before, _ = _at(home, begin, selection)
    after, known_after, _ = _at(home, end, selection)
    return differences(before, after, known_before, known_after)


def _at(home: Home, at: datetime, selection: Selection) -> Moment:
    rows = _chosen(clusters_at(home, at), selection.clusters)
    known = known_in(home, rows, at)
    rollouts = Rollouts.load(home.store).all
    policy = policy_at(policy_for(home, known), rollouts, at)
    found = overview(at, clusters_of(home, rows, known, {}), known, policy, rollouts_then(home, rollouts, at))
    unseen = only_in_sources(home, rows, known, at) if is_whole(selection) else {}
    found = replace(found, nodes=without_unknown_steps(found.nodes), only_in_sources=unseen or UNSET)
    refuse_unknown(selection, found, policy)
    return select(found, selection), known, policy


def _chosen(rows: Sequence[ClusterRow], names: Sequence[str]) -> Sequence[ClusterRow]:
    known = [row.name for row in rows]
    for name in names:
        if name not in known:
            raise UsageError(f"there was no cluster {name} at that moment", there_is(known, name))
    return [row for row in rows if not names or row.name in names]


def node_details(home: Home, name: str) -> NodeDetails:
    """Returns all that is known of a node now. Raises UsageError where no node, or more than one, has that name."""
    rows = home.clusters()
    known = known_in(home, rows)
    loaded = Rollouts.load(home.store)
    nodes = fleet_status(home, rollouts=loaded.all, known=known).nodes
    if name not in {row.name for row in nodes} and (alone := machine_alone(home, rows, known, name)):
        return _in_sources_alone(name, alone)
    status = find(nodes, name)
    ref = NodeRef(status.cluster, status.name)
    row = next(row for row in known if row.ref == ref)
    intervals = home.store.inventory.history(*ref)
    first = intervals[0].begin if intervals else None
    rollouts = [rollout.id for rollout in loaded.all if ref in rollout.runs]
    records = records_of(home, rows, known, ref)
    return details(status, row.node, row.machine, first, rollouts, _reach(home, status), records)


def _in_sources_alone(name: str, records: Sequence[SourcedRecord]) -> NodeDetails:
    """Returns what sources have of a machine that no cluster has."""
    facts = {fact: value for record in records for fact, value in record.machine.facts.items()}
    status = StatusNode(
        cluster="",
        site=facts.get("site", ""),
        zone=facts.get("zone", ""),
        pool="",
        name=name,
        os=facts.get("os", ""),
        version=facts.get("release", ""),
        kernel=facts.get("kernel", ""),
        booted="",
        staged="",
        target="",
        state="unknown",
        schedulable=False,
        pods=None,
    )
    return details(status, None, None, None, (), "", records)


def _reach(home: Home, status: StatusNode) -> str:
    """Returns how the node's machine is reached: hosts without a cluster over ssh, others as their pool says."""
    if source_of(home, home.cluster(status.cluster)).hosts_alone:
        return "ssh"
    pool = home.policy_if_any().pool(status.pool)
    return pool.reach if pool is not None else "agent"


def node_history(home: Home, name: str) -> NodeLife:
    """Returns the whole life of a node, also of one that is gone. Raises UsageError where no node, or more than one, has
    or had that name."""
    ref = _ref(home, name)
    store = home.store
    intervals = [
        Interval(row.begin, row.end, row.source, row.node, row.machine)
        for row in store.inventory.history(*ref)
    ]
    runs = [_run(home, rollout, ref) for rollout in Rollouts.load(store).all if ref in rollout.runs]
    events = life(intervals, runs, home.now())
    gaps = store.inventory.gaps(ref.cluster, [event.at for event in events if event.source != "journal"])
    return NodeLife(ref.cluster, ref.name, tuple(_placed(event, gaps.get(event.at)) for event in events))


def _placed(event: LifeEvent, before: datetime | None) -> LifeEvent:
    return event if before is None or event.source == "journal" else replace(event, not_before=before)


def _ref(home: Home, name: str) -> NodeRef:
    known = home.store.inventory.names()
    found = [ref for ref in known if name in (ref.name, str(ref))]
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(map(str, found))
        raise UsageError(f"{name} is ambiguous: {names}", "name the cluster too: CLUSTER/NODE")
    raise UsageError(
        f"no node {name} is known, now or in the past", there_is(sorted({ref.name for ref in known}), name)
    )


def _run(home: Home, rollout: Rollout, ref: NodeRef) -> NodeRun:
    run = rollout.runs[ref]
    rebooted: datetime | None = None
    for entry in home.store.journal.entries(rollout=rollout.id, node=str(ref), kinds=("step",)):
        record = from_record(entry.record)
        if isinstance(record, StepFinished) and record.to is Step.REBOOT:
            rebooted = entry.at
    return NodeRun(
        rollout=rollout.id,
        version=rollout.release.version,
        by=rollout.by,
        started=rollout.started_at,
        rebooted=rebooted,
        ended=run.since if run.ended else None,
        result=f"{run.step}{f': {run.why}' if run.why else ''}",
        boots=tuple(value for key, value in run.proof.items() if key.startswith("boot_id")),
    )
