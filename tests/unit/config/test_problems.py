"""Mistakes in a policy: all of them at once, each with its line and key."""

from __future__ import annotations

import re

import pytest

from fleet.config import loads
from fleet.core.records.errors import ConfigError
from tests.golden import GoldenFiles

ONE, OTHER = "sha256:" + "1" * 64, "sha256:" + "2" * 64
STREAM = "streams: [{name: s, releases: [{version: a}]}]\n"
POOLS = "pools: [{name: w}]\n"


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        loads(text)
    assert caught.value.hint
    return list(caught.value.problems)


def problem(text: str) -> str:
    (found,) = problems(text)
    return found


def test_all_mistakes_are_reported_at_once_in_the_order_of_their_lines(golden: GoldenFiles) -> None:
    found = problems("""\
pools:
  - name: workers
    soak: 90
    drian: {}
    limits:
      max_unavailable: 120%
      per_zone: -1
  - name: workers
    canaries: yes
polls: []
""")
    golden.check("\n".join(found))


MISTAKES_IN_A_POOL = (
    "soak: 1m1m",
    "soak: 31d",
    "soak: ''",
    "soak: ~",
    "soak: [1s]",
    "reboot: {timeout: 0s}",
    "failure_limit: 0",
    "failure_limit: 1.5",
    "stage: {concurrency: 0}",
    "canaries: 99999999999999999999",
    "drain: hold",
    "drain: {unmanaged: evcit}",
    "drain: {grace: -1s}",
    "limits: {per_zone: yes}",
    "limits: {per_zone: 5.5%}",
    "stream: x",
    "stream: s, version: b",
    "version: a",
    "clusters: {}",
    "windows: {from: 1:00}",
    "windows: [x]",
    "windows: [{from: 1:00}]",
    "windows: [{from: 1:00, to: 1:00}]",
    "windows: [{from: 0:00, to: 00:00}]",
    "windows: [{from: 24:00, to: 1:00}]",
    "windows: [{from: 1:00, to: 24:01}]",
    "windows: [{from: 1:00, to: 2:00, days: []}]",
    "windows: [{from: 1:00, to: 2:00, days: weekend}]",
    "windows: [{from: 1:00, to: 2:00, zone: Europe/Berlim}]",
    "windows: [{from: 1:00, to: 2:00, zone: ../../etc/passwd}]",
    "selector: {matchLabels: {a b: c}}",
    "selector: {matchLabels: {a: yes}}",
    "selector: {pool: workers}",
    "selector: {matchLables: {}}",
    "selector: {matchExpressions: [{key: a, operator: In}]}",
    "selector: {matchExpressions: [{key: a, operator: Exists, values: [b]}]}",
    "selector: {matchExpressions: [{key: a, operator: exists}]}",
    "soak: !!python/name:os.system 1s",
    "name: v",
    "<<: {soak: 1s}",
    "[a]: b",
)


def test_mistakes_in_a_pool(golden: GoldenFiles) -> None:
    golden.check(
        "\n".join(
            f"{each}\n  {problem(f'{STREAM}pools: [{{name: w, {each}}}]')}" for each in MISTAKES_IN_A_POOL
        )
    )


MISTAKES_IN_A_STREAM = (
    "{name: s}",
    "{name: s, releases: []}",
    "{releases: [{version: a}]}",
    "{name: s, releases: [{digest: x}]}",
    "{name: s, releases: [{version: a, digest: 'sha256:12'}]}",
    "{name: s, releases: [{version: a, digests: {x86_64: 'sha256:" + "1" * 64 + "'}}]}",
    f"{{name: s, releases: [{{version: a, digests: {{amd64: 'sha256:{'1' * 63}'}}}}]}}",
    f"{{name: s, releases: [{{version: a, digest: '{ONE}', digests: {{amd64: '{ONE}', arm64: '{OTHER}'}}}}]}}",
    f"{{name: s, releases: [{{version: a, digests: {{amd64: '{ONE}', arm64: '{ONE}'}}}}]}}",
    f"{{name: s, releases: [{{version: a, kernel: 6.1-amd64, digests: {{amd64: '{ONE}', arm64: '{OTHER}'}}}}]}}",
    "{name: s, releases: [{version: a}, {version: a}]}",
    "{name: s, file: nowhere.yaml}",
    "{name: s, file: .}",
    '{name: s, file: "a\\0b"}',
    "{name: s, file: x, releases: [{version: a}]}",
)


def test_mistakes_in_a_stream(golden: GoldenFiles) -> None:
    golden.check(
        "\n".join(f"{each}\n  {problems(f'{POOLS}streams: [{each}]')[0]}" for each in MISTAKES_IN_A_STREAM)
    )


@pytest.mark.parametrize("other", [f"digest: '{OTHER}'", f"digests: {{amd64: '{OTHER}'}}"])
def test_same_version_with_two_digests_in_two_streams_is_a_mistake(other: str, golden: GoldenFiles) -> None:
    found = problem(
        f"{POOLS}streams: [{{name: s, releases: [{{version: a, digest: '{ONE}'}}]}},\n"
        f"  {{name: t, releases: [{{version: a, {other}}}]}}]"
    )
    golden.check(found)


def test_stream_name_is_unique(golden: GoldenFiles) -> None:
    twice = "streams: [{name: s, releases: &r [{version: a}]}, {name: s, releases: *r}]"
    golden.check(problem(f"{POOLS}{twice}"))


MISTAKES_IN_A_FREEZE = (
    "from: 2026-12-19, until: 2026-12-20T00:00Z",
    "from: 2026-12-19T00:00Z, until: 2026-12-19T01:00+01:00",
    "from: 2026-13-19T00:00Z, until: 2026-12-19T01:00Z",
    "from: 0001-01-01T00:00+10:00, until: 2026-12-19T01:00Z",
    "from: 2026-12-19T00:00Z, until: 9999-12-31T23:59-10:00",
    "from: 2026-12-19T00:00Z",
)


def test_mistakes_in_a_freeze(golden: GoldenFiles) -> None:
    golden.check(
        "\n".join(
            f"{each}\n  {problem(f'{POOLS}freezes: [{{name: f, {each}}}]')}" for each in MISTAKES_IN_A_FREEZE
        )
    )


NO_POLICIES = (
    "",
    "# nothing yet\n",
    "pools: workers\n",
    "- a\n",
    "limits: {}\n",
    "limits: {}\npools: []\n",
    "pools:\n  - name: w\n   soak: 1s\n",
    "pools: [{name: w}\n",
    "pools:\n\t- name: w\n",
    "a: 1\n---\nb: 2\n",
    "pools: *p\n",
    "pools: &p [*p]\n",
    "pools:\n- name: \x00\n",
    "\ud800",
    "[" * 100_000,
    "{a: " * 100_000,
    "#" * (1 << 20) + "\n",
    "a: [" + "1," * 200_000 + "]",
)


def test_text_that_is_not_a_policy_has_one_problem(golden: GoldenFiles) -> None:
    problems = (
        re.sub("not YAML: .*", "not YAML: (what the parser says)", problem(each)) for each in NO_POLICIES
    )
    golden.check(
        "\n".join(f"{text[:40]!r}\n  {found}" for text, found in zip(NO_POLICIES, problems, strict=True))
    )


def test_aliases_cannot_make_a_small_file_large(golden: GoldenFiles) -> None:
    layers = ["l0: &l0 [x, x, x, x, x, x, x, x, x]"]
    layers += [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]" for n in range(1, 12)]
    golden.check(problem("\n".join(layers)))


def test_after_a_hundred_problems_the_rest_is_skipped(golden: GoldenFiles) -> None:
    found = problems(POOLS + "".join(f"key{n}: 1\n" for n in range(45_000)))
    assert len(found) == 101
    golden.check(found[-1])


def test_long_value_is_cut_in_a_message() -> None:
    assert len(problem(f"pools: [{{name: {'x' * 1000}}}]")) < 250


def test_feed_of_bottlerocket_is_refused_by_name() -> None:
    found = problems("streams: [{name: s, feed: {bottlerocket: {variant: aws-k8s-1.34}}}]\n" + POOLS)
    assert len(found) == 1
    assert "Bottlerocket" in found[0] and "seed" in found[0]


def many(count: int, item: str) -> str:
    return ", ".join(item.format(number) for number in range(count))


@pytest.mark.parametrize(
    ("text", "key", "most"),
    [
        ("pools: [{{name: w, windows: [{}]}}]", "windows", 64),
        ("pools: [{{name: w}}]\nsites: [{}]", "sites", 1024),
        (
            "pools: [{{name: w}}]\nfreezes: [{{name: f, from: 2026-12-01T00:00Z, until: 2026-12-02T00:00Z, sites: [{}]}}]",
            "sites",
            1024,
        ),
        ("pools: [{{name: w, selector: {{matchLabels: {{{}}}}}}}]", "matchLabels", 256),
    ],
    ids=["windows", "sites", "a freeze's sites", "matchLabels"],
)
def test_list_that_no_object_could_have_is_a_mistake(text: str, key: str, most: int) -> None:
    items = {
        "windows": "{{days: mon, from: '01:00', to: '02:00'}}",
        "sites": "s{}" if "freezes" in text else "{{name: s{0}}}",
        "matchLabels": "k{0}: v",
    }
    loads(text.format(many(most, items[key])))
    (found,) = problems(text.format(many(most + 1, items[key])))
    assert f"at most {most} of {key}, found {most + 1}" in found


def test_pools_and_freezes_are_as_many_as_there_are_objects() -> None:
    assert len(loads(f"pools: [{many(300, '{{name: w{0}}}')}]")[0].pools) == 300
