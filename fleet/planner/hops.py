"""Plans that take several rollouts, one after another: releases that may not be skipped lie between some nodes and the
target."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import NamedTuple

from msgspec import UnsetType
from msgspec.structs import replace

from fleet.core.cluster.snapshot import Snapshot
from fleet.core.objects.machine import Machine
from fleet.core.objects.node import Node, NodeRef
from fleet.core.planning.plan import Plan, PlannedHop
from fleet.core.releases.osimage import renamed
from fleet.core.releases.release import Release, Stream, built_for
from fleet.core.releases.upgrade_path import UpgradePaths
from fleet.planner.request import PlanRequest

MakePlan = Callable[[PlanRequest], Plan]


class Leg(NamedTuple):
    """One of the rollouts."""

    release: Release
    nodes: frozenset[NodeRef] | None
    """The nodes that go to the release. None: all that do not run it yet."""


def legs_of(request: PlanRequest) -> list[Leg]:
    """Returns the rollouts that bring the nodes to the requested release, in their order; the last one is to that release.
    Empty if one is enough.

    A release that may not be skipped is booted by the nodes that are behind it, and by no others.
    """
    between: dict[tuple[int, str], tuple[Release, set[NodeRef]]] = {}
    for stream, ref, hops in _routes(request):
        for release in hops[:-1]:
            place = stream.releases.index(release)
            between.setdefault((place, release.version), (release, set()))[1].add(ref)
    if not between:
        return []
    legs = [
        Leg(release, frozenset(nodes))
        for _, (release, nodes) in sorted(between.items(), key=lambda each: each[0])
    ]
    return [*legs, Leg(request.release, None)]


def leg_request(request: PlanRequest, leg: Leg) -> PlanRequest:
    """Returns the request for the plan of one rollout."""
    only = leg.nodes if leg.nodes is not None else request.only
    return replace(request, release=leg.release, only=only)


def hops_of(first: Plan, legs: Sequence[Leg], request: PlanRequest, make: MakePlan) -> tuple[PlannedHop, ...]:
    """Returns all rollouts with their times. `first` is the plan of the first one; the others are planned on what the
    nodes will run by then, each from the end of the one before on."""
    plan, snapshots, begin = first, request.snapshots, 0.0
    hops: list[PlannedHop] = []
    for leg in legs:
        if hops:
            snapshots = [_after(snapshot, plan, plan.target) for snapshot in snapshots]
            start = request.start + timedelta(seconds=begin)
            plan = make(leg_request(replace(request, snapshots=snapshots, start=start, urgency={}), leg))
        end = begin + plan.makespan_seconds
        why = None if isinstance(leg.release.barrier, UnsetType) else leg.release.barrier
        hops.append(PlannedHop(leg.release.version, len(plan.runs), len(plan.held), begin, end, why))
        begin = end
    return tuple(hops)


def _routes(request: PlanRequest) -> Iterator[tuple[Stream, NodeRef, tuple[Release, ...]]]:
    """Yields the way of every node of the pools."""
    paths: dict[str, UpgradePaths] = {}
    for snapshot in request.snapshots:
        machines = {machine.name: machine for machine in snapshot.machines}
        for node in snapshot.nodes:
            pool = request.policy.pool_of(snapshot.cluster, node)
            machine = machines.get(node.name)
            stream = request.policy.stream(pool.stream) if pool is not None else None
            if pool is None or pool.name not in request.pools or stream is None or machine is None:
                continue
            ref = NodeRef(snapshot.cluster, node.name)
            if machine.booted is None or (request.only is not None and ref not in request.only):
                continue
            ways = paths.setdefault(stream.name, UpgradePaths(stream, request.release))
            yield stream, ref, ways.route(machine.booted)


def _after(snapshot: Snapshot, plan: Plan, release: Release) -> Snapshot:
    """Returns the cluster once the plan's nodes run the release."""
    names = {run.node for run in plan.runs if run.cluster == snapshot.cluster}
    nodes = {node.name: node for node in snapshot.nodes}
    before = {machine.name: machine.booted for machine in snapshot.machines}
    return replace(
        snapshot,
        nodes=tuple(
            _renamed(node, before.get(node.name), release) if node.name in names else node
            for node in snapshot.nodes
        ),
        machines=tuple(
            _booted(machine, nodes.get(machine.name), release) if machine.name in names else machine
            for machine in snapshot.machines
        ),
    )


def _booted(machine: Machine, node: Node | None, release: Release) -> Machine:
    own = built_for(release, node.architecture if node is not None else "") or release
    kernel = release.kernel or machine.kernel
    return replace(machine, booted=own, kernel=kernel, staged=None)


def _renamed(node: Node, before: Release | None, release: Release) -> Node:
    image = None if before is None else renamed(node.os_image, before.version, release.version)
    return replace(node, os_image=image or node.os_image, kernel=release.kernel or node.kernel)
