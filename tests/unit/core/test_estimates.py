"""How long things are expected to take: by pool and operating system, from the journal, with defaults where it is silent."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import msgspec

from fleet.core.objects.node import NodeRef
from fleet.core.objects.pod import Owner, Pod
from fleet.core.planning.estimates import ENOUGH, DurationEstimates, app_of, measured, origin
from fleet.core.records.journal import JournalEntry, JournalRecord
from fleet.core.rollout.goal import Goal, Start
from fleet.lab.simulation.builders import NEW, START, a_node, a_policy, a_snapshot
from fleet.planner.planner import make_plan
from fleet.planner.request import PlanRequest

STEPS = ("stage", "staged", "cordon", "drain", "reboot", "verify", "uncordon")


def entries(records: list[tuple[float, JournalRecord]]) -> Iterator[JournalEntry]:
    for seq, (at, record) in enumerate(records, 1):
        yield JournalEntry(seq, START + timedelta(seconds=at), "fleet@a/1/1", 1, record, "", "")


def started(pools: dict[str, str]) -> tuple[float, JournalRecord]:
    goals = tuple(Goal(NodeRef("east", name), "uid", pool) for name, pool in pools.items())
    detail = msgspec.to_builtins(Start("p-1", NEW, a_policy(), goals))
    return 0.0, JournalRecord(form="command", kind="start", rollout="r-1", detail=detail)


def step(at: float, node: str, to: str) -> tuple[float, JournalRecord]:
    detail = {"turn": "done", "to": to}
    return at, JournalRecord(form="decision", kind="step", rollout="r-1", node=f"east/{node}", detail=detail)


def a_run(node: str, stage: float, reboot: float, verify: float) -> list[tuple[float, JournalRecord]]:
    moments = (
        0.0,
        stage,
        stage + 9,
        stage + 10,
        stage + 20,
        stage + 20 + reboot,
        stage + 20 + reboot + verify,
    )
    return [step(at, node, to) for at, to in zip(moments, STEPS, strict=True)]


def history(**lengths: tuple[str, float, float]) -> Iterator[JournalEntry]:
    """Of each node its pool, and how long its stage and its reboot took (verify: 2 s of it)."""
    records = [started({name: pool for name, (pool, _, _) in lengths.items()})]
    for name, (_, stage, reboot) in lengths.items():
        records += a_run(name, stage, reboot - 2, 2)
    return entries(records)


def test_pools_and_operating_systems_have_their_own_estimates() -> None:
    nodes = {f"w{number}": ("workers", 30.0, 100.0 + number) for number in range(ENOUGH)}
    nodes |= {f"s{number}": ("storage", 60.0, 300.0) for number in range(ENOUGH)}
    systems = {NodeRef("east", name): "flatcar" if name.startswith("w") else "ostree" for name in nodes}
    times = measured(history(**nodes), systems)
    known = times.estimate("reboot", "workers", "flatcar")
    assert (known.p50, known.p95, known.samples) == (102.0, 104.0, ENOUGH)
    assert times.estimate("verify", "workers", "flatcar").p50 == 2.0
    assert times.estimate("stage", "storage", "ostree").p50 == 60.0
    assert times.estimate("reboot", "canaries", "ostree").p50 == 300.0, "the same system in another pool"
    assert times.estimate("reboot", "workers", "talos").samples == 0, "another system tells nothing"
    assert times.estimate("reboot", "workers", "").samples == 2 * ENOUGH, "not known which: all of them"
    assert times.reboot_of("workers", "flatcar") == 102.0 - 2 * times.agent
    assert times.reboot_of("workers", "talos") == DurationEstimates().reboot


def test_few_runs_give_no_estimate() -> None:
    nodes = {f"w{number}": ("workers", 30.0, 100.0) for number in range(ENOUGH - 1)}
    times = measured(history(**nodes))
    assert times.estimate("reboot", "workers", "").samples == 0
    assert set(origin(times.of_groups([("workers", "")])).values()) == {"default"}


def test_pods_are_measured_and_slow_apps_are_named() -> None:
    detail = {"stop": [900, 1000, 1100], "start": {"web/quick": [2000, 2200, 2100], "web/slow": [60000] * 3}}
    record = JournalRecord(form="decision", kind="timed", rollout="r-1", node="east/w0", detail=detail)
    times = measured(entries([started({"w0": "workers"}), (5.0, record), (6.0, record)]))
    assert times.pod_stop == 1.0
    assert times.apps == {"web/quick": 2.1, "web/slow": 60.0}
    assert times.estimate("pod_start").samples == 12
    assert origin(times.of_groups([("workers", "")]))["pod_start"] == "measured: 12 pods"
    slow = Pod(
        "web", "slow-7d9-x", "u", labels={"pod-template-hash": "7d9"}, owner=Owner("ReplicaSet", "slow-7d9")
    )
    assert app_of(slow) == "web/slow", "the next revision is the same app"
    assert times.start_of(slow) == 60.0


def test_plan_expects_of_each_node_what_its_pool_has_measured() -> None:
    nodes = [a_node(f"n-{number}") for number in range(3)]
    snapshot = a_snapshot(nodes)
    past = [f"x{number}" for number in range(ENOUGH)]
    systems = {NodeRef("east", name): snapshot.machines[0].os for name in past}
    known = measured(history(**dict.fromkeys(past, ("workers", 11.0, 32.0))), systems)
    plan = make_plan(PlanRequest("p-1", [snapshot], a_policy(), ["workers"], NEW, START, known))
    (reboots,) = {
        round(step.end - step.start, 1) for run in plan.runs for step in run.steps if step.step == "reboot"
    }
    assert reboots == 32.0 - known.agent, "proven a moment after the boot"
    assert plan.times["reboot"] == f"measured: {ENOUGH} runs" and plan.times["pod_stop"] == "default"
    reported = {(each.part, each.pool): each.samples for each in plan.durations}
    assert reported["stage", "workers"] == ENOUGH and reported["pod_start", ""] == 0
    assert plan.lower_bound_seconds <= plan.makespan_seconds
