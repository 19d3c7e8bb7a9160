"""Faults of other controllers: they mark a node that they delete or work on, for a while; some do delete the node."""

from __future__ import annotations

from random import Random

from msgspec.structs import replace

from fleet.core.objects.node import Node, Taint
from fleet.core.objects.pod import PodRef
from fleet.core.objects.workload import NodeLock, Workload
from fleet.core.third_parties.maintenance import Maintenance
from fleet.lab.simulation.builders import START
from fleet.lab.simulation.faults.nodes import delete_node
from fleet.lab.simulation.world import World
from fleet.model.model import Model

TAINTS = (
    "ToBeDeletedByClusterAutoscaler",
    "karpenter.sh/disrupted",
    "node.cloudprovider.kubernetes.io/uninitialized",
    "aws-node-termination-handler/spot-itn",
)
SOFT_TAINT = "DeletionCandidateOfClusterAutoscaler"
LASTING_TAINT = "node.kubernetes.io/out-of-service"
ANNOTATIONS = {
    "weave.works/kured-reboot-in-progress": "2026-11-02T09:00:00Z",
    "machineconfiguration.openshift.io/state": "Working",
    "flatcar-linux-update.v1.flatcar-linux.net/reboot-ok": "true",
}
KEEPS_OFF = ("cluster-autoscaler.kubernetes.io/scale-down-disabled", "karpenter.sh/do-not-disrupt")
KURED = PodRef("kube-system", "kured")


def taint(world: World, model: Model, node: Node, rng: Random) -> str:
    """Puts a taint of another controller on the node."""
    key = rng.choice([*TAINTS, SOFT_TAINT, LASTING_TAINT])
    length = rng.choice([rng.uniform(5, 900), 5000.0])
    model.stranger.taint(node.name, *node.taints, Taint(key, "NoSchedule", "1793610000"))
    world.checker.strangers.mark(model.cluster, node.name, key)
    if key != SOFT_TAINT:
        world.checker.strangers.claim(world.at, model.cluster, node.name)
    if key in TAINTS[:2] and rng.random() < 0.4:
        world.later(world.at + length, lambda: _delete(world, model, node, rng))
        return f"{key} on {node.name}, which is deleted after {length:.0f} s"
    world.later(world.at + length, lambda: leave(world, model, node.name))
    return f"{key} on {node.name} for {length:.0f} s"


def annotate(world: World, model: Model, node: Node, rng: Random) -> str:
    key = rng.choice(list(ANNOTATIONS))
    length = rng.choice([rng.uniform(5, 900), 5000.0])
    model.stranger.annotate(node.name, key, ANNOTATIONS[key])
    world.checker.strangers.mark(model.cluster, node.name, key)
    world.checker.strangers.claim(world.at, model.cluster, node.name)
    world.later(world.at + length, lambda: leave(world, model, node.name))
    return f"{key} on {node.name} for {length:.0f} s"


def maintain(world: World, model: Model, node: Node, rng: Random) -> str:
    """Announces maintenance by an object such as a NodeMaintenance, or by kured's lock."""
    length = rng.choice([rng.uniform(5, 900), 5000.0])
    if rng.random() < 0.3:
        locked = (workload for workload in model.snapshot(START).workloads if workload.locks)
        daemon_set = next(locked, Workload("DaemonSet", *KURED, "uid-kured", replicas=0))
        locks = (*_without(daemon_set, node.name), NodeLock(node.name))
        model.stranger.put_workload(replace(daemon_set, locks=locks))
        announced = "kured's lock"
    else:
        kind = rng.choice(["maintenance.nvidia.com", "nodemaintenance.medik8s.io"])
        announced = f"nodemaintenances.{kind}"
        work = Maintenance(
            announced, "", f"nm-{node.name}", f"uid-nm-{node.name}", node.name, phase="Draining"
        )
        model.stranger.put_maintenance(work)
    world.checker.strangers.claim(world.at, model.cluster, node.name)
    world.later(world.at + length, lambda: leave(world, model, node.name))
    return f"{announced} for {node.name} for {length:.0f} s"


def keep_off(world: World, model: Model, node: Node, rng: Random) -> str:
    """Keeps autoscalers off the node for good, as a user does."""
    key = rng.choice(KEEPS_OFF)
    if key in node.annotations:
        return ""
    model.stranger.annotate(node.name, key, "true")
    world.checker.strangers.annotate(model.cluster, node.name, key)
    return f"{key} on {node.name}"


def leave(world: World, model: Model, name: str) -> None:
    """Ends everything that others have announced for the node."""
    node = next((node for node in model.snapshot(START).nodes if node.name == name), None)
    for work in model.snapshot(START).maintenances:
        if work.node == name:
            model.stranger.delete_maintenance(work)
    for workload in model.snapshot(START).workloads:
        other_locks = _without(workload, name)
        if other_locks != workload.locks and other_locks:
            model.stranger.put_workload(replace(workload, locks=other_locks))
        elif other_locks != workload.locks:
            model.stranger.delete_workload(workload)
    world.checker.strangers.leave(model.cluster, name)
    if node is None:
        return
    remaining = [taint for taint in node.taints if taint.key not in (*TAINTS, SOFT_TAINT, LASTING_TAINT)]
    if len(remaining) != len(node.taints):
        model.stranger.taint(name, *remaining)
    for key in ANNOTATIONS:
        if key in node.annotations:
            model.stranger.annotate(name, key, None)


def _without(daemon_set: Workload, node: str) -> tuple[NodeLock, ...]:
    """Returns its locks of other nodes: several may be locked at once."""
    return tuple(lock for lock in daemon_set.locks if lock.node != node)


def end_all(world: World, model: Model) -> None:
    """Ends the work of others on every node, and removes the annotations that kept autoscalers off."""
    now = model.snapshot(START)
    about = {work.node for work in now.maintenances} | {
        lock.node for workload in now.workloads for lock in workload.locks
    }
    for name in sorted(about | {node.name for node in now.nodes}):
        leave(world, model, name)
    for node in now.nodes:
        for key in world.checker.strangers.annotated(model.cluster, node.name):
            world.checker.strangers.unannotate(model.cluster, node.name, key)
            model.stranger.annotate(node.name, key, None)


def _delete(world: World, model: Model, node: Node, rng: Random) -> None:
    uids = {node.name: node.uid for node in model.snapshot(START).nodes}
    if uids.get(node.name) == node.uid:
        delete_node(world, model, node, rng)
