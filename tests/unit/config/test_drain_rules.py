"""Drain rules in a policy: read as written, and refused with every mistake."""

from __future__ import annotations

from fleet.config import loads
from fleet.core.objects.selector import Selector
from fleet.core.policy.drain_rule import PodRule, PodRuleTerm
from tests.unit.config.test_problems import problems

HEAD = """\
pools:
  - name: w
    drain:
      rules:
"""


def rules(text: str, head: str = HEAD) -> tuple[PodRule, ...]:
    policy, _ = loads(head + text)
    return policy.pools[0].drain.rules


def wrong(text: str) -> str:
    return "\n".join(problems(HEAD + text))


def cautions(text: str) -> list[str]:
    return [each.message for each in loads(HEAD + text)[1]]


def test_rule_selects_pods_and_what_is_done_with_them() -> None:
    assert rules("""\
        - name: games
          do: hold
          pods:
            - namespaces: [games, more]
              annotations: {example.com/busy: "true"}
            - {selector: {matchLabels: {tier: live}}, owners: [StatefulSet]}
        - {name: jobs, do: wait, timeout: 4h, order: -1, pods: [{owners: Job}]}
        - {name: rest, do: evict, order: 5}
""") == (
        PodRule(
            "games",
            "hold",
            (
                PodRuleTerm(("games", "more"), annotations={"example.com/busy": "true"}),
                PodRuleTerm(selector=Selector({"tier": "live"}), owners=("StatefulSet",)),
            ),
        ),
        PodRule("jobs", "wait", (PodRuleTerm(owners=("Job",)),), -1, 14400),
        PodRule("rest", "evict", (), 5),
    )


def test_rules_of_a_pool_replace_those_of_the_defaults() -> None:
    base = "defaults: {drain: {rules: [{name: all, do: evict}]}}\npools: [{name: w, drain: %s}]\n"
    assert [each.name for each in rules("", base % "{}")] == ["all"]
    assert rules("", base % "{rules: []}") == ()
    assert [each.name for each in rules("", base % "{rules: [{name: own, do: evict}]}")] == ["own"]


def test_all_mistakes_of_rules_are_reported_at_once() -> None:
    found = wrong("""\
        - do: hold
          pods: [{}]
        - {name: a, do: keep, pods: [{owners: [Job]}]}
        - {name: a, do: skip}
        - {name: b, do: evict, timeout: 5m, pods: [{annotations: {example.com/port: "8080"}}]}
        - {name: c, do: wait, order: first, pods: [{owners: [job]}]}
        - {name: d, do: wait, timeout: 0s, pods: [{nodes: [n-1]}]}
""")
    for message in (
        "expected the key name",
        "at least one of namespaces, selector, annotations, owners",
        "found 'keep'",
        "expected each name once",
        "expected pods (which ones to skip)",
        "expected no timeout beside evict",
        "a word of at most 20 letters",
        "a whole number, found 'first'",
        "a kind such as Job, or none, found 'job'",
        "found '0s'",
        "found 'nodes'",
    ):
        assert message in found, message


def test_rule_that_never_applies_is_a_warning() -> None:
    assert any(
        "never applies" in message
        for message in cautions("        - {name: all, do: evict}\n        - {name: b, do: evict}\n")
    )
    daemons = "        - {name: d, do: skip, pods: [{owners: [DaemonSet]}]}\n"
    assert any("always stay" in message for message in cautions(daemons))
