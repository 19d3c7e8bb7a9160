"""Hosts without a cluster as a driver sees and drives them: hooks, marks, what is seen of hosts that come and go."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from fleet.core.guards import nodes
from fleet.core.objects.machine import Machine
from fleet.core.objects.node import Node, NodeRef
from fleet.core.records.errors import UnreachableError
from fleet.core.rollout.action import (
    Action,
    AnyAction,
    Cordon,
    Outcome,
    Reboot,
    Result,
    Stage,
    Uncordon,
    Unmark,
)
from fleet.core.rollout.event import ClusterLost, ClusterSynced, Upserted
from fleet.core.third_parties.notice import of_node
from fleet.hosts.cluster import HostsCluster
from fleet.hosts.ownership import Claim
from fleet.lab.simulation.builders import START
from tests.contract.observer import ClusterObserver
from tests.programs.hosts.boxes import NEW, OLD, QUICK, Box, Site
from tests.unit.machines.fakehost import until

HOOKS = {"before": {"run": "out"}, "after": {"run": "in"}}
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


class ActionSender:
    """fleet's side: performs actions on the hosts that the sight shows."""

    def __init__(self, site: Site, cluster: HostsCluster, observer: ClusterObserver) -> None:
        self.site = site
        self.cluster = cluster
        self.sight = observer

    async def __call__(self, kind: type[Action], node: str = "n-0", **fields: Any) -> Outcome:
        uid = self.sight.nodes[node].uid
        head: dict[str, Any] = {"id": "r-1/1", "rollout": "r-1", "node": NodeRef("shop", node), "uid": uid}
        action: AnyAction = kind(**(head | fields))  # type: ignore[assignment]
        return await self.cluster.perform(action)


@asynccontextmanager
async def on_stage(site: Site) -> AsyncIterator[ActionSender]:
    cluster = site.cluster()
    async with ClusterObserver(cluster) as observer:
        await observer.until(
            lambda: all(each.reported for each in observer.machines.values()), "the agents' first reports"
        )
        yield ActionSender(site, cluster, observer)


def story(site: Site, scenario: Callable[[ActionSender], Awaitable[None]]) -> None:
    async def run() -> None:
        async with on_stage(site) as stage:
            await scenario(stage)

    asyncio.run(run())


def test_hosts_are_nodes_with_zones_and_machines_with_releases(tmp_path: Path) -> None:
    async def scenario(stage: ActionSender) -> None:
        first = stage.sight.log[
            : next(i for i, each in enumerate(stage.sight.log) if isinstance(each, ClusterSynced))
        ]
        assert {
            each.obj.name for each in first if isinstance(each, Upserted) and isinstance(each.obj, Node)
        } == {
            "n-0",
            "n-1",
        }
        node, machine = stage.sight.nodes["n-0"], stage.sight.machines["n-0"]
        assert (node.uid, node.zone, node.labels["pool"], node.ready) == ("id-n-0", "a", "shop", True)
        assert (machine.os, machine.booted, machine.boot_id) == ("ostree", OLD, node.boot_id)

    story(Site(tmp_path, 2), scenario)


def test_hooks_run_around_a_cordon_and_the_next_boot_proves_a_reboot(tmp_path: Path) -> None:
    site = Site(tmp_path, 1, **HOOKS)
    box = site.boxes["n-0"]

    async def scenario(stage: ActionSender) -> None:
        observer = stage.sight
        assert (await stage(Stage, token="r-1/n-0/stage/0", release=NEW)).result is Result.DONE
        await observer.until(lambda: observer.machines["n-0"].staged == NEW, "the release is staged")
        boot = observer.nodes["n-0"].boot_id
        assert (await stage(Cordon)).result is Result.DONE
        assert box.hooks == ["out n-0"]
        token = "r-1/n-0/reboot/0"
        assert (await stage(Reboot, token=token, release=NEW, boot_id=boot)).result is Result.DONE
        await observer.until(lambda: _said(observer.machines["n-0"], token) == "done", "it has rebooted")
        await observer.until(
            lambda: observer.nodes["n-0"].boot_id == observer.machines["n-0"].boot_id != boot, "a new boot"
        )
        assert observer.machines["n-0"].booted == NEW
        assert observer.nodes["n-0"].cordoned_by == "r-1"
        assert (await stage(Uncordon)).result is Result.DONE
        assert box.hooks == ["out n-0", "in n-0"]
        await observer.until(lambda: not observer.nodes["n-0"].unschedulable, "it is back in service")
        assert (await stage(Uncordon)).result is Result.DONE
        assert len(box.hooks) == 2, "what is back in service is not put there again"

    story(site, scenario)


def test_failed_hook_leaves_the_host_unchanged_with_the_reason(tmp_path: Path) -> None:
    site = Site(tmp_path, 1, **HOOKS)
    box = site.boxes["n-0"]

    async def scenario(stage: ActionSender) -> None:
        box.hook_fails["out"] = "the load balancer says no to password=geheim"
        refused = await stage(Cordon)
        assert refused.result is Result.FAILED
        assert (
            refused.detail == "the hook before ended with 1: the load balancer says no to password=[hidden]"
        )
        await stage.sight.until(lambda: stage.sight.nodes["n-0"].rollout == "r-1", "the mark of its rollout")
        assert not stage.sight.nodes["n-0"].unschedulable
        assert (await stage(Unmark)).result is Result.DONE
        assert box.hooks == ["out n-0", "in n-0"], "what the hook before has begun is undone"
        box.hook_fails = {"in": "no answer"}
        box.hooks.clear()
        assert (await stage(Cordon)).result is Result.DONE
        kept = await stage(Uncordon)
        assert (kept.result, kept.detail) == (Result.FAILED, "the hook after ended with 1: no answer")
        await stage.sight.until(lambda: stage.sight.nodes["n-0"].cordoned_by == "r-1", "it stays out")

    story(site, scenario)


def test_controller_hook_runs_in_the_folder_of_the_inventory(tmp_path: Path) -> None:
    script = 'pwd >ran; echo "$FLEET_CLUSTER $FLEET_NODE $FLEET_ROLLOUT" >>ran; sleep 30'
    site = Site(tmp_path, 1, before={"run": script, "on": "controller", "timeout": "1s"})

    async def scenario(stage: ActionSender) -> None:
        refused = await stage(Cordon)
        assert refused.detail == "the hook before has not ended after 1 s"

    story(site, scenario)
    assert (tmp_path / "ran").read_text() == f"{tmp_path}\nshop n-0 r-1\n"
    assert not site.boxes["n-0"].hooks


def test_host_cordoned_by_its_inventory_is_reported(tmp_path: Path) -> None:
    site = Site(tmp_path, 1)
    site.cordoned.add("n-0")
    site.write()

    async def scenario(stage: ActionSender) -> None:
        node = stage.sight.nodes["n-0"]
        machine = stage.sight.machines["n-0"]
        held = nodes.held("n-0", node.uid, node, machine, "r-1", list(of_node(node)), START)
        assert held is not None
        assert (
            held.message == "cordoned, not by fleet: its inventory says so (taint fleet.internal/inventory)"
        )
        assert held.needs_action
        assert held.remedy == "take `cordoned: true` out of the inventory when it may take part"

    story(site, scenario)


def test_hook_that_times_out_is_stopped(tmp_path: Path) -> None:
    site = Site(tmp_path, 1, before={"run": "out", "timeout": "1s"})
    site.boxes["n-0"].hold_jobs = True

    async def scenario(stage: ActionSender) -> None:
        refused = await stage(Cordon)
        assert (refused.result, refused.detail) == (
            Result.FAILED,
            "the hook before has not ended after 1 s",
        )
        stops = [argv for argv in site.boxes["n-0"].ran if "systemctl stop" in " ".join(argv)]
        assert len(stops) == 1

    story(site, scenario)


def test_next_controller_finds_a_running_hook_and_staging(tmp_path: Path) -> None:
    site = Site(tmp_path, 2, **HOOKS)
    one, two = site.boxes.values()
    one.hold_jobs = two.hold_jobs = True

    async def first(stage: ActionSender) -> None:
        cordon = asyncio.create_task(stage(Cordon))
        await stage(Stage, "n-1", token="r-1/n-1/stage/0", release=NEW)
        await until(lambda: bool(one.started) and bool(two.started))
        cordon.cancel()
        await asyncio.wait({cordon})

    async def second(stage: ActionSender) -> None:
        cordon = asyncio.create_task(stage(Cordon))
        one.end_jobs()
        two.end_jobs()
        assert (await cordon).result is Result.DONE
        await stage.sight.until(
            lambda: _said(stage.sight.machines["n-1"], "r-1/n-1/stage/0") == "done", "the staging has ended"
        )
        assert [len(box.started) for box in (one, two)] == [1, 1]

    story(site, first)
    story(site, second)


def test_host_whose_service_fails_is_not_ready_with_the_reason(tmp_path: Path) -> None:
    site = Site(tmp_path, 1, ready={"run": "probe"})
    box = site.boxes["n-0"]

    async def scenario(stage: ActionSender) -> None:
        assert stage.sight.nodes["n-0"].ready is True
        box.hook_fails["probe"] = "no tills"
        await stage.sight.until(lambda: stage.sight.nodes["n-0"].ready is False, "it is not Ready")
        assert stage.sight.nodes["n-0"].why_unready == "the hook ready ended with 1: no tills"
        box.hook_fails.clear()
        box.state = "starting"
        await stage.sight.until(
            lambda: stage.sight.nodes["n-0"].why_unready == "systemd is starting", "another reason"
        )

    story(site, scenario)


def test_lost_host_is_unknown_and_a_cluster_of_lost_hosts_is_lost(tmp_path: Path) -> None:
    site = Site(tmp_path, 3)

    async def scenario(stage: ActionSender) -> None:
        observer = stage.sight
        site.boxes["n-0"].down = True
        await observer.until(lambda: observer.nodes["n-0"].ready is None, "n-0 is not known")
        assert observer.nodes["n-0"].why_unready == "n-0: connection refused"
        assert observer.synced
        for box in site.boxes.values():
            box.down = True
        await observer.until(lambda: not observer.synced, "the cluster is lost")
        lost = next(each for each in observer.log if isinstance(each, ClusterLost))
        assert lost.why == "none of 3 hosts can be reached: n-0: connection refused"
        for box in site.boxes.values():
            box.down = False
        await observer.until(
            lambda: observer.synced and all(n.ready for n in observer.nodes.values()), "all are back"
        )

    story(site, scenario)


def test_unexpected_error_on_one_host_leaves_the_others_running(tmp_path: Path) -> None:
    site = Site(tmp_path, 2)

    async def scenario(stage: ActionSender) -> None:
        observer = stage.sight
        site.boxes["n-0"].fault = AttributeError("NoneType has no attribute 'version'")
        await observer.until(lambda: observer.nodes["n-0"].ready is None, "n-0 is not known")
        assert "AttributeError" in observer.nodes["n-0"].why_unready
        site.boxes["n-1"].state = "starting"
        await observer.until(lambda: not observer.nodes["n-1"].ready, "n-1 is still looked after")
        site.boxes["n-0"].fault = None
        await observer.until(lambda: bool(observer.nodes["n-0"].ready), "n-0 is back")

    story(site, scenario)
    site.boxes["n-0"].fault = RecursionError()
    reading = asyncio.run(site.cluster().read("fra", NOW))
    assert "RecursionError" in reading.unreached["n-0"] and "n-1" not in reading.unreached


def test_host_stuck_at_its_first_read_delays_the_others_for_a_bounded_time(
    tmp_path: Path,
) -> None:
    site = Site(tmp_path, 3)
    site.rhythm = replace(QUICK, patience=0.2)

    async def run() -> None:
        site.boxes["n-1"].stuck = asyncio.Event()
        async with ClusterObserver(site.cluster()) as observer:
            await observer.until(lambda: observer.synced, "it is waited for no longer")
            await observer.until(
                lambda: [observer.nodes[name].ready for name in ("n-0", "n-2")] == [True, True],
                "the others are known",
            )
            assert observer.nodes["n-1"].ready is None
            assert (
                "its first observation has made no progress" in nodes.not_ready(observer.nodes["n-1"]).message
            )
            site.boxes["n-1"].stuck.set()
            await observer.until(lambda: observer.nodes["n-1"].ready is True, "it is there")

    asyncio.run(run())


def test_added_host_that_is_stuck_delays_no_reports(tmp_path: Path) -> None:
    site = Site(tmp_path, 2)

    async def scenario(stage: ActionSender) -> None:
        site.boxes["n-9"] = Box("n-9")
        site.boxes["n-9"].stuck = asyncio.Event()
        site.write()
        await until(lambda: site.boxes["n-9"].asked > 0)
        site.boxes["n-0"].state = "starting"
        await stage.sight.until(lambda: stage.sight.nodes["n-0"].ready is False, "another one's change")
        assert "n-9" not in stage.sight.nodes

    story(site, scenario)


def test_unexpected_error_in_an_action_is_a_failed_action(tmp_path: Path) -> None:
    """What a host answers to it, in a claim, a look or a hook's unit, is that host's failure."""
    site = Site(tmp_path, 1, **HOOKS)
    site.own = Claim("f-1", "here")

    async def scenario(stage: ActionSender) -> None:
        site.boxes["n-0"].fault = ValueError("what is this?")
        failures = [await stage(Cordon), await stage(Stage, token="t", release=NEW)]
        for failed in failures:
            assert failed.result is Result.FAILED
            assert "n-0: fleet does not understand" in failed.detail

    story(site, scenario)


def test_another_machine_under_the_same_name_has_no_marks(tmp_path: Path) -> None:
    site = Site(tmp_path, 1)

    async def scenario(stage: ActionSender) -> None:
        await stage(Cordon)
        site.boxes["n-0"].machine_id = "id-new"
        await stage.sight.until(lambda: stage.sight.nodes["n-0"].uid == "id-new", "the new machine")
        assert not stage.sight.nodes["n-0"].unschedulable

    story(site, scenario)


def test_mistake_in_the_inventory_holds_everything_until_it_is_corrected(tmp_path: Path) -> None:
    site = Site(tmp_path, 2)

    async def scenario(stage: ActionSender) -> None:
        site.path.write_text("hosts: none\n")
        await stage.sight.until(lambda: not stage.sight.synced, "the cluster is lost")
        assert "hosts.yaml:1: hosts: expected a list" in stage.sight.log[-1].why  # type: ignore[union-attr]
        del site.boxes["n-1"]
        site.write()
        await stage.sight.until(lambda: stage.sight.synced and set(stage.sight.nodes) == {"n-0"}, "one host")

    story(site, scenario)


def test_read_without_a_controller_stores_nothing_and_names_unreachable_hosts(tmp_path: Path) -> None:
    site = Site(tmp_path, 2)
    site.boxes["n-1"].down = True
    reading = asyncio.run(site.cluster().read("fra", NOW))
    assert reading.unreached == {"n-1": "n-1: connection refused (is it on?)"}
    assert [(each.name, each.reported) for each in reading.snapshot.machines] == [
        ("n-0", True),
        ("n-1", False),
    ]
    assert [each.ready for each in reading.snapshot.nodes] == [True, None]
    assert not list(site.folder.glob("*.json"))
    site.boxes["n-0"].down = True
    with pytest.raises(UnreachableError, match="none of 2 hosts can be reached") as refused:
        asyncio.run(site.cluster().read("fra", NOW))
    assert refused.value.hint == "is it on?"


def _said(machine: Machine, token: str) -> str:
    answer = machine.answer(token)
    return answer.state if answer is not None else ""
