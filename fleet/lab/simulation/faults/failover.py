"""The database loses its primary, and a standby is promoted that lacks its last entries."""

from __future__ import annotations

from random import Random

from fleet.lab.simulation.world import PERSON, World


def fail_over(world: World, rng: Random) -> str:
    """Loses the primary, with entries that its standby had not received: now, or right after the next reboot was sent.
    The start of a rollout was received."""
    count, seconds, leader_dies = (
        rng.choice([0, 1, 1, 2, 3, 5, 10, 20]),
        rng.uniform(1, 60),
        rng.random() < 0.5,
    )
    accepted = seconds + rng.uniform(1, 600)

    def strike() -> None:
        if world.journal.closed:
            return
        _lose(world, count, seconds, leader_dies)
        world.later(world.at + accepted, lambda: _accept(world))

    if rng.random() < 0.5:
        world.after_reboot = strike
        return "after the next reboot"
    strike()
    return "now"


def _lose(world: World, count: int, seconds: float, leader_dies: bool) -> None:
    """Loses the database for that long, and then its last entries. A process that stays knows that they were there, and
    notes it in the clusters' leases."""
    entries = world.journal.entries
    started = max(entry.seq for entry in entries if entry.record.kind == "start")
    lost = min(count, len(entries) - started)
    world.log(f"* the database loses {lost} entries")
    if not leader_dies:
        world.places.note(world.models)
    world.journal.lose(lost)
    world.checker.entries_lost(entries)
    world.journal.closed = "the primary is lost"
    leader = world.leader
    for controller in world.controllers:
        if leader_dies and controller is leader:
            world.kill(controller, "with the database")
        elif controller.alive and not controller.stopped:
            world.refused(controller, "the connection to the database was lost")

    def promoted() -> None:
        world.journal.closed = ""

    world.later(world.at + seconds, promoted)


def _accept(world: World) -> None:
    """Accepts in all clusters, as an operator does, that the journal lacks entries."""
    for cluster in world.models:
        if world.places.is_lost(cluster):
            world.log(f"{PERSON} accepts the journal for {cluster}")
            world.places.accept(cluster)
            world.reconnect(cluster)
