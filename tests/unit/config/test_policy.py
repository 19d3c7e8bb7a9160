"""A policy as people write it, and what it means."""

from __future__ import annotations

from datetime import UTC, datetime, time
from pathlib import Path

import msgspec
import pytest
from msgspec import UNSET

from fleet.config import default_policy_text, load, loads
from fleet.core.objects.selector import Requirement, Selector
from fleet.core.policy.policy import Amount, DrainRule, Limits, Policy, Pool
from fleet.core.policy.times.freeze import Freeze
from fleet.core.policy.times.window import Window
from fleet.core.records.errors import ConfigError, UsageError
from fleet.core.releases.phasing import Phasing
from fleet.core.releases.release import Advisory, Release
from tests.golden import GoldenFiles

DIGEST = "sha256:" + "a1" * 32


def read(text: str) -> Policy:
    policy, cautions = loads(text)
    assert cautions == ()
    return policy


def pool(text: str) -> Pool:
    lines = "".join(f"    {line}\n" for line in text.splitlines())
    return read(f"pools:\n  - name: workers\n{lines}").pools[0]


def test_pool_needs_only_a_name() -> None:
    assert pool("") == Pool("workers")
    assert read("pools: [{name: workers}]").limits == Limits(max_unavailable=None)


def test_selector_is_written_as_in_kubernetes() -> None:
    found = pool("""\
selector:
  matchLabels: {example.com/role: db}
  matchExpressions:
    - {key: zone, operator: NotIn, values: [a, b]}
    - {key: gpu, operator: DoesNotExist}
clusters: [east, west]
""")
    assert found.selector == Selector(
        {"example.com/role": "db"},
        (Requirement("zone", "NotIn", ("a", "b")), Requirement("gpu", "DoesNotExist")),
    )
    assert found.clusters == ("east", "west")


def test_limits_are_numbers_percentages_or_none() -> None:
    found = pool("limits: {max_unavailable: 10%, per_zone: 2, per_site: none, per_cluster: '3'}")
    assert found.limits == Limits(Amount(10, True), Amount(2), None, Amount(3))


def test_rules_are_read_in_their_units() -> None:
    found = pool("""\
drain: {unmanaged: evict, local_data: hold, host_path: hold, grace: 30s, timeout: 1h30m}
stage: {concurrency: 4, timeout: 10m}
reboot: {timeout: 1h 5m}
soak: 0
canaries: 0
failure_limit: 7
""")
    assert found.drain == DrainRule("evict", "hold", "hold", grace_seconds=30, timeout_seconds=5400)
    assert (found.stage.concurrency, found.stage.timeout_seconds) == (4, 600)
    assert found.reboot.timeout_seconds == 3900
    assert (found.soak_seconds, found.canaries, found.failure_limit) == (0, 0, 7)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (
            '{days: [sat, sun], from: "01:00", to: "05:00", zone: Europe/Berlin}',
            Window((5, 6), time(1), time(5), "Europe/Berlin"),
        ),
        ("{days: mon-fri, from: 22:30, to: 2:00}", Window((0, 1, 2, 3, 4), time(22, 30), time(2))),
        ("{days: [Fri-Mon, sunday], from: 01:00, to: 24:00}", Window((0, 4, 5, 6), time(1), time())),
        ("{from: 00:00, to: 24:00}", Window(tuple(range(7)), time(), time())),
    ],
)
def test_window_is_weekly(written: str, meant: Window) -> None:
    assert pool(f"windows: [{written}]").windows == (meant,)


@pytest.mark.parametrize(
    "written",
    [
        "from: 2026-12-19T00:00+01:00, until: 2027-01-03T23:00Z",
        "from: 2026-12-19, until: 2027-01-04, zone: Europe/Berlin",
        "from: 2026-12-19 00:00:00, until: 2027-01-04T00:00, zone: Europe/Berlin",
    ],
)
def test_freeze_lasts_from_one_time_to_another(written: str) -> None:
    found = read(f"pools: [{{name: w}}]\nfreezes: [{{name: year end, {written}}}]").freezes
    begin, until = datetime(2026, 12, 18, 23, tzinfo=UTC), datetime(2027, 1, 3, 23, tzinfo=UTC)
    assert found == (Freeze("year end", begin, until),)


def test_pools_inherit_the_defaults() -> None:
    found = read("""\
streams: [{name: stable, releases: [{version: 1.10}]}]
defaults:
  stream: stable
  limits: {max_unavailable: 5, per_zone: 1}
  drain: {grace: 30s, unmanaged: evict}
  soak: 5m
  windows: [{from: 01:00, to: 02:00}]
pools:
  - name: control
    selector: {matchLabels: {role: control}}
  - name: workers
    limits: {per_zone: none}
    drain: {grace: pod}
    windows: []
""")
    control, workers = found.pools
    assert (control.stream, control.soak_seconds, control.limits.per_zone) == ("stable", 300, Amount(1))
    assert control.windows == (Window(tuple(range(7)), time(1), time(2)),)
    assert workers.windows == ()
    assert workers.limits == Limits(Amount(5), None)
    assert (workers.drain.grace_seconds, workers.drain.unmanaged) == (None, "evict")


def test_versions_are_text_as_written() -> None:
    found = read(f"""\
streams:
  - name: stable
    releases: [{{version: 1.1}}, {{version: 1.10, digest: "{DIGEST}", kernel: 6.12, kubelet: 1.36}}]
pools:
  - {{name: workers, stream: stable, version: 1.10}}
""")
    assert found.target(found.pools[0]) == Release("1.10", DIGEST, "6.12", "1.36")
    assert found.streams[0].find("1.1") == Release("1.1")


def test_release_may_have_a_digest_for_each_architecture(golden: GoldenFiles) -> None:
    arm, amd = "sha256:" + "a" * 64, "sha256:" + "b" * 64
    policy, cautions = loads(f"""\
streams:
  - name: stable
    releases:
      - {{version: "1", digest: "{DIGEST}", digests: {{arm64: "{arm}", amd64: "{amd}"}}, kernel: 6.12}}
      - {{version: "2", digests: {{arm64: "{amd}"}}, kernel: 6.12.1-1.aarch64}}
pools:
  - {{name: workers, stream: stable}}
""")
    both, one = policy.streams[0].releases
    assert both == Release("1", DIGEST, "6.12", digests=(("amd64", amd), ("arm64", arm)))
    assert one == Release("2", kernel="6.12.1-1.aarch64", digests=(("arm64", amd),))
    # Whoever boots the one has booted the other.
    (caution,) = cautions
    golden.check(caution.message)


def test_release_may_have_a_barrier_a_dead_end_and_a_phased_rollout() -> None:
    found = read("""\
streams:
  - name: stable
    releases:
      - {version: a, dead_end: wrong keys}
      - {version: b, barrier: new keys, upgrades_from: a}
      - {version: c, rollout: {start: 2026-11-03T14:00Z, share: 12.5%, duration: 2d}}
pools:
  - {name: workers, stream: stable}
""")
    first, second, third = found.streams[0].releases
    assert (first.dead_end, first.barrier, first.rollout, first.upgrades_from) == (
        "wrong keys",
        UNSET,
        UNSET,
        UNSET,
    )
    assert (second.barrier, second.upgrades_from) == ("new keys", ("a",))
    assert third.rollout == Phasing(datetime(2026, 11, 3, 14, tzinfo=UTC), 0.125, 2880)


@pytest.mark.parametrize(
    ("key", "where"),
    [
        ("rollout: {share: 101%}", "rollout.share"),
        ("rollout: {share: '0.1'}", "rollout.share"),
        ("rollout: {duration: 59s}", "rollout.duration"),
        ("upgrades_from: [b]", "upgrades_from"),
        ("upgrades_from: [c]", "upgrades_from"),
    ],
)
def test_mistakes_of_how_a_release_is_offered(key: str, where: str) -> None:
    text = f"streams: [{{name: s, releases: [{{version: a}}, {{version: b, {key}}}, {{version: c}}]}}]\n"
    with pytest.raises(ConfigError) as error:
        loads(text + "pools: [{name: w, stream: s}]")
    (problem,) = error.value.problems
    assert f"releases[1].{where}" in problem


def test_stream_may_be_a_file_beside_the_policy(tmp_path: Path) -> None:
    (tmp_path / "feeds").mkdir()
    (tmp_path / "feeds" / "stable.yaml").write_text("releases: [{version: a}, {version: b}]")
    path = tmp_path / "fleet.yaml"
    path.write_text("streams: [{name: s, file: feeds/stable.yaml}]\npools: [{name: w, stream: s}]")
    policy, _ = load(path)
    assert policy.target(policy.pools[0]) == Release("b")


def test_mistakes_in_a_feed_are_reported_with_the_feeds_name(tmp_path: Path) -> None:
    (tmp_path / "feed.yaml").write_text("releases:\n  - version: a\n    digset: x\n")
    path = tmp_path / "fleet.yaml"
    path.write_text("streams: [{name: s, file: feed.yaml}]\npools: [{name: w, soak: 5}]")
    with pytest.raises(ConfigError) as caught:
        load(path)
    feed, policy = caught.value.problems
    assert feed.startswith(f"{tmp_path}/feed.yaml:3: releases[0].digset: expected a known key")
    assert policy.startswith(f"{path}:2: pools.w.soak: expected a duration")


def test_alias_means_what_its_anchor_does() -> None:
    found = read("pools:\n  - {name: a, clusters: [x], limits: &l {per_zone: 2}}\n  - {name: b, limits: *l}")
    assert found.pools[1].limits.per_zone == Amount(2)


def test_key_without_a_value_counts_as_missing() -> None:
    assert pool("limits:\nwindows:\nclusters:\nselector:\n  matchLabels:\n") == Pool("workers")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pools: [{name: w, limits: {per_zone: 0}}]", "pools.w.limits.per_zone: 0 allows no node to start"),
        (
            "pools: [{name: w}]\nlimits: {max_unavailable: 0%}",
            "limits.max_unavailable: 0% allows no node to start",
        ),
        (
            "pools: [{name: a},\n {name: b, selector: {matchLabels: {x: y}}}]",
            "pools.b: every node that it selects goes to pool a (line 1), which comes first",
        ),
    ],
)
def test_unlikely_values_are_cautioned_against(text: str, message: str) -> None:
    _, cautions = loads(text)
    assert [str(caution).split(": ", 1)[1] for caution in cautions] == [message]


def test_missing_file_shows_how_to_create_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist") as caught:
        load(tmp_path / "fleet.yaml")
    assert "fleet init" in caught.value.hint
    assert not isinstance(caught.value, ConfigError)


def test_file_that_is_no_text_is_reported(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not a file"):
        load(tmp_path)
    (tmp_path / "latin").write_bytes(b"name: \xe4")
    with pytest.raises(UsageError, match="not UTF-8"):
        load(tmp_path / "latin")
    (tmp_path / "large").write_bytes(b"#" * ((1 << 20) + 1))
    with pytest.raises(UsageError, match="larger than 1 MiB"):
        load(tmp_path / "large")


def test_template_is_valid_without_cautions() -> None:
    found = read(default_policy_text())
    assert [each.name for each in found.pools] == ["control", "storage", "workers"]
    assert all(found.target(each) for each in found.pools)


def test_pool_may_replace_some_playbooks(tmp_path: Path) -> None:
    file = tmp_path / "fleet.yaml"
    (tmp_path / "mine.yml").write_text("- hosts: all\n")
    (tmp_path / "other.yml").write_text("$ANSIBLE_VAULT;1.1;AES256\n62313365396662343061393464336163\n")
    file.write_text(
        "defaults: {reach: playbook, playbooks: {reboot: mine.yml, stage: mine.yml}}\n"
        "pools: [{name: a, playbooks: {stage: other.yml}}, {name: b, reach: agent}]\n"
    )
    policy, _ = load(file)
    a, b = policy.pools
    assert a.playbooks == {"reboot": str(tmp_path / "mine.yml"), "stage": str(tmp_path / "other.yml")}
    assert (a.reach, b.reach) == ("playbook", "agent")
    assert policy.remote


def test_missing_playbook_and_unknown_step_are_reported_with_file_and_key(
    tmp_path: Path, golden: GoldenFiles
) -> None:
    file = tmp_path / "fleet.yaml"
    file.write_text("pools:\n- name: w\n  reach: playbook\n  playbooks: {rebot: a.yml, stage: none.yml}\n")
    with pytest.raises(ConfigError) as caught:
        load(file)
    golden.check("\n".join(caught.value.problems).replace(f"{tmp_path}/", ""))


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 1, "has no plays"),
        ("[]", 1, "has no plays"),
        ("hosts: all\n", 1, "is not a list of plays"),
        ("- hosts: all\n  tasks: [\n", 3, "is not YAML: "),
        ("- hosts: all\n- raw: echo\n", 2, "is not a play: it has neither hosts nor import_playbook"),
        ("- hosts: all\n- echo\n", 2, "is not a play: expected a mapping with hosts"),
        ("- name: x\n  vars: {hosts: all}\n", 1, "is not a play: it has neither hosts nor import_playbook"),
        ("---\n- hosts: all\n---\n- hosts: all\n", 3, "begins a second document"),
    ],
)
def test_playbook_that_ansible_cannot_start_is_a_mistake_of_the_policy(
    tmp_path: Path, text: str, line: int, message: str
) -> None:
    (tmp_path / "mine.yml").write_text(text)
    file = tmp_path / "fleet.yaml"
    file.write_text("pools:\n- name: w\n  reach: playbook\n  playbooks: {stage: mine.yml}\n")
    with pytest.raises(ConfigError) as caught:
        load(file)
    (problem,) = caught.value.problems
    where = f"{file}:4: pools.w.playbooks.stage: expected a playbook, {tmp_path / 'mine.yml'}:{line} "
    assert problem.startswith(where + message)


@pytest.mark.parametrize(
    "text",
    [
        "- import_playbook: other.yml\n- hosts: all\n  tasks: [{debug: {msg: !unsafe '{{ x }}'}}]\n",
        '[{"hosts": "all", "vars": {"password": !vault "x"}}]',
        "- &base {hosts: all}\n- <<: *base\n  name: again\n- *base\n",
    ],
)
def test_any_list_of_plays_is_a_playbook(tmp_path: Path, text: str) -> None:
    (tmp_path / "mine.yml").write_text(text)
    file = tmp_path / "fleet.yaml"
    file.write_text("pools: [{name: w, reach: playbook, playbooks: {stage: mine.yml}}]\n")
    assert load(file)[0].pools[0].playbooks


def test_folder_is_no_playbook(tmp_path: Path) -> None:
    (tmp_path / "mine.yml").mkdir()
    file = tmp_path / "fleet.yaml"
    file.write_text("pools: [{name: w, reach: playbook, playbooks: {stage: mine.yml}}]\n")
    with pytest.raises(ConfigError, match=r"mine\.yml is not a file"):
        load(file)


def test_unused_playbooks_are_cautioned_against(tmp_path: Path) -> None:
    (tmp_path / "mine.yml").write_text("- hosts: all\n")
    file = tmp_path / "fleet.yaml"
    file.write_text("pools: [{name: w, reach: ssh, playbooks: {stage: mine.yml}}]\n")
    _, (caution,) = load(file)
    assert caution.place.path == "pools.w.playbooks" and "reached by ssh" in caution.message


def test_release_has_the_dates_that_the_stream_gives_it_and_no_others() -> None:
    found = read("""\
streams:
  - name: s
    releases:
      - version: "1"
        released: 2026-11-03T12:00+01:00
        advisories:
          - {id: CVE-2026-1, severity: critical, published: 2026-11-02}
          - {id: CVE-2026-2}
      - {version: "2"}
pools: [{name: p, stream: s}]
""")
    dated, bare = found.streams[0].releases
    assert dated.released == datetime(2026, 11, 3, 11, tzinfo=UTC)
    assert dated.advisories == (
        Advisory("CVE-2026-1", "critical", datetime(2026, 11, 2, tzinfo=UTC)),
        Advisory("CVE-2026-2"),
    )
    assert (bare.released, bare.advisories) == (UNSET, UNSET)
    assert msgspec.to_builtins(bare).keys().isdisjoint({"released", "advisories"})
