"""What the Eviction API answers, and what becomes of the pod and its budget."""

from fleet.core.objects.pod import Pod, PodRef
from fleet.core.quorum.quorum import Quorum
from fleet.core.rollout.action import Result
from fleet.core.rollout.event import Deleted, Upserted
from fleet.model.control_plane.eviction import SEVERAL
from tests.unit.model.builder import ActionSender, Builder


def test_granted_eviction_charges_the_budget_at_once_and_deletes_the_pod() -> None:
    sender = ActionSender(Builder().workload("shop", 3).budget("shop", max_unavailable=1).model())

    assert sender.evict("shop-rs-0").result is Result.DONE

    assert sender.budget("shop").disruptions_allowed == 0
    assert sender.budget("shop").disrupted == {"shop-rs-0"}
    pod = sender.pod("shop-rs-0")
    assert pod is not None and pod.deleting


def test_second_eviction_is_refused_until_the_replacement_is_ready() -> None:
    sender = ActionSender(Builder().workload("shop", 3).budget("shop", max_unavailable=1).model())
    sender.evict("shop-rs-0")

    refused = sender.evict("shop-rs-1")
    sender.pass_time(7.9)
    still = sender.evict("shop-rs-1")
    sender.pass_time(0.4)
    granted = sender.evict("shop-rs-1")

    assert refused.result is still.result is Result.REFUSED
    assert "needs 2 healthy pods and has 2 currently" in still.detail
    assert granted.result is Result.DONE


def test_budget_recovers_before_the_node_is_back() -> None:
    sender = ActionSender(Builder().workload("shop", 3).budget("shop", min_available=2).model())
    sender.evict("shop-rs-0")

    sender.pass_time(8.5)

    assert sender.budget("shop").disruptions_allowed == 1
    assert sender.budget("shop").disrupted == frozenset()
    assert len(sender.pods("shop")) == 3


def test_eviction_of_a_terminating_pod_is_granted_and_charges_nothing() -> None:
    sender = ActionSender(Builder().workload("shop", 4).budget("shop", max_unavailable=2).model())
    sender.evict("shop-rs-0")

    assert sender.evict("shop-rs-0").result is Result.DONE
    assert sender.budget("shop").disruptions_allowed == 1


def test_deleted_or_recreated_pod_is_gone() -> None:
    sender = ActionSender(Builder().workload("db", 3, "StatefulSet").model())

    assert sender.evict("no-such-pod").result is Result.GONE
    namesake = sender.evict("db-0", pod_uid="of-the-old-one")

    assert namesake.result is Result.GONE
    pod = sender.pod("db-0")
    assert pod is not None and not pod.deleting


def test_server_charges_the_budget_for_a_recreated_pod() -> None:
    def left(looks: bool) -> int:
        builder = Builder().workload("db", 3, "StatefulSet").budget("db", max_unavailable=1)
        model = builder.model()
        model.actions.looks = looks
        sender = ActionSender(model)
        assert sender.evict("db-0", pod_uid="of-the-old-one").result is Result.GONE
        return sender.budget("db").disruptions_allowed

    assert (left(looks=True), left(looks=False)) == (1, 0)


def test_pod_with_two_budgets_is_always_refused() -> None:
    sender = ActionSender(
        Builder()
        .workload("shop", 3)
        .budget("one", "shop", max_unavailable=1)
        .budget("two", "shop", max_unavailable=1)
        .model()
    )

    outcome = sender.evict("shop-rs-0")

    assert (outcome.result, outcome.detail) == (Result.FAILED, SEVERAL)


def test_two_budgets_do_not_matter_to_a_finished_pod() -> None:
    builder = Builder().budget("one", "shop", min_available=1).budget("two", "shop", min_available=1)
    for name, phase in (("a", "Succeeded"), ("b", "Failed"), ("c", "Pending")):
        builder.pod(name, 0, {"app": "shop"}, phase=phase, ready=False)
    sender = ActionSender(builder.model())

    assert [sender.evict(name).result for name in "abc"] == [Result.DONE] * 3


def test_unobserved_budget_refuses_with_retry_after() -> None:
    builder = Builder().workload("shop", 3).budget("shop", max_unavailable=1, generation=2)
    sender = ActionSender(builder.model(settled=False))

    early = sender.evict("shop-rs-0")
    sender.pass_time(0.3)

    assert (early.result, early.retry_after) == (Result.REFUSED, 10.0)
    assert "still being processed" in early.detail
    assert sender.evict("shop-rs-0").result is Result.DONE


def test_unready_pod_goes_only_while_enough_others_are_healthy() -> None:
    sender = ActionSender(Builder().workload("shop", 3).budget("shop", min_available=2).model())
    sender.model.stranger.pod_ready(PodRef("web", "shop-rs-0"), False)
    sender.model.stranger.pod_ready(PodRef("web", "shop-rs-1"), False)
    sender.pass_time(0.3)
    refused = sender.evict("shop-rs-0")

    sender.model.stranger.pod_ready(PodRef("web", "shop-rs-1"), True)
    sender.pass_time(0.3)
    granted = sender.evict("shop-rs-0")

    assert (refused.result, granted.result) == (Result.REFUSED, Result.DONE)
    assert sender.budget("shop").disrupted == frozenset()


def test_always_allow_lets_unready_pods_go() -> None:
    builder = Builder().workload("shop", 3).budget("shop", min_available=3, unhealthy_policy="AlwaysAllow")
    sender = ActionSender(builder.model())
    for name in ("shop-rs-0", "shop-rs-1"):
        sender.model.stranger.pod_ready(PodRef("web", name), False)

    assert sender.evict("shop-rs-0").result is Result.DONE
    assert sender.evict("shop-rs-2").result is Result.REFUSED


def test_grace_period_of_the_eviction_overrides_the_pods_own() -> None:
    sender = ActionSender(Builder().workload("shop", 1).model())
    sender.evict("shop-rs-0", grace_seconds=0)

    reported = sender.pass_time(0.0)

    assert any(isinstance(event, Deleted) and event.obj == hand_pod(event) for _, event in reported)
    assert sender.pod("shop-rs-0") is None


def hand_pod(event: Deleted) -> Pod | None:
    return event.obj if isinstance(event.obj, Pod) and event.obj.name == "shop-rs-0" else None


def test_every_change_is_reported_in_order_of_its_version() -> None:
    sender = ActionSender(Builder().workload("shop", 3).budget("shop", max_unavailable=1).model())
    sender.evict("shop-rs-0")

    reported = sender.pass_time(20)

    things = [event.obj for _, event in reported if isinstance(event, Upserted)]
    seen = [thing for thing in things if not isinstance(thing, Quorum)]
    assert [type(thing).__name__ for thing in seen[:3]] == ["Budget", "Pod", "Pod"]
    versions = [int(thing.resource_version) for thing in seen]
    assert versions == sorted(set(versions))
    assert [at for at, _ in reported] == sorted(at for at, _ in reported)
