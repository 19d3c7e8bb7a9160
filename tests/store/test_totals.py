"""The totals of nodes that are alike are those of each of them."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from random import Random

import msgspec
import pytest
from msgspec.structs import replace

from fleet.app.reporting.exposure import exposure
from fleet.app.reporting.past import status_at
from fleet.app.reporting.status import fleet_status, known_in, policy_for
from fleet.app.reporting.totals.past import totals_at
from fleet.app.reporting.totals.present import fleet_totals
from fleet.app.rollouts.rollouts import Rollouts
from fleet.app.wiring.home import Home
from fleet.core.exposure.answering import ExposureSources, answer
from fleet.core.exposure.exposure_report import ExposedNode, ExposureAnswer
from fleet.core.exposure.question import condition, package_question, version_condition
from fleet.core.objects.machine import Ask, Machine, Request, Units
from fleet.core.objects.node import SITE_LABEL, Node, NodeRef
from fleet.core.records.errors import UsageError
from fleet.core.records.journal import JournalRecord
from fleet.core.releases.release import Release
from fleet.core.reporting.overview import each_alone
from fleet.core.reporting.selection import EVERYTHING
from fleet.core.reporting.status import FleetStatus
from fleet.core.rollout.goal import Goal, Start
from fleet.core.rollout.steps import NEXT, Step
from fleet.drivers.journal.checkpoints import keep
from fleet.lab.simulation.builders import NEW, OLD, START, a_machine, a_node, a_policy, a_snapshot
from fleet.store import ClusterRow

POLICY = f"""\
streams:
  - name: stable
    releases:
      - {{version: {OLD.version}, digest: "{OLD.digest}"}}
      - {{version: {NEW.version}, digest: "{NEW.digest}"}}
pools:
  - {{name: workers, selector: {{matchLabels: {{pool: workers}}}}, stream: stable}}
  - name: storage
    selector: {{matchExpressions: [{{key: disks, operator: Exists}}]}}
    stream: stable
"""
CLUSTERS = ("east", "west")
NAMES = [f"n-{number}" for number in range(1, 13)]


class LaterHome(Home):
    """A home whose present is after all that was seen."""

    def now(self) -> datetime:
        return START + timedelta(days=30)


def some_nodes(random: Random, cluster: str) -> tuple[list[Node], list[Machine]]:
    """Nodes that differ in what decides, and each in what does not: names, tokens, host names."""
    nodes, machines = [], []
    for name in NAMES:
        if random.random() < 0.1:
            continue
        labels = {"kubernetes.io/hostname": name, "pool": random.choice(["workers", "workers", "gpu"])}
        labels |= {"disks": "2"} if random.random() < 0.2 else {}
        labels |= {SITE_LABEL: "annex"} if random.random() < 0.2 else {}
        node = a_node(
            name,
            kernel=random.choice(["6.1", "6.2"]),
            ready=random.choice([True, True, False, None]),
            unschedulable=random.random() < 0.2,
            kubelet=random.choice(["v1.36.3", "v1.30.1"]),
        )
        node = replace(node, labels=labels)
        booted = random.choice([OLD, NEW, Release("dev"), None])
        units = random.choice(
            [None, Units("running"), Units("degraded", ("a.service", "b.service")[: random.randint(1, 2)])]
        )
        machine = replace(
            a_machine(node),
            booted=booted,
            units=units,
            layered=random.choice([(), (), ("strace-6.1-1.fc41",)]),
            live_patches=random.choice([(), (), ("livepatch_1",)]),
            request=Request(Ask.STAGE, f"{cluster}/{name}", NEW) if random.random() < 0.5 else None,
        )
        if random.random() < 0.9:
            nodes.append(node)
        if random.random() < 0.9:
            machines.append(machine)
    return nodes, machines


def write_rollout(home: Home, random: Random, ident: str, ends: bool, at: datetime) -> None:
    """Writes a rollout of some nodes, each of which has come to any step."""
    goals = tuple(
        Goal(NodeRef(cluster, name), f"uid-{name}", "workers")
        for cluster in CLUSTERS
        for name in NAMES
        if random.random() < 0.7
    )
    release = random.choice([OLD, NEW])
    detail = msgspec.to_builtins(Start("p-1", release, a_policy(), goals))
    records = [JournalRecord("command", "start", ident, detail=detail)]
    for goal in goals:
        step = Step.PENDING
        while NEXT[step] and (ends or random.random() < 0.8):
            turn = random.choice(list(NEXT[step]))
            step = NEXT[step][turn]
            moved = {"turn": str(turn), "to": str(step)}
            records.append(JournalRecord("decision", "step", ident, str(goal.node), moved))
    if ends:
        records.append(JournalRecord("decision", "finish", ident))
    home.store.journal.append(records, at=at, actor="ada@desk")


QUESTIONS = (condition("kernel<6.2"), version_condition(OLD.version), package_question("strace<6.2"))


def assert_exposure_is_that_of_each_node(home: Home, whole: FleetStatus) -> None:
    """Compares the exposure of alike nodes with the answer for each node of the status."""
    nodes = each_alone(node for node in whole.nodes if node.state != "orphan")
    sources = ExposureSources(lambda node: (), home.store.software, lambda release: None)
    policy = policy_for(home, known_in(home, home.clusters()))
    for question, found in zip(QUESTIONS, exposure(home, QUESTIONS, EVERYTHING).answers, strict=True):
        each = answer(question, nodes, policy, home.now(), sources)
        assert len(found.groups) <= len(each.groups)
        assert [(group.node.site, group.node.cluster, group.node.pool) for group in found.groups] == sorted(
            (group.node.site, group.node.cluster, group.node.pool) for group in found.groups
        )
        assert without_fix(found.whole()) == without_fix(each.whole())
        assert found.head.counts == each.head.counts


def without_fix(found: ExposureAnswer) -> list[ExposedNode]:
    """Returns the rows without what is on its way to them, by a rollout, and when that will be."""
    return [replace(node, fix=None, days=None) for node in found.nodes]


@pytest.mark.parametrize("policy", [POLICY, ""])
@pytest.mark.parametrize("seed", range(4))
def test_totals_are_those_of_the_status(place: str, tmp_path: Path, seed: int, policy: str) -> None:
    random = Random(seed)
    home = LaterHome(tmp_path, place)
    if policy:
        home.policy_file.write_text(policy)
    for cluster in CLUSTERS:
        home.store.clusters.add(
            ClusterRow(name=cluster, sites=(cluster,), kind="kubeconfig", kubeconfig="/none")
        )
    counted: set[str] = set()
    for number, ends in enumerate([None, True, False, True, True]):
        at = START + timedelta(hours=number)
        for cluster in CLUSTERS:
            nodes, machines = some_nodes(random, cluster)
            snapshot = a_snapshot(nodes, machines=machines, cluster=cluster)
            home.store.inventory.sync(snapshot, at=at, source="sync")
            error = "refused" if random.random() < 0.2 else ""
            home.store.clusters.touch(cluster, at=at, version="v1.36.3", error=error)
        if ends is not None:
            write_rollout(home, random, f"r-{number}", ends, at)
        if random.random() < 0.7:
            keep(home.store.journal, home.store.folds, at, "ada@desk", enough=1)
        whole, found = (
            fleet_status(home, rollouts=Rollouts.load(home.store).all, count_pods=False),
            fleet_totals(home),
        )
        in_brief = fleet_status(home, count_pods=False)
        assert (in_brief.nodes, in_brief.summary) == (whole.nodes, whole.summary)
        same = {"at": whole.at, "nodes": ()}
        if whole.standstill is not None and found.status.standstill is not None:
            same["standstill"] = found.status.standstill
            assert whole.standstill.mid_air == found.status.standstill.mid_air
        assert msgspec.to_builtins(replace(whole, **same)) == msgspec.to_builtins(
            replace(found.status, at=whole.at)
        )
        assert list(found.failed_units) == [node.failed_units for node in whole.nodes if node.failed_units]
        assert_exposure_is_that_of_each_node(home, whole)
        counted |= set(whole.summary.states)
        for hour in range(-1, number + 2):
            at = START + timedelta(hours=hour, minutes=30)
            if hour < 0 or at > home.now():
                with pytest.raises(UsageError):
                    totals_at(home, at)
                continue
            before, past = status_at(home, at), totals_at(home, at)
            assert msgspec.to_builtins(replace(before, nodes=())) == msgspec.to_builtins(past.status)
            assert list(past.failed_units) == [
                node.failed_units for node in before.nodes if node.failed_units
            ]
    assert {"patched", "outdated", "unknown"} <= counted or not policy
