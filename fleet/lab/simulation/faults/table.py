"""The table of faults by kind. Each function applies the fault to a world and returns a description of the effect; an empty
text if there was nothing to act on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random

from fleet.lab.simulation.builders import START
from fleet.lab.simulation.faults import control, failover, groups, hostile, machines, nodes, others, workloads
from fleet.lab.simulation.world import World
from fleet.model.model import Model


def _ambush(world: World, rng: Random) -> str:
    """Prepares a fault between a run's step and what the run does in the step."""
    step = rng.choice(["cordon", "drain", "reboot", "verify", "uncordon", "soak", "return"])
    act = rng.choice([nodes.cordon, nodes.uncordon, nodes.delete_node, nodes.replace_node, nodes.unready])

    def befall(model: Model, name: str) -> None:
        node = next((node for node in model.snapshot(START).nodes if node.name == name), None)
        if node is not None:
            world.log(f"* ambush: {act.__name__.replace('_', ' ')} {act(world, model, node, rng)}")

    world.ambush = step, befall
    return f"for the next one that comes to {step}"


def _abort_in_step(world: World, rng: Random) -> str:
    """Aborts at the moment at which a node is about to go out of service."""
    step = rng.choice(["cordon", "cordon", "drain"])

    def befall(model: Model, name: str) -> None:
        for rollout in world.checker.rollouts.values():
            if not rollout.ended and not world.journal.closed:
                world.log(f"* abort while {name} is in {step}")
                world.command(rollout.id, "abort")

    world.ambush = step, befall
    return f"when the next one comes to {step}"


FAULTS: Mapping[str, Callable[[World, Random], str]] = {
    "kill": control.kill_leader,
    "kill between actions": control.kill_between_actions,
    "kill before the journal": control.kill_before_journal,
    "second leader": control.start_second_leader,
    "stopped leader": control.stop_leader,
    "database refuses": control.close_database,
    "commit unheard": control.hide_commit,
    "away": control.lose_cluster,
    "watches forgotten": control.expire_watches,
    "timeouts": control.network_fault("timeouts", 10, 300),
    "errors": control.network_fault("errors", 10, 300),
    "forbidden": control.network_fault("forbidden", 60, 400),
    "conflicts": control.network_fault("conflicts", 10, 300),
    "busy": control.network_fault("busy", 10, 300),
    "slow": control.network_fault("slow", 10, 300),
    "late events": control.delay_events,
    "doubled events": control.network_fault("doubled events", 10, 600),
    "pause": control.user_command("pause"),
    "resume": control.user_command("resume"),
    "abort": control.user_command("abort"),
    "release": control.release_run,
    "policy changed": control.change_policy,
    "clock forward": control.change_clock(1),
    "clock back": control.change_clock(-1),
    "cordon": nodes.on_node(nodes.cordon),
    "uncordon": nodes.on_node(nodes.uncordon),
    "delete node": nodes.on_node(nodes.delete_node),
    "forget node": nodes.forget_rebooting,
    "delete canary": nodes.delete_canary,
    "cordon canary": nodes.cordon_canary,
    "replace node": nodes.on_node(nodes.replace_node),
    "unready": nodes.on_node(nodes.unready),
    "unheard": nodes.on_node(nodes.unheard),
    "flap": nodes.on_node(nodes.flap),
    "leave pool": nodes.on_node(nodes.leave_pool),
    "move zone": nodes.on_node(nodes.move_zone),
    "budget tighter": workloads.on_budget(workloads.tighter),
    "budget none": workloads.on_budget(workloads.none),
    "budget deleted": workloads.on_budget(workloads.delete_budget),
    "budget doubled": workloads.on_budget(workloads.double),
    "scale down": workloads.scale,
    "pod deleted": workloads.delete_pod,
    "pods crash": workloads.crash,
    "booted by another": nodes.on_node(machines.boot),
    "unstaged": nodes.on_node(machines.unstage),
    "agent dies": nodes.on_node(machines.agent_dies),
    "node failure": nodes.on_node(machines.fail),
    "member down": groups.on_group(groups.member_down),
    "member lags": groups.on_group(groups.member_lags),
    "alarm": groups.on_group(groups.alarm),
    "leader moves": groups.on_group(groups.leader_moves),
    "group unread": groups.on_group(groups.group_unread),
    "backup full": groups.on_group(groups.backup_full),
    "ambush": _ambush,
    "volumes stay": nodes.on_node(nodes.volumes_stay),
    "taint of another": nodes.on_node(others.taint),
    "annotation of another": nodes.on_node(others.annotate),
    "maintenance of another": nodes.on_node(others.maintain),
    "kept off": nodes.on_node(others.keep_off),
    "abort in a step": _abort_in_step,
    "switch over": workloads.switch_over,
    "failover": failover.fail_over,
    "hostile host": nodes.on_node(hostile.lie),
    "freezes changed": control.change_freezes,
}
