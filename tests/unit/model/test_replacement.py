"""What comes in place of a pod that goes, when, and where."""

from dataclasses import replace as changed

from msgspec.structs import replace

from fleet.core.objects.node import PENDING_TAINT, Resources, Taint, Toleration
from fleet.core.objects.pod import Owner, PodRef
from fleet.core.rollout.action import Cordon, Result
from fleet.model.model import Model
from tests.unit.model.builder import QUICK, ActionSender, Builder


def test_replica_set_creates_the_replacement_at_once_elsewhere() -> None:
    sender = ActionSender(Builder(3).workload("shop", 3).model())
    sender(Cordon, "n-1")

    sender.evict("shop-rs-0")

    old, new = sender.pod("shop-rs-0"), sender.pods("shop")[-1]
    assert old is not None and old.deleting
    assert new.name.startswith("shop-rs-") and new.node in ("n-2", "n-3")
    assert (new.phase, new.ready) == ("Pending", False)
    sender.pass_time(8.1)
    assert [pod.ready for pod in sender.pods("shop")] == [True] * 3


def test_stateful_set_waits_for_the_old_pod_and_reuses_its_name() -> None:
    sender = ActionSender(Builder(3).workload("db", 3, "StatefulSet").model())
    sender(Cordon, "n-1")
    old = sender.pod("db-0")
    sender.evict("db-0")

    sender.pass_time(4.9)
    assert len(sender.pods("db")) == 3
    sender.pass_time(0.2)
    new = sender.pod("db-0")

    assert old is not None and new is not None
    assert (new.uid != old.uid, new.deleting, new.node != "n-1") == (True, False, True)


def test_job_restarts_after_its_backoff() -> None:
    sender = ActionSender(Builder(3).workload("sum", 1, "Job").model())
    sender.evict("sum-0")

    sender.pass_time(9.9)
    between = sender.pods("sum")
    sender.pass_time(0.2)

    assert between == []
    assert len(sender.pods("sum")) == 1


def test_unmanaged_pod_is_lost() -> None:
    sender = ActionSender(Builder().pod("debug").model())
    sender.evict("debug")

    sender.pass_time(60)

    assert sender.pod("debug") is None


def test_daemon_and_static_pods_come_back_on_their_cordoned_node() -> None:
    builder = Builder(2).workload("net", 2, "DaemonSet").pod("etcd-n-1", 0, {"app": "etcd"}, mirror=True)
    sender = ActionSender(builder.model())
    sender(Cordon, "n-1")
    for name in ("net-0", "etcd-n-1"):
        sender.evict(name)

    sender.pass_time(15)

    assert sorted(pod.node for pod in sender.pods("net")) == ["n-1", "n-2"]
    etcd = sender.pod("etcd-n-1")
    assert etcd is not None and (etcd.node, etcd.ready, etcd.uid != "uid-etcd-n-1-1") == ("n-1", True, True)


def test_workload_missing_from_the_snapshot_keeps_its_replicas() -> None:
    builder = Builder(3)
    for number in range(3):
        builder.pod(f"roll-{number}", number, {"app": "roll"}, Owner("Rollout", "roll"))
    sender = ActionSender(builder.model())

    sender.evict("roll-0")
    sender.pass_time(10)

    assert len(sender.pods("roll")) == 3


def test_pods_avoid_nodes_with_the_pending_taint_while_others_have_capacity() -> None:
    builder = Builder(3).workload("shop", 3)
    pending = (Taint(PENDING_TAINT, "PreferNoSchedule"),)
    builder.nodes[:2] = [replace(node, taints=pending) for node in builder.nodes[:2]]
    sender = ActionSender(builder.model())
    sender(Cordon, "n-1")

    sender.evict("shop-rs-0")

    assert sender.pods("shop")[-1].node == "n-3"


def test_pods_go_to_the_emptiest_node_and_apart_from_their_own_kind() -> None:
    builder = Builder(4).workload("shop", 2, requests=Resources(100, 1 << 20, 1))
    for number in range(6):
        builder.pod(f"other-{number}", 3, requests=Resources(1000, 1 << 30, 1))
    sender = ActionSender(builder.model())

    sender.model.stranger.scale("Deployment", PodRef("web", "shop"), 4)

    assert sorted(pod.node for pod in sender.pods("shop")) == ["n-1", "n-2", "n-3", "n-4"]


def test_taints_selectors_and_tolerations_decide_where_a_pod_may_go() -> None:
    builder = Builder(3).workload("shop", 1, node_selector={"disk": "ssd"})
    builder.nodes[1] = replace(builder.nodes[1], labels={"disk": "ssd"}, taints=(Taint("gpu", "NoSchedule"),))
    sender = ActionSender(builder.model())
    sender.evict("shop-rs-0")
    waiting = sender.pods("shop")[-1]

    sender.model.stranger.taint("n-2")

    assert waiting.node == ""
    assert sender.pods("shop")[-1].node == "n-2"
    tolerant = Builder(2).workload("shop", 1, tolerations=(Toleration("gpu", "Exists"),))
    tolerant.nodes = [replace(node, taints=(Taint("gpu", "NoSchedule"),)) for node in tolerant.nodes]
    sender = ActionSender(tolerant.model())
    sender.evict("shop-rs-0")
    assert sender.pods("shop")[-1].node == "n-2"


def test_pod_that_tolerates_the_cordon_comes_right_back() -> None:
    everything = (Toleration(operator="Exists"),)
    builder = Builder(2).workload("shop", 1, tolerations=everything, node_selector={"name": "n-1"})
    sender = ActionSender(builder.model())
    sender(Cordon, "n-1")

    sender.evict("shop-rs-0")

    assert sender.pods("shop")[-1].node == "n-1"


def test_pod_without_capacity_stays_pending_until_there_is_some() -> None:
    builder = Builder(2).workload("big", 2, requests=Resources(6000, 1 << 30, 1))
    sender = ActionSender(builder.model())
    sender(Cordon, "n-1")
    sender.evict("big-rs-0")
    sender.pass_time(20)
    waiting = sender.pods("big")[-1]

    sender.model.stranger.uncordon("n-1")

    assert (waiting.node, waiting.phase) == ("", "Pending")
    assert sender.pods("big")[-1].node == "n-1"
    sender.pass_time(9)
    assert sender.pods("big")[-1].ready


def test_capacity_is_free_only_when_the_old_pod_is_gone() -> None:
    sender = ActionSender(Builder(1).workload("big", 1, requests=Resources(6000, 1 << 30, 1)).model())
    sender.evict("big-rs-0")
    sender.pass_time(4.9)
    waiting = sender.pods("big")[-1].node

    sender.pass_time(0.2)

    assert (waiting, sender.pods("big")[-1].node) == ("", "n-1")


def test_scaling_down_takes_unready_pods_first() -> None:
    sender = ActionSender(Builder(3).workload("shop", 3).model())
    sender.model.stranger.pod_ready(PodRef("web", "shop-rs-1"), False)

    sender.model.stranger.scale("Deployment", PodRef("web", "shop"), 2)
    sender.pass_time(10)

    assert sorted(pod.name for pod in sender.pods("shop")) == ["shop-rs-0", "shop-rs-2"]
    assert sender.workload("Deployment", "shop").ready == 2


def test_stateful_set_scales_by_ordinals() -> None:
    sender = ActionSender(Builder(3).workload("db", 3, "StatefulSet").model())
    where = PodRef("web", "db")

    sender.model.stranger.scale("StatefulSet", where, 4)
    grown = sorted(pod.name for pod in sender.pods("db"))
    sender.model.stranger.scale("StatefulSet", where, 1)
    sender.pass_time(20)

    assert grown == ["db-0", "db-1", "db-2", "db-3"]
    assert [pod.name for pod in sender.pods("db")] == ["db-0"]


def test_ready_count_of_a_workload_follows_its_pods() -> None:
    sender = ActionSender(Builder(3).workload("shop", 3).model())
    sender.evict("shop-rs-0")
    sender.pass_time(1.1)
    during = [
        sender.workload(kind, name).ready
        for kind, name in (("ReplicaSet", "shop-rs"), ("Deployment", "shop"))
    ]

    sender.pass_time(9)

    assert during == [2, 2]
    assert sender.workload("Deployment", "shop").ready == 3


def test_count_of_a_workload_is_not_written_where_nothing_reads_it() -> None:
    sender = ActionSender(Builder(3).workload("shop", 3).model(changed(QUICK, workload=None)))
    sender.evict("shop-rs-0")

    sender.pass_time(3)

    assert sender.workload("Deployment", "shop").ready == 3


def test_pod_with_finalizers_stays_terminating() -> None:
    sender = ActionSender(Builder().workload("shop", 1, finalizers=True).model())
    assert sender.evict("shop-rs-0").result is Result.DONE

    sender.pass_time(600)

    stuck = sender.pod("shop-rs-0")
    assert stuck is not None and (stuck.deleting, stuck.ready) == (True, False)


def test_workload_without_pods_is_kept_in_a_saved_model() -> None:
    sender = ActionSender(Builder(3).workload("shop", 2, grace_seconds=7).model())
    sender.model.stranger.scale("Deployment", PodRef("web", "shop"), 0)
    sender.pass_time(20)
    again = ActionSender(Model.load(sender.model.save(), QUICK))

    again.model.stranger.scale("Deployment", PodRef("web", "shop"), 1)

    assert sender.pods("shop") == []
    assert [(pod.grace_seconds, pod.labels) for pod in again.pods("shop")] == [(7, {"app": "shop"})]
