"""Runs a rollout at scale with the lab's real API server and scheduler, fake nodes, and the real controller, and compares
the result with the plan.

    python -m bench.live [--nodes N] [--pods N] [--limit N] [--json FILE]

A pilot pool of twenty nodes is upgraded first, as a user would do: the planner expects of the rest what the journal has
measured there.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from math import exp
from pathlib import Path
from random import Random
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
from msgspec import Struct

from fleet.lab import Lab, LabError
from fleet.lab.fake_nodes.node import REBOOT_MS, STAGE_MS
from tests.cluster.agents import agents
from tests.cluster.command import Fleet
from tests.cluster.rest import Cluster, Json
from tests.cluster.rolling import NEW, STREAM, reported, wait
from tests.cluster.scenario import is_ready

PILOTS = 20
REPLICAS = 10
NAMESPACES = tuple(f"team-{number}" for number in range(5))
STAGE, REBOOT = 4.0, 20.0
"""Medians in seconds; each node has its own length, log-normally distributed."""
SPREAD = 0.15
READY, SLOW_READY, GONE = 3.0, 8.0, 1.0
"""Seconds of a pod's start, slow start, and stop; every tenth app starts slowly."""
PATIENCE = 1800.0


class Row(Struct, frozen=True):
    nodes: int
    pods: int
    budgets: int
    limit: int
    planned: float
    """The planned makespan. All times here are in seconds."""
    bound: float
    actual: float
    """Seconds from the command that starts the rollout to the end of its last run."""
    ratio: float
    peak: int
    """The planned peak of nodes out of service at once."""
    evictions: float
    """Evictions for each pod that had to move."""
    memory: float
    """The controller's peak memory in MB."""
    cpu: float
    """CPU seconds of the controller."""
    journal: int
    """The number of entries."""
    requests: float
    """API requests for each node."""
    sorts: dict[str, int]
    """The number of API requests by verb and resource."""
    times: dict[str, str]
    """The sources of the plan's expected durations, by part (`Plan.times`)."""
    steps: dict[str, tuple[float, float]]
    """The planned and the actual median of each step; `run` is from cordon to done."""
    use: tuple[float, float]
    """The planned and the actual share of the limit's slots that were taken, from the first cordon to the last end."""
    load: float
    """The computer's load average over five minutes, which includes the lab's own processes."""


def measure(nodes: int, pods: int, limit: int, report_line: Callable[[str], None]) -> Row:
    with TemporaryDirectory(prefix="fleet-live-") as folder, _lab(Path(folder) / "lab", report_line) as lab:
        fleet = Fleet(Path(folder) / "home")
        _install(lab, fleet, limit)
        with agents(lab):
            return _measured(lab, fleet, nodes, pods, limit, report_line)


def _measured(
    lab: Lab, fleet: Fleet, nodes: int, pods: int, limit: int, report_line: Callable[[str], None]
) -> Row:
    budgets = _begin(lab, nodes, pods, report_line)
    _roll(fleet, _planned(fleet, "pilot"), report_line)
    plan = _planned(fleet, "workers")
    report_line(
        f"planned: {plan['makespan_seconds']:.0f} s; bound by {plan['bound_by']}; times {plan['times']}"
    )
    before = fleet.entries()
    memory, cpu = _roll(fleet, plan, report_line)
    report = fleet.json("report", "r-2")
    assert {run["step"] for run in report["runs"]} == {"done"}, report["runs"]
    actual = _seconds(report)
    return Row(
        nodes=nodes,
        pods=pods,
        budgets=budgets,
        limit=limit,
        planned=plan["makespan_seconds"],
        bound=plan["lower_bound_seconds"],
        actual=actual,
        ratio=actual / plan["makespan_seconds"],
        peak=plan["peak_unavailable"],
        evictions=_evictions(report) / plan["pods"],
        memory=memory,
        cpu=cpu,
        journal=fleet.entries() - before,
        requests=sum(request["per_node"] for request in report["requests"]),
        sorts={
            f"{request['verb']} {request['resource']}": request["count"] for request in report["requests"]
        },
        times=plan["times"],
        steps=_steps(plan, report),
        use=(_use(plan["runs"], limit), _use(report["runs"], limit)),
        load=os.getloadavg()[1],
    )


@contextmanager
def _lab(folder: Path, report_line: Callable[[str], None]) -> Iterator[Lab]:
    lab = Lab.up(folder, tied=True, progress=report_line)
    try:
        yield lab
    finally:
        lab.down()


def _install(lab: Lab, fleet: Fleet, limit: int) -> None:
    (fleet.home / "fleet.yaml").write_text(_policy(limit))
    fleet.run("cluster", "add", "lab", "--kubeconfig", str(lab.kubeconfig), "--site", "lab")
    fleet.run("cluster", "install", "lab")


def _begin(lab: Lab, nodes: int, pods: int, report_line: Callable[[str], None]) -> int:
    """Creates the nodes, and apps with a budget each. Returns the number of budgets."""
    cluster = Cluster(lab.kubeconfig)
    names = lab.add_nodes(nodes + PILOTS, pools={"workers": nodes, "pilot": PILOTS})
    rng = Random(1)
    for name in names:
        lengths = {
            key: str(round(1000 * usual * exp(rng.gauss(0.0, SPREAD))))
            for key, usual in ((STAGE_MS, STAGE), (REBOOT_MS, REBOOT))
        }
        cluster.patch(f"/api/v1/nodes/{name}", {"metadata": {"annotations": lengths}})
    for namespace in NAMESPACES:
        cluster.create("/api/v1/namespaces", {"metadata": {"name": namespace}})
    wait(lambda: _accounts(cluster) == len(NAMESPACES), lambda: "a namespace has no account")
    apps = pods // REPLICAS
    for number in range(apps):
        _create_app(cluster, number)
    total = apps * REPLICAS
    wait(lambda: _ready(cluster) == total, lambda: f"{_ready(cluster)} of {total} pods are Ready", 600)
    wait(lambda: _counted(cluster) == apps, lambda: f"{_counted(cluster)} of {apps} budgets are counted", 120)
    machines = nodes + PILOTS
    wait(lambda: reported(cluster) == machines, lambda: f"{reported(cluster)} machines have reported", 300)
    report_line(f"{machines} nodes, {total} pods, {apps} budgets")
    return apps


def _policy(limit: int) -> str:
    return f"""{STREAM}\
pools:
  - name: workers
    selector: {{matchLabels: {{fleet.internal/pool: workers}}}}
    limits: {{max_unavailable: {limit}}}
    stage: {{concurrency: {limit}}}
  - name: pilot
    selector: {{matchLabels: {{fleet.internal/pool: pilot}}}}
    limits: {{max_unavailable: 5}}
"""


def _create_app(cluster: Cluster, number: int) -> None:
    """Creates a Deployment with a budget that lets one or two of its pods be away."""
    name, namespace = f"app-{number:03d}", NAMESPACES[number % len(NAMESPACES)]
    ready = SLOW_READY if number % 10 == 0 else READY
    template = {
        "metadata": {
            "labels": {"app": name},
            "annotations": {
                "lab.fleet.internal/ready-after-ms": str(round(1000 * ready)),
                "lab.fleet.internal/delete-after-ms": str(round(1000 * GONE)),
            },
        },
        "spec": {
            "terminationGracePeriodSeconds": 5,
            "automountServiceAccountToken": False,
            "containers": [{"name": "main", "image": "registry.invalid/main:1"}],
        },
    }
    selector = {"matchLabels": {"app": name}}
    deployment = {"replicas": REPLICAS, "selector": selector, "template": template}
    budget = {"selector": selector, "maxUnavailable": 1 + number % 2}
    for path, spec in (
        (f"/apis/policy/v1/namespaces/{namespace}/poddisruptionbudgets", budget),
        (f"/apis/apps/v1/namespaces/{namespace}/deployments", deployment),
    ):
        cluster.create(path, {"metadata": {"name": name}, "spec": spec})


def _accounts(cluster: Cluster) -> int:
    items = cluster.get("/api/v1/serviceaccounts")["items"]
    return sum(item["metadata"]["namespace"] in NAMESPACES for item in items)


def _ready(cluster: Cluster) -> int:
    """Returns the number of Ready pods of the apps, without fleet's own agents."""
    pods = cluster.get("/api/v1/pods")["items"]
    return sum(is_ready(pod) and pod["metadata"]["namespace"] in NAMESPACES for pod in pods)


def _counted(cluster: Cluster) -> int:
    """Returns the number of budgets whose status counts all of their pods."""
    items = cluster.get("/apis/policy/v1/poddisruptionbudgets")["items"]
    return sum(item.get("status", {}).get("currentHealthy") == REPLICAS for item in items)


def _planned(fleet: Fleet, pool: str) -> Json:
    plan: Json = fleet.json("plan", "--pool", pool, "--to", NEW)
    assert not plan["held"], plan["held"][:3]
    return plan


def _roll(fleet: Fleet, plan: Json, report_line: Callable[[str], None]) -> tuple[float, float]:
    """Runs the rollout with its controller in one process. Returns the peak memory in MB and the CPU seconds of that
    process."""
    began = time.monotonic()
    deadline = began + PATIENCE
    memory, cpu = 0.0, 0.0
    with fleet.background("rollout", "start", plan["plan_id"], "--foreground") as process:
        proc = Path("/proc") / str(process.pid)
        while process.poll() is None:
            assert time.monotonic() < deadline, fleet.output + fleet.run("rollout", "status")
            memory, cpu = _usage(proc, memory, cpu)
            time.sleep(0.5)  # noqa: TID251 - between two looks at the process
        assert process.returncode == 0, fleet.output
    report_line(
        f"{len(plan['runs'])} nodes in {time.monotonic() - began:.0f} s, the controller's start and end included"
    )
    return memory, cpu


def _usage(proc: Path, memory: float, cpu: float) -> tuple[float, float]:
    """Returns the peak memory in MB and the CPU seconds of the process; the previous values if the process has ended."""
    try:
        status = (proc / "status").read_text().splitlines()
        stat = (proc / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return memory, cpu
    peak = next((line for line in status if line.startswith("VmHWM")), "")
    memory = int(peak.split()[1]) / 1024 if peak else memory
    return memory, (int(stat[11]) + int(stat[12])) / 100


def _seconds(report: Json) -> float:
    ends = [datetime.fromisoformat(run["ended"]) for run in report["runs"]]
    return (max(ends) - datetime.fromisoformat(report["started"])).total_seconds()


def _moment(value: float | str) -> float:
    """Returns a time in seconds: a plan has seconds since its start, a report has timestamps."""
    return value if isinstance(value, float | int) else datetime.fromisoformat(value).timestamp()


def _out(run: Json) -> tuple[float, float]:
    """Returns when the node's slot was taken and when it was freed: from cordon to done."""
    steps = [step for step in run["steps"] if step["step"] not in ("pending", "stage", "staged")]
    return min(_moment(step["start"]) for step in steps), max(_moment(step["end"]) for step in steps)


def _use(runs: Sequence[Json], limit: int) -> float:
    spans = [_out(run) for run in runs]
    whole = max(end for _, end in spans) - min(start for start, _ in spans)
    return sum(end - start for start, end in spans) / (limit * whole)


def _steps(plan: Json, report: Json) -> dict[str, tuple[float, float]]:
    lengths_of: dict[str, tuple[list[float], list[float]]] = {}
    for side, runs in enumerate((plan["runs"], report["runs"])):
        for run in runs:
            start, end = _out(run)
            lengths_of.setdefault("run", ([], []))[side].append(end - start)
            for step in run["steps"]:
                lengths = lengths_of.setdefault(step["step"], ([], []))[side]
                lengths.append(_moment(step["end"]) - _moment(step["start"]))
    return {step: (median(one), median(other)) for step, (one, other) in lengths_of.items() if one and other}


def _evictions(report: Json) -> int:
    return sum(len(run["evictions"]) for run in report["runs"])


def _print_row(row: Row) -> None:
    cells: dict[str, Any] = {
        "NODES": f"{row.nodes:,}",
        "PODS": f"{row.pods:,}",
        "LIMIT": row.limit,
        "BOUND": f"{row.bound:.0f} s",
        "PLANNED": f"{row.planned:.0f} s",
        "ACTUAL": f"{row.actual:.0f} s",
        "RATIO": f"{row.ratio:.2f}",
        "EVICTIONS": f"{row.evictions:.2f}",
        "REQUESTS": f"{row.requests:.1f}",
        "JOURNAL": f"{row.journal:,}",
        "CPU": f"{row.cpu:.0f} s",
        "MEMORY": f"{row.memory:.0f} MB",
    }
    widths = {name: max(len(name), len(str(cell))) for name, cell in cells.items()}
    print("  ".join(name.rjust(width) for name, width in widths.items()))
    print("  ".join(str(cell).rjust(widths[name]) for name, cell in cells.items()))
    medians = ", ".join(f"{step} {one:.1f}/{other:.1f}" for step, (one, other) in row.steps.items())
    print(f"medians, planned/actual seconds: {medians}")
    print(
        f"places taken, planned/actual: {row.use[0]:.0%}/{row.use[1]:.0%}; load average {row.load:.1f}",
        flush=True,
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.live", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--nodes", type=int, default=500)
    parser.add_argument("--pods", type=int, default=2500)
    parser.add_argument("--limit", type=int, default=50, help="nodes unavailable")
    parser.add_argument("--json", type=Path, help="write the row there too")
    chosen = parser.parse_args(arguments)
    try:
        row = measure(chosen.nodes, chosen.pods, chosen.limit, lambda line: print(line, flush=True))
    except LabError as error:
        sys.exit(f"error: {error}\n  -> {error.hint}")
    _print_row(row)
    if chosen.json:
        chosen.json.write_bytes(msgspec.json.format(msgspec.json.encode([row]), indent=1))


if __name__ == "__main__":
    main()
