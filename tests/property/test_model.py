"""Whatever fleet and strangers do to a model cluster, what Kubernetes promises still holds."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace as changed
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from fleet.core.objects.budget import share
from fleet.core.objects.node import PENDING_TAINT, Taint
from fleet.core.objects.pod import PodRef
from fleet.core.rollout.action import CancelRequest, Cordon, Mark, Result, Uncordon, Unmark
from fleet.core.rollout.event import ClusterEvent, Deleted, Upserted
from fleet.model.behaviour import ClusterBehaviour, SpreadLength
from fleet.model.model import Model
from tests.unit.model.builder import QUICK, START, ActionSender, Builder

DRAWN = ClusterBehaviour(
    pod_start=SpreadLength(1, 30),
    pod_restart=SpreadLength(1, 8),
    pod_stop=SpreadLength(0, 20),
    stage=SpreadLength(5, 20),
    stage_reports=2,
    reboot=SpreadLength(20, 90),
    agent=SpreadLength(0, 3),
    budget=SpreadLength(0, 2),
    job_backoff=SpreadLength(5, 15),
)
GUARDED = ("shop", "cart", "db", "half")
KINDS = {"shop": "Deployment", "cart": "Deployment", "db": "StatefulSet", "half": "Deployment", "sum": "Job"}
REPLICAS = {"shop": 4, "cart": 3, "db": 3, "half": 5, "sum": 2}


def built(seed: int, behaviour: ClusterBehaviour = DRAWN) -> ActionSender:
    builder = Builder(6)
    for name, kind in KINDS.items():
        builder.workload(name, REPLICAS[name], kind)
    builder.workload("net", 6, "DaemonSet")
    builder.budget("shop", max_unavailable=1).budget("cart", min_available=2)
    builder.budget("db", max_unavailable=1).budget("half", min_available="50%")
    sender = ActionSender(builder.model(behaviour, seed))
    sender.pass_time(5)
    return sender


Step = tuple[str, int, float]
OURS = ("evict", "evict", "evict", "cordon", "uncordon", "mark", "unmark", "stage", "reboot", "clear")
OTHERS = ("stranger cordons", "stranger uncordons", "delete pod", "unready", "ready", "taint", "wait")
STEPS = st.lists(
    st.tuples(
        st.sampled_from((*OURS, *OTHERS)),
        st.integers(0, 1000),
        st.sampled_from((0.0, 0.1, 1.0, 7.0, 40.0)),
    ),
    max_size=60,
)


def take(sender: ActionSender, step: Step) -> list[tuple[float, ClusterEvent]]:
    """One step on a node or pod of that number, then some time."""
    what, number, seconds = step
    node = f"n-{number % 6 + 1}"
    pods = [pod for pod in sender.model.snapshot(START).pods if not pod.daemon]
    pod = pods[number % len(pods)] if pods else None
    stranger = sender.model.stranger
    match what:
        case "cordon" | "uncordon" | "mark" | "unmark" | "clear":
            kinds = {
                "cordon": Cordon,
                "uncordon": Uncordon,
                "mark": Mark,
                "unmark": Unmark,
                "clear": CancelRequest,
            }
            sender(kinds[what], node)
        case "stage":
            sender.stage(node, f"r-1/{node}/stage/{number % 5}")
        case "reboot":
            sender.reboot(node, f"r-1/{node}/reboot/{number % 5}")
        case "stranger cordons":
            stranger.cordon(node)
        case "stranger uncordons":
            stranger.uncordon(node)
        case "taint":
            stranger.taint(node, *([Taint(PENDING_TAINT, "PreferNoSchedule")] if number % 2 else []))
    if pod is not None:
        match what:
            case "evict":
                sender.evict(pod.name)
            case "delete pod":
                stranger.delete_pod(pod.ref)
            case "unready" if pod.phase == "Running":
                stranger.pod_ready(pod.ref, False)
            case "ready" if pod.phase == "Running":
                stranger.pod_ready(pod.ref, True)
    return sender.pass_time(seconds)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 1 << 30), STEPS)
def test_every_workload_recovers_once_it_is_left_alone(seed: int, steps: list[Step]) -> None:
    sender = built(seed)
    for step in steps:
        take(sender, step)
    for node in sender.model.snapshot(START).nodes:
        sender.model.stranger.uncordon(node.name)

    sender.pass_time(600)

    running = Counter(
        pod.labels["app"]
        for pod in sender.model.snapshot(START).pods
        if not pod.deleting and pod.phase == "Running"
    )
    assert running == {**REPLICAS, "net": 6}
    assert Counter(pod.node for pod in sender.pods("net")) == dict.fromkeys(
        [f"n-{n}" for n in range(1, 7)], 1
    )


@settings(max_examples=150, deadline=None)
@given(
    st.integers(0, 1 << 30), st.lists(st.tuples(st.integers(0, 1000), st.sampled_from((0.0, 0.1, 1.0, 9.0))))
)
def test_evictions_alone_never_leave_fewer_healthy_pods_than_a_budget_requires(
    seed: int, evictions: list[tuple[int, float]]
) -> None:
    sender = built(seed)
    granted = 0
    for number, seconds in evictions:
        pods = [pod for pod in sender.model.snapshot(START).pods if not pod.daemon]
        granted += sender.evict(pods[number % len(pods)].name).result is Result.DONE
        _no_budget_is_broken(sender)
        for at, _ in sender.pass_time(seconds):
            assert at <= sender.model.now
        _no_budget_is_broken(sender)
    assert granted or not evictions


def _no_budget_is_broken(sender: ActionSender) -> None:
    """Counted from the pods alone, with rules of its own."""
    wanted = {"shop": 3, "cart": 2, "db": 2, "half": 3}
    healthy = Counter(
        pod.labels["app"] for pod in sender.model.snapshot(START).pods if pod.ready and not pod.deleting
    )
    for app, least in wanted.items():
        assert healthy[app] >= least, f"{app}: {healthy[app]} of {least}"


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 1 << 30), STEPS)
def test_budget_status_is_right_once_its_controller_has_run(seed: int, steps: list[Step]) -> None:
    sender = built(seed)
    for step in steps:
        take(sender, step)
    sender.pass_time(600)
    snapshot = sender.model.snapshot(START)
    for budget in snapshot.budgets:
        pods = [pod for pod in snapshot.pods if budget.matches(pod)]
        healthy = sum(pod.ready and not pod.deleting for pod in pods)
        expected = REPLICAS[budget.name] if budget.min_available != 2 else len(pods)
        desired = (
            share(budget.min_available, expected)
            if budget.min_available is not None
            else expected - share(budget.max_unavailable or 0, expected)
        )
        assert (budget.current_healthy, budget.expected_pods, budget.desired_healthy) == (
            healthy,
            expected,
            desired,
        )
        assert budget.disruptions_allowed == max(0, healthy - desired)
        assert budget.disrupted == frozenset()


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 1 << 30), STEPS)
def test_the_same_seed_gives_the_same_events(seed: int, steps: list[Step]) -> None:
    one, two = built(seed), built(seed)

    for step in steps:
        assert take(one, step) == take(two, step)

    assert one.pass_time(600) == two.pass_time(600)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 1 << 30), STEPS, st.integers(0, 60), st.booleans())
def test_saved_and_loaded_model_continues_the_same(
    seed: int, steps: list[Step], when: int, unread: bool
) -> None:
    one = built(seed)
    for step in steps[:when]:
        take(one, step)
    if unread:
        one.stage("n-1", "r-1/n-1/stage/unread")
    data = one.model.save()
    two = ActionSender(Model.load(data, DRAWN))
    two.count = one.count

    assert two.model.save() == data
    for step in steps[when:]:
        assert take(one, step) == take(two, step)
    assert one.pass_time(600) == two.pass_time(600)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 1 << 30), STEPS)
def test_events_describe_the_whole_state(seed: int, steps: list[Step]) -> None:
    sender = built(seed)
    known = {_key(thing): thing for thing in sender.model.objects()}
    for step in [*steps, ("wait", 0, 300.0)]:
        for _, event in take(sender, step):
            match event:
                case Upserted(_, thing):
                    known[_key(thing)] = thing
                case Deleted(_, thing):
                    del known[_key(thing)]

    assert known == {_key(thing): thing for thing in sender.model.objects()}


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 1 << 30), st.lists(st.integers(0, 5), min_size=1, max_size=20))
def test_no_node_holds_more_pods_than_fit(seed: int, nodes: list[int]) -> None:
    builder = Builder(6, pods=6)
    for name in ("shop", "cart"):
        builder.workload(name, 10)
    sender = ActionSender(builder.model(changed(QUICK, pod_stop=SpreadLength(0, 9)), seed))
    rng = Random(seed)
    for number in nodes:
        node = f"n-{number + 1}"
        sender(Cordon, node)
        for pod in sender.model.snapshot(START).pods:
            if pod.node == node:
                sender.evict(pod.name)
        sender.pass_time(rng.choice((0.0, 3.0, 20.0)))
        bound = Counter(pod.node for pod in sender.model.snapshot(START).pods if pod.node)
        assert max(bound.values()) <= 6
        sender(Uncordon, node)
    sender.pass_time(60)
    pods = sender.model.snapshot(START).pods
    assert len(pods) == 20
    assert all(pod.node and pod.ready for pod in pods)


def _key(thing: object) -> tuple[str, ...]:
    kind = getattr(thing, "kind", type(thing).__name__)
    return kind, getattr(thing, "namespace", ""), thing.name  # type: ignore[attr-defined]


def test_cluster_of_the_builder_has_the_pods_that_the_properties_count() -> None:
    sender = built(1)

    assert replace(sender.pods("shop")[0], resource_version="").ref == PodRef("web", "shop-rs-0")
    assert Counter(pod.labels["app"] for pod in sender.model.snapshot(START).pods) == {**REPLICAS, "net": 6}
