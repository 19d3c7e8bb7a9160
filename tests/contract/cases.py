"""How a cluster behaves towards fleet. Each case is a scenario on a fresh `World`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from fleet.core.objects.daemonset import DaemonSetFit
from fleet.core.objects.machine import Ask
from fleet.core.objects.node import NodeRef, Taint, Toleration
from fleet.core.objects.pod import Pod, PodRef
from fleet.core.objects.selector import Selector
from fleet.core.objects.workload import Workload
from fleet.core.releases.release import Release
from fleet.core.rollout.action import (
    Action,
    AnyAction,
    CancelRequest,
    Cordon,
    Evict,
    Mark,
    Outcome,
    Reboot,
    Result,
    Stage,
    Uncordon,
    Unmark,
)
from fleet.core.rollout.event import ClusterSynced, Upserted
from fleet.core.third_parties.sign_index import KEEP_OFF
from fleet.drivers.ports import Cluster
from tests.contract.observer import ClusterObserver
from tests.contract.world import Kind, World

Case = Callable[[World], Awaitable[None]]

ROLLOUT = "r-1"
OTHER = "r-2"
RELEASE = Release("2.0", "sha256:02", "6.2.0", reference_digest="sha256:12")
NOBODY = "00000000-0000-0000-0000-000000000000"


class ActionSender:
    """fleet's side: performs actions on the nodes that the sight shows."""

    def __init__(self, world: World, observer: ClusterObserver) -> None:
        self._world = world
        self._sight = observer
        self._count = 0

    async def __call__(
        self, kind: type[Action], node: str, *, rollout: str = ROLLOUT, **fields: Any
    ) -> Outcome:
        self._count += 1
        head: dict[str, Any] = {
            "id": f"{rollout}/{self._count}",
            "rollout": rollout,
            "node": NodeRef(self._world.cluster.name, node),
            "uid": self._sight.nodes[node].uid,
        }
        action: AnyAction = kind(**(head | fields))  # type: ignore[assignment]
        outcome = await self._world.cluster.perform(action)
        assert outcome.action == action
        return outcome

    async def evict(self, victim: Pod, **fields: Any) -> Outcome:
        node = victim.node or next(iter(self._sight.nodes))
        return await self(Evict, node, **({"pod": victim.ref, "pod_uid": victim.uid} | fields))


async def everything_is_seen_before_synced(world: World) -> None:
    await world.add_nodes(2)
    await world.add_workload("Deployment", "shop", 2)
    await world.add_budget("shop", max_unavailable=1)
    async with ClusterObserver(world.cluster) as observer:
        first = observer.log[
            : next(i for i, event in enumerate(observer.log) if isinstance(event, ClusterSynced))
        ]
        kinds = {type(event.obj).__name__ for event in first if isinstance(event, Upserted)}
        assert {"Node", "Budget", "Workload", "Machine"} <= kinds
        assert len(observer.nodes) == 2
        assert set(observer.machines) == set(observer.nodes)
        assert all(machine.reported for machine in observer.machines.values())
        assert all(node.boot_id and node.uid and node.ready for node in observer.nodes.values())
        await observer.until_ready("shop", 2)
        kinds_of_workloads = {workload.kind for workload in observer.workloads.values()}
        assert kinds_of_workloads == {"Deployment", "ReplicaSet"}
        assert all(
            pod.owner is not None and pod.owner.kind == "ReplicaSet" for pod in observer.pods_of("shop")
        )
        assert all(pod.node in observer.nodes for pod in observer.pods_of("shop"))


async def what_a_workload_declares_of_its_pods_is_seen_to_come_change_and_go(world: World) -> None:
    await world.add_nodes(1)
    await world.add_workload("StatefulSet", "zk", 1)
    await world.add_workload("Deployment", "shop", 1)
    async with ClusterObserver(world.cluster) as observer:
        declaring: tuple[tuple[Kind, str], ...] = (("StatefulSet", "zk"), ("Deployment", "shop"))
        for kind, name in declaring:
            await _declare(world, observer, kind, name, None)
            for written in ("zookeeper", '{"margin": 1}', "", None):
                await _declare(world, observer, kind, name, written)
        sets = [each for each in observer.workloads.values() if each.kind == "ReplicaSet"]
        assert sets and all(each.quorum is None for each in sets)


async def _declare(
    world: World, observer: ClusterObserver, kind: Kind, name: str, quorum: str | None
) -> None:
    await world.declare(kind, name, quorum)
    await observer.until(
        lambda: observer.workloads[kind, "web", name].quorum == quorum, f"{name} declares {quorum!r}"
    )
    selector = Selector({"app": name}) if quorum is not None else None
    assert observer.workloads[kind, "web", name].selector == selector


async def a_granted_eviction_deletes_the_pod_and_another_comes(world: World) -> None:
    await world.add_nodes(2)
    await world.add_workload("Deployment", "shop", 3)
    await world.add_budget("shop", max_unavailable=1)
    async with ClusterObserver(world.cluster) as observer:
        await observer.until_ready("shop", 3)
        await observer.until_counted("shop", healthy=3, allowed=1)
        victim = observer.pods_of("shop")[0]
        outcome = await ActionSender(world, observer).evict(victim)
        assert outcome.result is Result.DONE
        await observer.until(lambda: observer.pod(victim.name) is None, "the evicted pod is gone")
        await observer.until_ready("shop", 3)
        assert victim.uid not in {pod.uid for pod in observer.pods_of("shop")}
        await observer.until_counted("shop", healthy=3, allowed=1)


async def a_replicaset_replaces_a_pod_while_it_is_still_going(world: World) -> None:
    await world.add_nodes(2)
    await world.add_workload("Deployment", "shop", 1, gone_after=20.0)
    async with ClusterObserver(world.cluster) as observer:
        await observer.until_ready("shop", 1)
        (victim,) = observer.pods_of("shop")
        assert (await ActionSender(world, observer).evict(victim)).result is Result.DONE
        await observer.until(
            lambda: any(pod.ready and pod.uid != victim.uid for pod in observer.pods_of("shop")),
            "the replacement is Ready",
        )
        going = observer.pod(victim.name)
        assert going is not None
        assert going.uid == victim.uid
        assert going.deleting


async def a_statefulset_waits_until_a_pod_is_gone_and_reuses_its_name(world: World) -> None:
    await world.add_nodes(2)
    await world.add_workload("StatefulSet", "db", 2)
    async with ClusterObserver(world.cluster) as observer:
        await observer.until_ready("db", 2)
        victim = observer.pods_of("db")[0]
        assert (await ActionSender(world, observer).evict(victim)).result is Result.DONE
        await observer.until(
            lambda: (found := observer.pod(victim.name)) is not None and found.uid != victim.uid,
            "a pod with the same name and another uid",
        )
        uids = [pod.uid for pod in observer.history(victim.name)]
        assert uids == sorted(uids, key=uids.index), "the two never overlap"
        await observer.until_ready("db", 2)


async def a_namesake_is_not_evicted(world: World) -> None:
    await world.add_nodes(1)
    await world.add_workload("StatefulSet", "db", 1)
    async with ClusterObserver(world.cluster) as observer:
        await observer.until_ready("db", 1)
        (pod,) = observer.pods_of("db")
        outcome = await ActionSender(world, observer).evict(pod, pod_uid=NOBODY)
        assert outcome.result is Result.GONE
        again = observer.pod(pod.name)
        assert again is not None
        assert not again.deleting


async def an_eviction_of_a_namesake_takes_nothing_from_its_budget(world: World) -> None:
    """The server charges the budget before it compares the uid: an eviction that is late must not be sent."""
    await world.add_nodes(2)
    await world.add_workload("StatefulSet", "db", 2)
    await world.add_budget("db", max_unavailable=1)
    async with ClusterObserver(world.cluster) as observer:
        await observer.until_ready("db", 2)
        await observer.until_counted("db", healthy=2, allowed=1)
        sender = ActionSender(world, observer)
        one, two = observer.pods_of("db")
        assert (await sender.evict(one, pod_uid=NOBODY)).result is Result.GONE
        assert (await sender.evict(two)).result is Result.DONE


async def a_pod_that_is_not_there_is_gone(world: World) -> None:
    await world.add_nodes(1)
    await world.add_workload("Deployment", "shop", 1)
    async with ClusterObserver(world.cluster) as observer:
        await observer.until_ready("shop", 1)
        (pod,) = observer.pods_of("shop")
        absent = pod.ref._replace(name="nobody")
        assert (await ActionSender(world, observer).evict(pod, pod=absent)).result is Result.GONE


async def a_pod_that_is_going_may_be_evicted_again(world: World) -> None:
    await world.add_nodes(2)
    await world.add_workload("Deployment", "shop", 2, gone_after=20.0)
    await world.add_budget("shop", max_unavailable=1)
    async with ClusterObserver(world.cluster) as observer:
        await observer.until_ready("shop", 2)
        await observer.until_counted("shop", healthy=2, allowed=1)
        sender, victim = ActionSender(world, observer), observer.pods_of("shop")[0]
        assert (await sender.evict(victim)).result is Result.DONE
        assert (await sender.evict(victim)).result is Result.DONE


async def a_budget_without_allowance_refuses_with_its_name(world: World) -> None:
    await world.add_nodes(1)
    await world.add_workload("Deployment", "checkout", 1)
    await world.add_budget("checkout", min_available=1)
    async with ClusterObserver(world.cluster) as observer:
        await observer.until_ready("checkout", 1)
        await observer.until_counted("checkout", healthy=1, allowed=0)
        (pod,) = observer.pods_of("checkout")
        outcome = await ActionSender(world, observer).evict(pod)
        assert outcome.result is Result.REFUSED
        assert "disruption budget checkout needs 1 healthy pods and has 1 currently" in outcome.detail


async def an_eviction_is_counted_at_once(world: World) -> None:
    await world.add_nodes(2)
    await world.add_workload("Deployment", "shop", 3, ready_after=None)
    await world.add_budget("shop", max_unavailable=1)
    async with ClusterObserver(world.cluster) as observer:
        await observer.until(lambda: len(observer.pods_of("shop")) == 3, "three pods")
        for pod in observer.pods_of("shop"):
            await world.set_ready(pod.name, True)
        await observer.until_counted("shop", healthy=3, allowed=1)
        sender, (one, two, _) = ActionSender(world, observer), observer.pods_of("shop")
        outcomes = await asyncio.gather(sender.evict(one), sender.evict(two))
        assert sorted(outcome.result for outcome in outcomes) in (
            [Result.DONE, Result.REFUSED],
            [Result.DONE, Result.STALE],  # the two met in the budget's status
        )
        left = one if outcomes[0].result is not Result.DONE else two
        assert (await sender.evict(left)).result is Result.REFUSED
        await observer.until(
            lambda: observer.budget("shop").disruptions_allowed == 0, "the budget has nothing left"
        )


async def the_allowance_comes_back_when_the_replacement_is_ready(world: World) -> None:
    await world.add_nodes(2)
    await world.add_workload("Deployment", "shop", 2, ready_after=None)
    await world.add_budget("shop", max_unavailable=1)
    async with ClusterObserver(world.cluster) as observer:
        await observer.until(lambda: len(observer.pods_of("shop")) == 2, "two pods")
        for pod in observer.pods_of("shop"):
            await world.set_ready(pod.name, True)
        await observer.until_counted("shop", healthy=2, allowed=1)
        sender, (one, two) = ActionSender(world, observer), observer.pods_of("shop")
        assert (await sender.evict(one)).result is Result.DONE
        known = {one.uid, two.uid}
        await observer.until(
            lambda: [pod for pod in observer.pods_of("shop") if pod.uid not in known and pod.node],
            "a replacement",
        )
        await observer.until_counted("shop", healthy=1, allowed=0)
        assert (await sender.evict(two)).result is Result.REFUSED
        (fresh,) = [pod for pod in observer.pods_of("shop") if pod.uid not in known]
        await world.set_ready(fresh.name, True)
        await observer.until_counted("shop", healthy=2, allowed=1)
        assert (await sender.evict(two)).result is Result.DONE


async def a_pod_of_two_budgets_cannot_be_evicted(world: World) -> None:
    await world.add_nodes(1)
    await world.add_workload("Deployment", "cart", 2, labels={"tier": "front"})
    await world.add_budget("cart", max_unavailable=1)
    await world.add_budget("front", min_available=1, labels={"tier": "front"})
    async with ClusterObserver(world.cluster) as observer:
        await observer.until_ready("cart", 2)
        outcome = await ActionSender(world, observer).evict(observer.pods_of("cart")[0])
        assert outcome.result is Result.FAILED
        assert "more than one PodDisruptionBudget" in outcome.detail


async def a_pending_pod_needs_no_leave_of_a_budget(world: World) -> None:
    await world.add_nodes(1)
    await world.add_workload("Deployment", "slow", 1, ready_after=None)
    await world.add_budget("slow", min_available=1)
    async with ClusterObserver(world.cluster) as observer:
        await observer.until(lambda: [pod for pod in observer.pods_of("slow") if pod.node], "a bound pod")
        await observer.until_counted("slow", healthy=0, allowed=0)
        (pod,) = observer.pods_of("slow")
        assert pod.phase == "Pending"
        assert (await ActionSender(world, observer).evict(pod)).result is Result.DONE


async def an_unready_pod_is_kept_while_its_budget_is_not_healthy(world: World) -> None:
    await world.add_nodes(1)
    await world.add_workload("Deployment", "sick", 2, ready_after=None)
    await world.add_budget("sick", min_available=2)
    async with ClusterObserver(world.cluster) as observer:
        sick, _ = await _one_sick_one_well(world, observer, "sick")
        await observer.until_counted("sick", healthy=1, allowed=0)
        refused = await ActionSender(world, observer).evict(sick)
        assert refused.result is Result.REFUSED, refused


async def an_unready_pod_goes_while_its_budget_is_healthy(world: World) -> None:
    await world.add_nodes(1)
    await world.add_workload("Deployment", "sick", 2, ready_after=None)
    await world.add_budget("sick", min_available=1)
    async with ClusterObserver(world.cluster) as observer:
        sick, well = await _one_sick_one_well(world, observer, "sick")
        await observer.until_counted("sick", healthy=1, allowed=0)
        sender = ActionSender(world, observer)
        assert (await sender.evict(well)).result is Result.REFUSED
        assert (await sender.evict(sick)).result is Result.DONE


async def an_unready_pod_always_goes_where_its_budget_says_so(world: World) -> None:
    await world.add_nodes(1)
    await world.add_workload("Deployment", "sick", 2, ready_after=None)
    await world.add_budget("sick", min_available=2, unhealthy="AlwaysAllow")
    async with ClusterObserver(world.cluster) as observer:
        sick, well = await _one_sick_one_well(world, observer, "sick")
        await observer.until_counted("sick", healthy=1, allowed=0)
        sender = ActionSender(world, observer)
        assert (await sender.evict(well)).result is Result.REFUSED
        assert (await sender.evict(sick)).result is Result.DONE


async def a_pod_without_a_controller_does_not_come_back(world: World) -> None:
    await world.add_nodes(1)
    await world.add_pod("debug")
    async with ClusterObserver(world.cluster) as observer:
        await observer.until_ready("debug", 1)
        (pod,) = observer.pods_of("debug")
        assert pod.owner is None
        assert (await ActionSender(world, observer).evict(pod)).result is Result.DONE
        await observer.until(lambda: not observer.pods_of("debug"), "the pod is gone")


async def a_pod_that_a_stranger_deletes_is_seen_going_and_gone(world: World) -> None:
    await world.add_nodes(1)
    await world.add_pod("debug")
    async with ClusterObserver(world.cluster) as observer:
        await observer.until_ready("debug", 1)
        await world.delete_pod("debug")
        await observer.until(lambda: not observer.pods_of("debug"), "the pod is gone")


async def a_cordon_is_ours_and_idempotent(world: World) -> None:
    await world.add_nodes(1)
    async with ClusterObserver(world.cluster) as observer:
        sender, name = ActionSender(world, observer), next(iter(observer.nodes))
        assert (await sender(Cordon, name)).result is Result.DONE
        await observer.until(lambda: observer.nodes[name].unschedulable, "the cordon")
        assert observer.nodes[name].cordoned_by == ROLLOUT
        assert not observer.nodes[name].foreign_cordon
        assert (await sender(Cordon, name)).result is Result.DONE
        assert (await sender(Cordon, name, rollout=OTHER)).result is Result.STALE
        assert (await sender(Uncordon, name)).result is Result.DONE
        await observer.until(lambda: not observer.nodes[name].unschedulable, "the uncordon")
        assert observer.nodes[name].cordoned_by == ""
        assert (await sender(Uncordon, name)).result is Result.DONE


async def a_foreign_cordon_is_not_taken_over(world: World) -> None:
    await world.add_nodes(1)
    async with ClusterObserver(world.cluster) as observer:
        sender, name = ActionSender(world, observer), next(iter(observer.nodes))
        await world.set_cordon(name, True)
        outcome = await sender(Cordon, name)
        assert outcome.result is Result.STALE
        await observer.until(lambda: observer.nodes[name].foreign_cordon, "the foreign cordon")


async def a_foreign_cordon_stays_when_ours_is_undone(world: World) -> None:
    await world.add_nodes(1)
    async with ClusterObserver(world.cluster) as observer:
        sender, name = ActionSender(world, observer), next(iter(observer.nodes))
        assert (await sender(Mark, name)).result is Result.DONE
        await world.set_cordon(name, True)
        outcome = await sender(Uncordon, name)
        assert outcome.result in (Result.DONE, Result.GONE)
        await observer.until(
            lambda: observer.nodes[name].foreign_cordon and not observer.nodes[name].pending_taint,
            "the foreign cordon alone",
        )


async def an_uncordon_takes_everything_of_ours_away_at_once(world: World) -> None:
    await world.add_nodes(1)
    async with ClusterObserver(world.cluster) as observer:
        sender, name = ActionSender(world, observer), next(iter(observer.nodes))
        before = observer.nodes[name]
        await sender(Mark, name)
        await sender(Cordon, name)
        await observer.until(
            lambda: observer.nodes[name].cordoned_by and observer.nodes[name].pending_taint, "both marks"
        )
        assert (await sender(Uncordon, name)).result is Result.DONE
        await observer.until(lambda: not observer.nodes[name].unschedulable, "the uncordon")
        after = observer.nodes[name]
        assert (after.annotations, after.taints) == (before.annotations, before.taints)


async def a_node_in_work_is_kept_off_others_until_it_is_given_back(world: World) -> None:
    await world.add_nodes(1)
    async with ClusterObserver(world.cluster) as observer:
        sender, name = ActionSender(world, observer), next(iter(observer.nodes))
        before = observer.nodes[name]
        assert (await sender(Cordon, name)).result is Result.DONE
        await observer.until(
            lambda: observer.nodes[name].kept_off_by == ROLLOUT, "the marks that keep others off"
        )
        assert all(observer.nodes[name].annotations[key] == "true" for key in KEEP_OFF)
        # A person uncordons it; the next cordon still knows what is ours.
        await world.set_cordon(name, False)
        await observer.until(lambda: not observer.nodes[name].unschedulable, "the person's uncordon")
        assert (await sender(Cordon, name)).result is Result.DONE
        await observer.until(lambda: observer.nodes[name].unschedulable, "the cordon")
        assert (await sender(Uncordon, name, rollout=OTHER)).result is Result.DONE
        assert observer.nodes[name].kept_off_by == ROLLOUT
        assert (await sender(Uncordon, name)).result is Result.DONE
        await observer.until(lambda: not observer.nodes[name].kept_off_by, "the uncordon")
        assert observer.nodes[name].annotations == before.annotations


async def what_somebody_else_keeps_others_off_by_stays(world: World) -> None:
    await world.add_nodes(1)
    async with ClusterObserver(world.cluster) as observer:
        sender, name = ActionSender(world, observer), next(iter(observer.nodes))
        await world.annotate(name, KEEP_OFF[0], "true")
        await observer.until(lambda: KEEP_OFF[0] in observer.nodes[name].annotations, "the annotation")
        before = observer.nodes[name]
        assert (await sender(Cordon, name)).result is Result.DONE
        await observer.until(lambda: observer.nodes[name].kept_off_by, "the marks that keep others off")
        await world.annotate(name, KEEP_OFF[1], "somebody's")
        await observer.until(
            lambda: observer.nodes[name].annotations[KEEP_OFF[1]] == "somebody's", "the person's change"
        )
        assert (await sender(Uncordon, name)).result is Result.DONE
        await observer.until(lambda: not observer.nodes[name].kept_off_by, "the uncordon")
        assert observer.nodes[name].annotations == before.annotations | {KEEP_OFF[1]: "somebody's"}


async def a_mark_is_idempotent_and_belongs_to_its_rollout(world: World) -> None:
    await world.add_nodes(1)
    async with ClusterObserver(world.cluster) as observer:
        sender, name = ActionSender(world, observer), next(iter(observer.nodes))
        for _ in range(2):
            assert (await sender(Mark, name)).result is Result.DONE
        await observer.until(lambda: observer.nodes[name].pending_taint, "the pending taint")
        assert observer.nodes[name].rollout == ROLLOUT
        assert not observer.nodes[name].unschedulable
        assert (await sender(Unmark, name, rollout=OTHER)).result is Result.DONE
        assert (await sender(Mark, name)).result is Result.DONE
        assert observer.nodes[name].rollout == ROLLOUT
        for _ in range(2):
            assert (await sender(Unmark, name)).result is Result.DONE
        await observer.until(lambda: not observer.nodes[name].pending_taint, "no pending taint")
        assert observer.nodes[name].rollout == ""


async def another_machine_under_the_name_is_not_touched(world: World) -> None:
    await world.add_nodes(1)
    async with ClusterObserver(world.cluster) as observer:
        sender, name = ActionSender(world, observer), next(iter(observer.nodes))
        for kind in (Mark, Cordon, Uncordon, Unmark):
            assert (await sender(kind, name, uid=NOBODY)).result is Result.GONE
        fields: dict[str, Any] = {"uid": NOBODY, "token": "r-1/n/stage/0", "release": RELEASE}
        assert (await sender(Stage, name, **fields)).result is Result.GONE
        assert (await sender(Reboot, name, **fields, boot_id="b")).result is Result.GONE
        assert observer.machines[name].request is None


async def a_machine_is_asked_once_for_each_token(world: World) -> None:
    await world.add_nodes(1)
    async with ClusterObserver(world.cluster) as observer:
        sender, name = ActionSender(world, observer), next(iter(observer.nodes))
        token = f"{ROLLOUT}/{name}/stage/0"
        for _ in range(2):
            assert (await sender(Stage, name, token=token, release=RELEASE)).result is Result.DONE
        await observer.until(lambda: observer.machines[name].request is not None, "the request")
        request = observer.machines[name].request
        assert request is not None
        assert (request.action, request.token, request.release) == (Ask.STAGE, token, RELEASE)


async def a_reboot_presumes_our_cordon_and_the_boot(world: World) -> None:
    await world.add_nodes(1)
    async with ClusterObserver(world.cluster) as observer:
        sender, name = ActionSender(world, observer), next(iter(observer.nodes))
        token, boot_id = f"{ROLLOUT}/{name}/reboot/0", observer.nodes[name].boot_id
        fields: dict[str, Any] = {"token": token, "release": RELEASE, "boot_id": boot_id}
        assert (await sender(Reboot, name, **fields)).result is Result.STALE
        await world.set_cordon(name, True)
        assert (await sender(Reboot, name, **fields)).result is Result.STALE
        await world.set_cordon(name, False)
        await sender(Cordon, name)
        assert (await sender(Reboot, name, **(fields | {"boot_id": "another"}))).result is Result.STALE
        assert observer.machines[name].request is None
        for _ in range(2):
            assert (await sender(Reboot, name, **fields)).result is Result.DONE
        await observer.until(lambda: observer.machines[name].request is not None, "the request")
        request = observer.machines[name].request
        assert request is not None
        assert request.action is Ask.REBOOT


async def a_reboot_presumes_that_the_node_is_drained(world: World) -> None:
    await world.add_nodes(1)
    await world.add_workload("Deployment", "shop", 1)
    async with ClusterObserver(world.cluster) as observer:
        await observer.until_ready("shop", 1)
        sender, name = ActionSender(world, observer), next(iter(observer.nodes))
        fields: dict[str, Any] = {
            "token": f"{ROLLOUT}/{name}/reboot/0",
            "release": RELEASE,
            "boot_id": observer.nodes[name].boot_id,
        }
        await sender(Cordon, name)
        refused = await sender(Reboot, name, **fields)
        assert refused.result is Result.STALE
        assert "shop" in refused.detail
        assert (await sender.evict(observer.pods_of("shop")[0])).result is Result.DONE
        await observer.until(
            lambda: not [pod for pod in observer.pods_of("shop") if pod.node], "the node is empty"
        )
        assert (await sender(Reboot, name, **fields)).result is Result.DONE


async def a_request_is_cleared_by_its_own_rollout_alone(world: World) -> None:
    await world.add_nodes(1)
    async with ClusterObserver(world.cluster) as observer:
        sender, name = ActionSender(world, observer), next(iter(observer.nodes))
        await sender(Stage, name, token=f"{ROLLOUT}/{name}/stage/0", release=RELEASE)
        await observer.until(lambda: observer.machines[name].request is not None, "the request")
        assert (await sender(CancelRequest, name, rollout=OTHER)).result is Result.DONE
        assert (await sender(Mark, name)).result is Result.DONE
        await observer.until(lambda: observer.nodes[name].pending_taint, "a later change")
        assert observer.machines[name].request is not None
        for _ in range(2):
            assert (await sender(CancelRequest, name)).result is Result.DONE
        await observer.until(lambda: observer.machines[name].request is None, "no request")


async def the_lease_keeps_the_place_of_its_holders_journal(world: World) -> None:
    one, two = world.cluster, await world.another()
    assert await one.place() == ""
    assert (await one.lead("fleet@a/1/1", 60, _alive)).place == ""
    assert (await one.lead("fleet@a/1/1", 60, _alive, "7:beef")).place == ""
    assert (await one.lead("fleet@a/1/1", 60, _alive)).place == "7:beef", "what was noted stays"
    assert (await two.lead("fleet@b/2/2", 60, _alive, "9:dead")).place == "7:beef"
    await one.resign("fleet@a/1/1")
    assert await two.place() == "7:beef", "only a holder notes"
    assert (await two.lead("fleet@b/2/2", 60, _alive)).place == "7:beef"


async def one_controller_leads_until_it_resigns(world: World) -> None:
    one, two = world.cluster, await world.another()
    first = await one.lead("fleet@a/1/1", 60, _alive)
    assert first.held
    assert first.holder == "fleet@a/1/1"
    refused = await two.lead("fleet@b/2/2", 60, _alive)
    assert (refused.held, refused.holder, refused.epoch) == (False, "fleet@a/1/1", first.epoch)
    assert (await one.lead("fleet@a/1/1", 60, _alive)).epoch == first.epoch
    await two.resign("fleet@b/2/2")
    assert not (await two.lead("fleet@b/2/2", 60, _alive)).held
    await one.resign("fleet@a/1/1")
    taken = await two.lead("fleet@b/2/2", 60, _alive)
    assert taken.held
    assert taken.epoch == first.epoch + 1
    assert not (await one.lead("fleet@a/1/1", 60, _alive)).held


async def a_lease_that_is_not_renewed_expires(world: World) -> None:
    one, two = world.cluster, await world.another()
    first = await one.lead("fleet@a/1/1", 2, _alive)
    assert first.held
    assert not (await two.lead("fleet@b/2/2", 2, _alive)).held
    taken = await _lead_at_last(two, "fleet@b/2/2", 2)
    assert taken == first.epoch + 1
    assert not (await one.lead("fleet@a/1/1", 60, _alive)).held


async def the_lease_of_a_dead_process_is_taken_at_once(world: World) -> None:
    one, two = world.cluster, await world.another()
    first = await one.lead("fleet@a/1/1", 3600, _alive)
    taken = await two.lead("fleet@b/2/2", 3600, lambda holder: holder == "fleet@a/1/1")
    assert taken.held
    assert taken.epoch == first.epoch + 1


async def a_daemonset_has_a_pod_where_its_template_says_as_labels_and_taints_change(world: World) -> None:
    """The engine's proof asks the template; the pods are what the DaemonSet controller makes of it."""
    await world.add_nodes(3)
    async with ClusterObserver(world.cluster) as observer:
        bears = (Toleration("team", "Equal", "a"),)
        await world.add_daemonset("everywhere", {})
        await world.add_daemonset("bearing", {}, bears)
        await world.add_daemonset("old", {"kernel": "6.1"})
        await world.add_daemonset("new", {"kernel": "6.2"}, (Toleration("", "Exists"),))
        kinds = {name: ("DaemonSet", "web", name) for name in ("everywhere", "bearing", "old", "new")}
        first, second, third = sorted(observer.nodes)
        for labels, taints in DAEMON_STEPS:
            await world.set_node(first, labels, taints)
            await world.set_node(second, {"kernel": "6.1"}, taints[:1])
            await observer.until(
                lambda labels=labels, taints=taints: (
                    all(  # type: ignore[misc]
                        observer.nodes[first].labels.get(key) == value for key, value in labels.items()
                    )
                    and {*taints} <= {*observer.nodes[first].taints}
                    and all(
                        _as_wanted(observer, observer.workloads.get(kind), node)
                        for kind in kinds.values()
                        for node in (first, second, third)
                    )
                ),
                f"pods as the templates say, with {labels} and {taints}",
            )


DAEMON_STEPS: tuple[tuple[dict[str, str | None], tuple[Taint, ...]], ...] = (
    ({"kernel": "6.1"}, ()),
    ({"kernel": "6.2"}, ()),
    ({"kernel": "6.2"}, (Taint("team", "NoSchedule", "a"),)),
    ({"kernel": "6.2"}, (Taint("team", "NoExecute", "b"),)),
    ({"kernel": None}, (Taint("team", "NoExecute", "a"),)),
    ({"kernel": "6.1"}, (Taint("team", "PreferNoSchedule", "b"),)),
)


def _as_wanted(observer: ClusterObserver, daemonset: Workload | None, node: str) -> bool:
    if daemonset is None or daemonset.daemon is None:
        return False
    pods = [pod for pod in observer.pods_of(daemonset.name) if pod.node == node and not pod.deleting]
    place = daemonset.daemon.place(observer.nodes[node])
    return place is DaemonSetFit.KEEP or bool(pods) == (place is DaemonSetFit.RUN)


async def a_volume_is_seen_attached_and_detached(world: World) -> None:
    await world.add_nodes(1)
    async with ClusterObserver(world.cluster) as observer:
        (node,) = observer.nodes
        name = await world.attach("pv-1", "data", node)
        await observer.until(
            lambda: name in observer.attachments and observer.attachments[name].attached, "attached"
        )
        found = observer.attachments[name]
        assert (found.node, found.volume, found.attacher) == (node, "pv-1", "csi.test")
        await observer.until(lambda: "pv-1" in observer.volumes, "the volume is seen")
        assert observer.volumes["pv-1"].claim == PodRef("web", "data")
        await world.detach(name)
        await observer.until(lambda: name not in observer.attachments, "detached")


async def _one_sick_one_well(world: World, observer: ClusterObserver, app: str) -> tuple[Pod, Pod]:
    """Both run; the first is not Ready."""
    await observer.until(
        lambda: len([pod for pod in observer.pods_of(app) if pod.node]) == 2, f"two bound pods of {app}"
    )
    sick, well = observer.pods_of(app)
    for pod in (sick, well):
        await world.set_ready(pod.name, True)
    # Counted before the first is ill: a count of one that comes later is that of the other.
    await observer.until(lambda: observer.budget(app).current_healthy == 2, f"two healthy pods of {app}")
    await world.set_ready(sick.name, False)
    await observer.until(
        lambda: (
            [pod.phase for pod in observer.pods_of(app)] == ["Running", "Running"]
            and [pod.ready for pod in observer.pods_of(app)] == [False, True]
        ),
        f"one unready pod of {app}",
    )
    return sick, well


async def _lead_at_last(cluster: Cluster, identity: str, seconds: int) -> int:
    """The epoch with which it holds the lease in the end."""
    async with asyncio.timeout(120):
        while True:
            found = await cluster.lead(identity, seconds, _alive)
            if found.held:
                return found.epoch
            await asyncio.sleep(0.1)


def _alive(_: str) -> bool:
    return False


CASES: tuple[Case, ...] = (
    everything_is_seen_before_synced,
    a_granted_eviction_deletes_the_pod_and_another_comes,
    what_a_workload_declares_of_its_pods_is_seen_to_come_change_and_go,
    a_daemonset_has_a_pod_where_its_template_says_as_labels_and_taints_change,
    a_volume_is_seen_attached_and_detached,
    a_replicaset_replaces_a_pod_while_it_is_still_going,
    a_statefulset_waits_until_a_pod_is_gone_and_reuses_its_name,
    a_namesake_is_not_evicted,
    an_eviction_of_a_namesake_takes_nothing_from_its_budget,
    a_pod_that_is_not_there_is_gone,
    a_pod_that_is_going_may_be_evicted_again,
    a_budget_without_allowance_refuses_with_its_name,
    an_eviction_is_counted_at_once,
    the_allowance_comes_back_when_the_replacement_is_ready,
    a_pod_of_two_budgets_cannot_be_evicted,
    a_pending_pod_needs_no_leave_of_a_budget,
    an_unready_pod_is_kept_while_its_budget_is_not_healthy,
    an_unready_pod_goes_while_its_budget_is_healthy,
    an_unready_pod_always_goes_where_its_budget_says_so,
    a_pod_without_a_controller_does_not_come_back,
    a_pod_that_a_stranger_deletes_is_seen_going_and_gone,
    a_cordon_is_ours_and_idempotent,
    a_foreign_cordon_is_not_taken_over,
    a_foreign_cordon_stays_when_ours_is_undone,
    an_uncordon_takes_everything_of_ours_away_at_once,
    a_node_in_work_is_kept_off_others_until_it_is_given_back,
    what_somebody_else_keeps_others_off_by_stays,
    a_mark_is_idempotent_and_belongs_to_its_rollout,
    another_machine_under_the_name_is_not_touched,
    a_machine_is_asked_once_for_each_token,
    a_reboot_presumes_our_cordon_and_the_boot,
    a_reboot_presumes_that_the_node_is_drained,
    a_request_is_cleared_by_its_own_rollout_alone,
    one_controller_leads_until_it_resigns,
    the_lease_keeps_the_place_of_its_holders_journal,
    a_lease_that_is_not_renewed_expires,
    the_lease_of_a_dead_process_is_taken_at_once,
)

NODE_CASES: tuple[Case, ...] = (
    a_cordon_is_ours_and_idempotent,
    a_foreign_cordon_is_not_taken_over,
    a_foreign_cordon_stays_when_ours_is_undone,
    an_uncordon_takes_everything_of_ours_away_at_once,
    a_mark_is_idempotent_and_belongs_to_its_rollout,
    another_machine_under_the_name_is_not_touched,
    a_machine_is_asked_once_for_each_token,
    a_reboot_presumes_our_cordon_and_the_boot,
    a_request_is_cleared_by_its_own_rollout_alone,
    the_lease_keeps_the_place_of_its_holders_journal,
    one_controller_leads_until_it_resigns,
    a_lease_that_is_not_renewed_expires,
    the_lease_of_a_dead_process_is_taken_at_once,
)
"""Those of CASES that need no pods."""
