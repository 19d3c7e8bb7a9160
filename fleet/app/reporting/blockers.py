"""Finds what blocks a node, by the same guards that decide in a rollout: the engine, on the objects of the
inventory."""

from __future__ import annotations

from fleet.app.rollouts.rollouts import Rollouts
from fleet.app.wiring.home import Home
from fleet.core.cluster.snapshot import Snapshot
from fleet.core.engine.engine import Engine
from fleet.core.objects.node import NodeRef
from fleet.core.policy.policy import site_of
from fleet.core.records.held import Held
from fleet.core.records.reasons.reason import Reason
from fleet.core.rollout.event import ClusterLost, ClusterSynced, Upserted
from fleet.core.rollout.goal import Goal, Start
from fleet.core.rollout.replay import unfinished
from fleet.core.rollout.rollout import Rollout


def blockers(home: Home, ref: NodeRef) -> tuple[Held, ...]:
    """Returns what holds a node in its active rollout, or in a rollout of its own that would start now. Nothing is
    started or written."""
    now = home.now()
    rows = home.clusters()
    engine = Engine({row.name: row.site for row in rows})
    rollouts = Rollouts.load(home.store).all
    active = [rollout for rollout in rollouts if rollout.active]
    kept = [rollout for rollout in rollouts if not rollout.active and unfinished(rollout)]
    wanted = any(ref in rollout.runs for rollout in active)
    for row in rows:
        snapshot = home.store.inventory.snapshot(row.name)
        for thing in snapshot.objects():
            engine.observe(Upserted(row.name, thing), now)
        if row.last_error:
            engine.observe(ClusterLost(row.name, row.last_error), now)
        else:
            engine.observe(ClusterSynced(row.name, row.server_version), now)
        if row.name == ref.cluster and not wanted:
            active += _rollout_of_node(home, ref, snapshot)
    for rollout in (*kept, *active):
        engine.add(rollout)
    found = engine.why(ref, now)
    # A node alone in its rollout has no turn to wait for.
    return tuple(held for held in found if wanted or held.reason is not Reason.TURN)


def _rollout_of_node(home: Home, ref: NodeRef, snapshot: Snapshot) -> list[Rollout]:
    """Returns a rollout of this node alone, in a list; an empty list where the policy names no release for the
    node."""
    policy = home.policy_if_any()
    node = next((node for node in snapshot.nodes if node.name == ref.name), None)
    pool = policy.pool_of(ref.cluster, node) if node is not None else None
    release = policy.target(pool) if pool is not None else None
    if node is None or pool is None or release is None:
        return []
    goal = Goal(ref, node.uid, pool.name, site_of(node, snapshot.site), node.zone, canary=True)
    return [Rollout("a rollout", Start("", release, policy, (goal,)), home.now(), "")]
