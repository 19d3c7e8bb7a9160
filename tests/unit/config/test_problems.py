"""Mistakes in a policy: all of them at once, each with its line and key."""

from __future__ import annotations

import pytest

from fleet.config import loads
from fleet.core.records.errors import ConfigError

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


def test_all_mistakes_are_told_at_once_in_the_order_of_their_lines() -> None:
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
    assert found == [
        "fleet.yaml:3: pools.workers.soak: expected a duration such as 90s, 5m or 1h30m, at most 30d, found '90'",
        "fleet.yaml:4: pools.workers.drian: expected a known key, found 'drian'; the nearest is drain",
        "fleet.yaml:6: pools.workers.limits.max_unavailable: expected a number of nodes, a percentage from 0% to "
        "100%, or none, found '120%'",
        "fleet.yaml:7: pools.workers.limits.per_zone: expected a number of nodes, a percentage from 0% to 100%, "
        "or none, found '-1'",
        "fleet.yaml:8: pools.workers.name: expected each name once, found it again",
        "fleet.yaml:9: pools.workers.canaries: expected a whole number from 0 on, found the boolean yes "
        "(text needs quotes)",
        "fleet.yaml:10: polls: expected a known key, found 'polls'; the nearest is pools",
    ]


@pytest.mark.parametrize(
    ("pool", "words"),
    [
        ("soak: 1m1m", "w.soak: expected a duration"),
        ("soak: 31d", "w.soak: expected a duration"),
        ("soak: ''", "w.soak: expected a duration"),
        ("soak: ~", "w.soak: expected a duration such as 90s, 5m or 1h30m, at most 30d, found nothing"),
        ("soak: [1s]", "at most 30d, found a list"),
        ("reboot: {timeout: 0s}", "w.reboot.timeout: expected a duration such as 90s, 5m or 1h30m, not zero"),
        (
            "failure_limit: 0",
            "w.failure_limit: expected a whole number from 1 on, or a percentage, found '0'",
        ),
        (
            "failure_limit: 1.5",
            "w.failure_limit: expected a whole number from 1 on, or a percentage, found '1.5'",
        ),
        ("stage: {concurrency: 0}", "w.stage.concurrency: expected a whole number from 1 on"),
        ("canaries: 99999999999999999999", "w.canaries: expected a whole number"),
        ("drain: hold", "w.drain: expected a mapping, found 'hold'"),
        ("drain: {unmanaged: evcit}", "expected hold or evict, found 'evcit'; the nearest is evict"),
        ("drain: {grace: -1s}", "w.drain.grace: expected a duration"),
        ("limits: {per_zone: yes}", "w.limits.per_zone: expected a number of nodes"),
        ("limits: {per_zone: 5.5%}", "w.limits.per_zone: expected a number of nodes"),
        ("stream: x", "w.stream: expected one of the streams (s), found 'x'"),
        ("stream: s, version: b", "w.version: expected a version of stream s, found 'b'"),
        ("version: a", "w.version: expected a stream that has this version, found none"),
        ("clusters: {}", "w.clusters: expected a name"),
        ("windows: {from: 1:00}", "w.windows: expected a list, found a mapping"),
        ("windows: [x]", "w.windows[0]: expected a mapping, found 'x'"),
        ("windows: [{from: 1:00}]", "w.windows[0]: expected the key to (a time of day"),
        ("windows: [{from: 1:00, to: 1:00}]", "windows[0].to: expected another time than from, found 01:00"),
        ("windows: [{from: 0:00, to: 00:00}]", "windows[0].to: expected another time than from, found 00:00"),
        ("windows: [{from: 24:00, to: 1:00}]", "windows[0].from: expected a time of day such as 01:00"),
        ("windows: [{from: 1:00, to: 24:01}]", "windows[0].to: expected a time of day"),
        ("windows: [{from: 1:00, to: 2:00, days: []}]", "windows[0].days: expected at least one of days"),
        ("windows: [{from: 1:00, to: 2:00, days: weekend}]", "days: expected a weekday such as sat"),
        (
            "windows: [{from: 1:00, to: 2:00, zone: Europe/Berlim}]",
            "zone: expected a time zone such as Europe/Berlin, found 'Europe/Berlim'; the nearest is Europe/Berlin",
        ),
        ("windows: [{from: 1:00, to: 2:00, zone: ../../etc/passwd}]", "zone: expected a time zone"),
        ("selector: {matchLabels: {a b: c}}", "selector.matchLabels.a b: expected a label such as"),
        ("selector: {matchLabels: {a: yes}}", "selector.matchLabels.a: expected a label's value"),
        (
            "selector: {pool: workers}",
            "found 'pool'; known here: matchExpressions, matchLabels",
        ),
        ("selector: {matchLables: {}}", "found 'matchLables'; the nearest is matchLabels"),
        ("selector: {matchExpressions: [{key: a, operator: In}]}", "expected at least one of values"),
        (
            "selector: {matchExpressions: [{key: a, operator: Exists, values: [b]}]}",
            "matchExpressions[0].values: expected no values beside Exists, found 1",
        ),
        (
            "selector: {matchExpressions: [{key: a, operator: exists}]}",
            "found 'exists'; the nearest is Exists",
        ),
        ("soak: !!python/name:os.system 1s", "soak: expected a plain value, found the tag"),
        ("name: v", "name: expected each key once, found it again (first on line 2)"),
        ("<<: {soak: 1s}", "expected no merge key"),
        ("[a]: b", "expected a key, found a list or mapping"),
    ],
)
def test_a_mistake_in_a_pool_is_told(pool: str, words: str) -> None:
    found = problem(f"{STREAM}pools: [{{name: w, {pool}}}]")
    assert found.startswith("fleet.yaml:2: pools")
    assert words in found


@pytest.mark.parametrize(
    ("streams", "words"),
    [
        ("{name: s}", "streams.s: expected releases or file, found neither"),
        (
            "{name: s, releases: []}",
            "streams.s.releases: expected a list of at least one of releases, found none",
        ),
        ("{releases: [{version: a}]}", "streams[0]: expected the key name (a name of letters"),
        (
            "{name: s, releases: [{digest: x}]}",
            "streams.s.releases[0]: expected the key version (text of at most 256",
        ),
        ("{name: s, releases: [{version: a, digest: 'sha256:12'}]}", "releases[0].digest: expected a digest"),
        (
            "{name: s, releases: [{version: a, digests: {x86_64: 'sha256:" + "1" * 64 + "'}}]}",
            "releases[0].digests.x86_64: expected an architecture as Kubernetes names it",
        ),
        (
            f"{{name: s, releases: [{{version: a, digests: {{amd64: 'sha256:{'1' * 63}'}}}}]}}",
            "releases[0].digests.amd64: expected a digest",
        ),
        (
            f"{{name: s, releases: [{{version: a, digest: '{ONE}', digests: {{amd64: '{ONE}', arm64: '{OTHER}'}}}}]}}",
            "releases[0].digest: expected the digest of an index, or none, found that of amd64",
        ),
        (
            f"{{name: s, releases: [{{version: a, digests: {{amd64: '{ONE}', arm64: '{ONE}'}}}}]}}",
            "releases[0].digests: expected another digest for each, found one for amd64 and arm64",
        ),
        (
            f"{{name: s, releases: [{{version: a, kernel: 6.1-amd64, digests: {{amd64: '{ONE}', arm64: '{OTHER}'}}}}]}}",
            "releases[0].kernel: expected a kernel without an architecture, since digests has several, found 6.1-amd64",
        ),
        ("{name: s, releases: [{version: a}, {version: a}]}", "expected each version once, found it again"),
        (
            "{name: s, file: nowhere.yaml}",
            "streams.s.file: expected a feed, found that nowhere.yaml is not there",
        ),
        ("{name: s, file: .}", "streams.s.file: expected a feed, found that . is not a file"),
        ('{name: s, file: "a\\0b"}', "streams.s.file: expected text, found 'a\\x00b'"),
        ("{name: s, file: x, releases: [{version: a}]}", "expected either releases or file, found both"),
    ],
)
def test_a_mistake_in_a_stream_is_told(streams: str, words: str) -> None:
    assert words in problems(f"{POOLS}streams: [{streams}]")[0]


@pytest.mark.parametrize("other", [f"digest: '{OTHER}'", f"digests: {{amd64: '{OTHER}'}}"])
def test_streams_do_not_contradict_one_another(other: str) -> None:
    found = problem(
        f"{POOLS}streams: [{{name: s, releases: [{{version: a, digest: '{ONE}'}}]}},\n"
        f"  {{name: t, releases: [{{version: a, {other}}}]}}]"
    )
    assert found == "fleet.yaml:3: streams.t: expected one digest of a, found another one in stream s"


def test_each_stream_is_there_once() -> None:
    assert "expected each name once" in problem(
        f"{POOLS}streams: [{{name: s, releases: &r [{{version: a}}]}}, {{name: s, releases: *r}}]"
    )


@pytest.mark.parametrize(
    ("freeze", "words"),
    [
        ("from: 2026-12-19, until: 2026-12-20T00:00Z", "freezes.f.from: expected a moment"),
        (
            "from: 2026-12-19T00:00Z, until: 2026-12-19T01:00+01:00",
            "freezes.f.until: expected a moment after from",
        ),
        ("from: 2026-13-19T00:00Z, until: 2026-12-19T01:00Z", "freezes.f.from: expected a moment"),
        ("from: 0001-01-01T00:00+10:00, until: 2026-12-19T01:00Z", "freezes.f.from: expected a moment"),
        ("from: 2026-12-19T00:00Z, until: 9999-12-31T23:59-10:00", "freezes.f.until: expected a moment"),
        ("from: 2026-12-19T00:00Z", "freezes.f: expected the key until"),
    ],
)
def test_a_mistake_in_a_freeze_is_told(freeze: str, words: str) -> None:
    assert words in problem(f"{POOLS}freezes: [{{name: f, {freeze}}}]")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "fleet.yaml:1: expected a mapping with the key pools, found none"),
        ("# nothing yet\n", "fleet.yaml:1: expected a mapping"),
        ("pools: workers\n", "fleet.yaml:1: pools: expected a list, found 'workers'"),
        ("- a\n", "fleet.yaml:1: expected a mapping"),
        ("limits: {}\n", "fleet.yaml:1: pools: expected a list of at least one of pools, found none"),
        ("limits: {}\npools: []\n", "fleet.yaml:2: pools: expected a list of at least one"),
        ("pools:\n  - name: w\n   soak: 1s\n", "fleet.yaml:3: not YAML"),
        ("pools: [{name: w}\n", "fleet.yaml:2: not YAML"),
        ("pools:\n\t- name: w\n", "fleet.yaml:2: not YAML"),
        ("a: 1\n---\nb: 2\n", "fleet.yaml:2: expected one document, found another one"),
        ("pools: *p\n", "fleet.yaml:1: expected an anchor before its alias, found only *p"),
        ("pools: &p [*p]\n", "fleet.yaml:1: expected an anchor before its alias"),
        ("pools:\n- name: \x00\n", "fleet.yaml:2: expected text, found the character '\\x00'"),
        ("\ud800", "fleet.yaml:1: expected text, found the character '\\ud800'"),
        ("[" * 100_000, "fleet.yaml:1: expected at most 20 levels, found more"),
        ("{a: " * 100_000, "fleet.yaml:1: expected at most 20 levels, found more"),
        ("#" * (1 << 20) + "\n", "fleet.yaml:1: expected at most 1 MiB, found more"),
        ("a: [" + "1," * 200_000 + "]", "fleet.yaml:1: expected at most 100000 values, found more"),
    ],
)
def test_what_is_no_policy_at_all_is_said_in_one_line(text: str, words: str) -> None:
    assert problem(text).startswith(words)


def test_aliases_cannot_make_a_small_file_large() -> None:
    layers = ["l0: &l0 [x, x, x, x, x, x, x, x, x]"]
    layers += [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]" for n in range(1, 12)]
    assert "aliases are counted in full" in problem("\n".join(layers))


def test_after_a_hundred_problems_the_rest_is_not_looked_at() -> None:
    found = problems(POOLS + "".join(f"key{n}: 1\n" for n in range(45_000)))
    assert len(found) == 101
    assert found[-1] == "fleet.yaml: more than 100 problems: the rest was not looked at"


def test_a_long_value_is_cut_in_a_message() -> None:
    assert len(problem(f"pools: [{{name: {'x' * 1000}}}]")) < 250
