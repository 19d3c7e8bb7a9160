"""The status that the disruption controller writes."""

import pytest

from fleet.core.objects.budget import Budget, share
from fleet.core.objects.pod import PodRef
from fleet.core.objects.selector import Selector
from tests.unit.model.builder import ActionSender, Builder


@pytest.mark.parametrize(
    ("rule", "allowed", "desired", "expected"),
    [
        ({"min_available": 2}, 3, 2, 5),
        ({"min_available": "50%"}, 2, 3, 5),
        ({"max_unavailable": 1}, 1, 4, 5),
        ({"max_unavailable": "30%"}, 2, 3, 5),
        ({"max_unavailable": 0}, 0, 5, 5),
        ({"min_available": "100%"}, 0, 5, 5),
        ({"min_available": 9}, 0, 9, 5),
    ],
)
def test_budget_rules_on_a_workload_of_five(
    rule: dict[str, int | str], allowed: int, desired: int, expected: int
) -> None:
    budget = ActionSender(Builder().workload("shop", 5).budget("shop", None, **rule).model()).budget("shop")

    assert (budget.disruptions_allowed, budget.desired_healthy, budget.expected_pods) == (
        allowed,
        desired,
        expected,
    )
    assert (budget.current_healthy, budget.failure) == (5, "")


def test_percentages_round_up() -> None:
    assert [share("34%", 3), share("33%", 3), share("1%", 200), share("0%", 9), share(4, 9)] == [
        2,
        1,
        2,
        0,
        4,
    ]


def test_budget_status_lags_behind_the_pods() -> None:
    sender = ActionSender(Builder().workload("shop", 3).budget("shop", min_available=1).model())
    sender.model.stranger.pod_ready(PodRef("web", "shop-rs-0"), False)

    sender.pass_time(0.1)
    before = sender.budget("shop").disruptions_allowed
    sender.pass_time(0.2)

    assert (before, sender.budget("shop").disruptions_allowed) == (2, 1)


def test_scaling_changes_what_is_expected() -> None:
    sender = ActionSender(Builder().workload("shop", 4).budget("shop", min_available="50%").model())

    sender.model.stranger.scale("Deployment", PodRef("web", "shop"), 8)
    sender.pass_time(0.3)
    budget = sender.budget("shop")
    sender.pass_time(10)

    assert (budget.expected_pods, budget.desired_healthy, budget.disruptions_allowed) == (8, 4, 0)
    assert sender.budget("shop").disruptions_allowed == 4


def test_pods_without_a_scale_fail_a_percentage_but_not_a_number() -> None:
    builder = Builder().workload("job", 2, "Job").budget("percent", "job", min_available="50%")
    percent = ActionSender(builder.model()).budget("percent")
    number = ActionSender(
        Builder().workload("job", 2, "Job").budget("number", "job", min_available=1).model()
    ).budget("number")

    assert (percent.failure, percent.disruptions_allowed) == (
        "jobs.batch does not implement the scale subresource",
        0,
    )
    assert (number.failure, number.disruptions_allowed) == ("", 1)


def test_budget_without_pods_allows_nothing() -> None:
    assert (
        ActionSender(Builder().budget("shop", max_unavailable=1).model()).budget("shop").disruptions_allowed
        == 0
    )


def test_new_rule_counts_once_it_was_observed() -> None:
    sender = ActionSender(Builder().workload("shop", 3).budget("shop", max_unavailable=0).model())
    new = Budget("web", "shop", "uid-shop", Selector({"app": "shop"}), max_unavailable=1)

    sender.model.stranger.put_budget(new)
    before = sender.budget("shop")
    sender.pass_time(0.3)

    assert not before.observed
    assert sender.budget("shop").observed
    assert sender.budget("shop").disruptions_allowed == 1


def test_deleted_budget_protects_nothing() -> None:
    sender = ActionSender(Builder().workload("shop", 1).budget("shop", min_available=1).model())
    refused = sender.evict("shop-rs-0").result

    sender.model.stranger.delete_budget(PodRef("web", "shop"))

    assert (refused, sender.evict("shop-rs-0").result) == ("refused", "done")
