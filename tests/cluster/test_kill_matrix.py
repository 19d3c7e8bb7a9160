"""`kill -9` of the controller on both sides of every boundary of a rollout's journal, on a real API server."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest

from fleet.lab import Lab
from tests.cluster.command import Fleet
from tests.cluster.journal import assert_told_once, entries
from tests.cluster.observer import NodeLimits, Observer
from tests.cluster.rest import Cluster
from tests.cluster.rolling import (
    NEW,
    OLD,
    STREAM,
    assert_left_clean,
    assert_proven,
    begun_fleet,
    upgraded,
    wait,
)
from tests.cluster.scenario import Budget, Scenario, Workload
from tests.cluster.signalled import Side, Strikes, start_everywhere

NODES = 3
POLICY = f"""{STREAM}\
pools:
  - name: workers
    selector: {{matchLabels: {{fleet.internal/pool: workers}}}}
    limits: {{max_unavailable: 2}}
    canaries: 1
"""
THINGS = Scenario(
    (
        Workload("Deployment", "web", "front", 4, (Budget("front", max_unavailable=1),)),
        Workload("Deployment", "shop", "cart", 3),
        Workload("DaemonSet", "ops", "agent"),
    ),
    obstacles=False,
)


@pytest.mark.timeout(900)
def test_killed_at_every_step_the_rollout_ends_the_same(lab: Lab, tmp_path: Path) -> None:
    """Three rollouts of the same nodes, there and back. An action has its effect once in each, so what is killed
    before an outcome is committed is never killed after it: each side takes a rollout of its own.

    Whatever was committed had a kill at its side. And nothing that an undisturbed rollout says is missing, but for
    outcomes: a kill at another node's boundary may come between an effect and its outcome, which is then unknown."""
    home = tmp_path / "home"
    with begun_fleet(lab, home, NODES, THINGS, policy=POLICY, pools={"workers": 1}) as (fleet, cluster, _):
        with rolling(lab, fleet, cluster, "r-1", NEW) as plan:
            fleet.run("rollout", "start", plan, "--foreground")
        with rolling(lab, fleet, cluster, "r-2", OLD) as plan:
            before = killed_everywhere(fleet, plan, "before", tmp_path / "before")
        with rolling(lab, fleet, cluster, "r-3", NEW) as plan:
            after = killed_everywhere(fleet, plan, "after", tmp_path / "after")
        undisturbed, there, back = (journaled(home, each) for each in ("r-1", "r-2", "r-3"))
        assert there <= before and back <= after
        assert {each for each in undisturbed if not each.startswith("outcome")} <= before & after
        assert undisturbed <= before | after


@contextmanager
def rolling(lab: Lab, fleet: Fleet, cluster: Cluster, rollout: str, version: str) -> Iterator[str]:
    """A plan, to be carried out; the end is the same whether controllers are killed or not."""
    plan = fleet.json("plan", "--pool", "workers", "--to", version)
    with Observer(lab.kubeconfig, NodeLimits(total=2)).watching() as observer:
        yield plan["plan_id"]
    assert len(observer.seen.reboots) == NODES and set(observer.seen.reboots.values()) == {1}
    assert len(upgraded(cluster, version)) == NODES
    assert_left_clean(cluster)
    assert_proven(fleet, rollout, NODES, version)
    assert_told_once(entries(fleet.home, rollout))
    assert fleet.json("rollout", "status", rollout)["state"] == "finished"


def killed_everywhere(fleet: Fleet, plan: str, side: Side, file: Path) -> set[str]:
    """What stood at the boundaries at which a controller was killed."""
    begun, kills = time.monotonic(), 0
    log = file.with_suffix(".log")
    log.touch()
    process = start_everywhere(fleet.home, side, file, until_idle=False)
    wait(lambda: "in control" in log.read_text(), log.read_text)
    # It starts a controller of its own where it finds the first one dead already, and that one nobody strikes.
    fleet.run("rollout", "start", plan)
    Strikes(file).allow()
    while exit_code(process, log) == -signal.SIGKILL:
        kills += 1
        process = start_everywhere(fleet.home, side, file, until_idle=True)
    assert process.exitcode == 0, log.read_text()
    strikes = Strikes(file).done()
    assert len(strikes) == kills
    print(f"{kills} kills {side} a commit, in {time.monotonic() - begun:.0f} s")
    return kinds(each for labels in strikes for each in labels)


def journaled(home: Path, rollout: str) -> set[str]:
    return kinds(entry.label for entry in entries(home, rollout))


def kinds(labels: Iterable[str]) -> set[str]:
    """Of the controller's entries, without the node. A refusal, or a look that comes late, is a matter of moments; and
    what a controller measures (timed) is forgotten by one that is killed while it measures."""
    journaled = [label for label in labels if not label.startswith("command")]
    plain = {
        " ".join(argument for argument in label.split() if not argument.startswith("east/"))
        for label in journaled
    }
    return {label for label in plain if not label.endswith((" refused", " stale", " gone", " timed"))}


def exit_code(process: ForkServerProcess, log: Path) -> int:
    """A budget may hold a node for two minutes: so long the API server counts a pod as going whose eviction broke off."""
    process.join(180)
    assert process.exitcode is not None, f"neither struck nor done:\n{log.read_text()}"
    return process.exitcode
