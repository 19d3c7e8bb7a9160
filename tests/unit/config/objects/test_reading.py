"""Objects are read by the reader of `fleet.yaml`: what is right, what is wrong, and how messages name it."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from fleet.config import default_policy_text
from fleet.config.document.findings import Findings
from fleet.config.document.fragment import Block, compose
from fleet.config.objects.importing import file_of
from fleet.config.objects.kinds import VERSION
from fleet.config.objects.policy_object import from_api, in_text
from fleet.config.objects.yaml_text import as_yaml
from tests.unit.config.objects import rich
from tests.unit.config.objects.round_trip import Json, exported, given_keys, in_order, objects_read, parsed
from tools.crds.schema import every_key


def made(kind: str, name: str, /, **spec: Any) -> Json:
    return {"apiVersion": VERSION, "kind": kind, "metadata": {"name": name}, "spec": spec}


STREAM = made("ReleaseStream", "stable", releases=[{"version": "1.0"}, {"version": "1.1"}])


@pytest.mark.parametrize("text", [rich.TEXT, default_policy_text()], ids=["rich", "template"])
def test_policy_goes_to_objects_and_back(tmp_path: Path, text: str) -> None:
    rich.write_files(tmp_path)
    before, findings = parsed(text, tmp_path)
    assert findings.problems == []
    objects = exported(text, tmp_path)
    read = objects_read(objects, tmp_path)
    assert read.problems == {}
    assert read.content is not None
    assert in_order(read.content) == in_order(before)
    again = file_of([found for each in objects if (found := from_api(each))], findings.known_keys)
    after, findings = parsed(again, tmp_path)
    assert findings.problems == []
    assert in_order(after) == in_order(before)


def test_rich_policy_has_every_key(tmp_path: Path) -> None:
    """Lists of windows and gates have the same keys everywhere, and pools those of `defaults`."""

    def last(key: str) -> str:
        parts = key.split(".")
        shared = [place for place, part in enumerate(parts) if part in ("windows[]", "gates[]", "selector")]
        return (
            ".".join(parts[shared[0] :] if shared else parts)
            .removeprefix("defaults.")
            .removeprefix("pools[].")
        )

    rich.write_files(tmp_path)
    document = compose(rich.TEXT, "fleet.yaml", Findings())
    assert isinstance(document, Block)
    keys = parsed(rich.TEXT, tmp_path)[1].known_keys
    given = {last(key) for key in given_keys(document, keys)}
    assert {last(key) for key in every_key() if not key.startswith("file.")} - given == set()


def test_yaml_of_objects_is_read_as_the_objects_are(tmp_path: Path) -> None:
    rich.write_files(tmp_path)
    objects = exported(rich.TEXT, tmp_path)
    findings = Findings()
    found = list(in_text(as_yaml(objects), "objects.yaml", findings))
    assert findings.problems == []
    assert {each.id for each in found} == {each.id for each in map(from_api, objects) if each is not None}
    listed = as_yaml([{"apiVersion": "v1", "kind": "List", "items": objects}])
    assert [each.id for each in in_text(listed, "objects.yaml", findings)] == [each.id for each in found]


def test_policies_take_nodes_by_order_and_then_by_name(tmp_path: Path) -> None:
    objects = [
        made("UpgradePolicy", "a", order=2, selector={"matchLabels": {"x": "1"}}),
        made("UpgradePolicy", "c", order=-1),
        made("UpgradePolicy", "b", order=2, selector={"matchLabels": {"x": "2"}}),
        made("UpgradePolicy", "d"),
    ]
    read = objects_read(objects, tmp_path)
    assert read.content is not None
    assert [pool.name for pool in read.content.policy.pools] == ["c", "d", "a", "b"]


def test_policies_of_one_order_that_may_share_nodes_are_a_conflict(tmp_path: Path) -> None:
    labelled = made("UpgradePolicy", "b", selector={"matchLabels": {"x": "1"}})
    read = objects_read([made("UpgradePolicy", "a", clusters=["east"]), labelled], tmp_path)
    (caution,) = read.cautions
    assert (caution.place.file, caution.place.path) == ("upgradepolicies/b", "spec.order")
    apart = made("UpgradePolicy", "a", selector={"matchLabels": {"x": "2"}})
    assert objects_read([apart, labelled], tmp_path).cautions == ()


def test_policy_may_have_its_stream_in_line(tmp_path: Path) -> None:
    read = objects_read([made("UpgradePolicy", "a", releases=[{"version": "1"}], version="1")], tmp_path)
    assert read.problems == {}
    assert read.content is not None
    policy = read.content.policy
    assert policy.pools[0].stream == "a"
    assert [release.version for release in policy.streams[0].releases] == ["1"]


def test_no_policies_are_no_mistake(tmp_path: Path) -> None:
    read = objects_read([], tmp_path)
    assert read.problems == {}
    assert read.content is not None
    assert read.content.policy.pools == ()


@pytest.mark.parametrize(
    ("objects", "name", "problem"),
    [
        (
            [made("UpgradePolicy", "w", windows=[{"from": "25:00", "to": "05:00"}])],
            "upgradepolicies/w",
            "spec.windows[0].from: expected a time of day such as 01:00, found '25:00'",
        ),
        (
            [made("UpgradePolicy", "w", limits={"max_unavailable": 1})],
            "upgradepolicies/w",
            "spec.limits.max_unavailable: expected a known key, found 'max_unavailable'; the nearest is maxUnavailable",
        ),
        (
            [made("UpgradePolicy", "w", gates=[{"name": "a", "soak": "1h"}, {"name": "b"}])],
            "upgradepolicies/w",
            "spec.gates[1]: expected one of soak, operator, prometheus, http, alerts, command, workloads, found none",
        ),
        (
            [made("UpgradePolicy", "w", upgrade={"mode": "auto"})],
            "upgradepolicies/w",
            "spec.upgrade: expected a stream for upgrade.mode auto, found none",
        ),
        (
            [STREAM, made("UpgradePolicy", "w", stream="stabel")],
            "upgradepolicies/w",
            "spec.stream: expected one of the streams (stable), found 'stabel'; the nearest is stable",
        ),
        (
            [
                made("UpgradePolicy", "w"),
                made("Freeze", "f", **{"from": "2026-12-01", "until": "2026-12-02"}),
            ],
            "freezes/f",
            "spec.from: expected a moment such as 2026-12-19T00:00+01:00 (without the +01:00: a zone beside it), "
            "found '2026-12-01'",
        ),
        (
            [made("FleetConfig", "default", limits={"perSite": "120%"})],
            "fleetconfigs/default",
            "spec.limits.perSite: expected a number of nodes, a percentage from 0% to 100%, or none, found '120%'",
        ),
        (
            [made("FleetConfig", "default", notifications=[{"name": "x"}])],
            "fleetconfigs/default",
            "spec.notifications[0]: expected one of urlFile and urlEnv, found none",
        ),
        (
            [made("FleetConfig", "other")],
            "fleetconfigs/other",
            "expected the name default, since there is one FleetConfig, found other",
        ),
        (
            [made("FleetConfig", "default", pools=[])],
            "fleetconfigs/default",
            "spec.pools: expected objects of the kind UpgradePolicy, found a list",
        ),
        (
            [STREAM, made("UpgradePolicy", "w", stream="stable", releases=[{"version": "1"}])],
            "upgradepolicies/w",
            "spec.releases: expected one of stream, releases and feed, found stream too",
        ),
        (
            [made("UpgradePolicy", "w", order="first")],
            "upgradepolicies/w",
            "spec.order: expected a whole number, found 'first'",
        ),
        (
            [made("UpgradePolicy", "w"), made("UpgradePolicy", "v", name="w")],
            "upgradepolicies/w",
            "spec.name: expected each name once, found it again",
        ),
        (
            [made("QuorumGroup", "g", cluster="east", kind="pods")],
            "quorumgroups/g",
            "spec: expected the key namespace (which pods are the members), found none",
        ),
    ],
)
def test_mistakes_name_the_object_and_the_key(
    tmp_path: Path, objects: list[Json], name: str, problem: str
) -> None:
    read = objects_read(objects, tmp_path)
    assert read.content is None
    assert problem in read.problems[name]


def test_all_mistakes_are_found_at_once(tmp_path: Path) -> None:
    objects = [
        made("UpgradePolicy", "w", canaries=-1),
        made("Freeze", "f"),
        made("FleetConfig", "default", limits={"perSite": "x"}),
    ]
    assert set(objects_read(objects, tmp_path).problems) == {
        "upgradepolicies/w",
        "freezes/f",
        "fleetconfigs/default",
    }


def test_other_objects_say_nothing_of_the_policy() -> None:
    assert from_api(made("Rollout", "r")) is None
    other = copy.deepcopy(STREAM) | {"apiVersion": "example.com/v1"}
    assert from_api(other) is None


def test_mistakes_in_a_file_of_objects_have_its_lines(tmp_path: Path) -> None:
    text = f"apiVersion: {VERSION}\nkind: UpgradePolicy\nmetadata: {{name: w}}\nspec:\n  canaries: many\n"
    findings = Findings()
    assert [each.id for each in in_text(text, "w.yaml", findings)] == ["upgradepolicies/w"]
    assert findings.problems == []
    assert list(in_text("kind: Pod\napiVersion: v1\n", "pod.yaml", findings)) == []
    assert findings.problems == [f"pod.yaml:1: expected an object with apiVersion {VERSION}, found 'v1'"]
