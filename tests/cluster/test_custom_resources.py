"""The API server on fleet's kinds: what it accepts and refuses, who may ask and vote, and what its tables show."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fleet.app.operator.api import why_unproven
from fleet.core.custom_resources.condition import ConditionState, updated
from fleet.core.custom_resources.policy_conditions import ObjectMistakes, PolicyFacts, upgrade_policy_status
from fleet.core.custom_resources.policy_objects import UpgradePolicyStatus
from fleet.core.custom_resources.rollout import RolloutStatus
from fleet.lab.simulation.builders import START
from tests.cluster.conftest import Environment
from tests.cluster.installed import installed, with_transport
from tests.cluster.rest import Cluster, Json
from tests.kubectl.programs import built
from tests.unit.config.objects import rich
from tests.unit.config.objects.examples import examples, objects_in_docs
from tests.unit.config.objects.round_trip import exported
from tests.unit.core.custom_resources.nodes import a_status_node

ROOT = "/apis/fleet.internal/v1"
PLURALS = {
    "FleetConfig": "fleetconfigs",
    "ReleaseStream": "releasestreams",
    "Freeze": "freezes",
    "QuorumGroup": "quorumgroups",
    "UpgradePolicy": "upgradepolicies",
    "Rollout": "rollouts",
}
VERSION = [{"version": "1"}]
JOB = {"namespace": "x", "template": "x"}
PLAN = "p-" + "0" * 64


def made(kind: str, spec: Json, name: str = "x") -> Json:
    return {"apiVersion": "fleet.internal/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}


def path_of(body: Json, query: str = "") -> str:
    return f"{ROOT}/{PLURALS[body['kind']]}{query}"


@pytest.fixture(scope="module")
def kinds(testbed: Environment) -> Iterator[Path]:
    """A cluster with fleet's kinds, which takes a while to have and to remove."""
    testbed.baseline.restore(Cluster(testbed.kubeconfig))
    with installed(testbed.kubeconfig, policy=True):
        yield testbed.kubeconfig
    testbed.baseline.restore(Cluster(testbed.kubeconfig))


def test_admission_policy_as_installed_is_taken_for_the_proof_of_users(kinds: Path) -> None:
    assert with_transport(kinds, why_unproven) == ""


MISTAKES: list[tuple[str, Json, str]] = [
    ("UpgradePolicy", {"limits": {"maxUnavailable": "120%"}}, "spec.limits.maxUnavailable"),
    ("UpgradePolicy", {"limits": {"maxUnavailable": -1}}, "spec.limits.maxUnavailable"),
    ("UpgradePolicy", {"canaries": "2"}, "spec.canaries"),
    ("UpgradePolicy", {"soak": "1 week"}, "spec.soak"),
    ("UpgradePolicy", {"reach": "telnet"}, "spec.reach"),
    ("UpgradePolicy", {"version": 1.1}, "spec.version"),
    ("UpgradePolicy", {"drain": {"noRoom": "maybe"}}, "spec.drain.noRoom"),
    ("UpgradePolicy", {"windows": [{"from": "01:00"}]}, "spec.windows[0]"),
    ("UpgradePolicy", {"windows": [{"from": "25:00", "to": "01:00"}]}, "spec.windows[0].from"),
    ("UpgradePolicy", {"windows": [{"from": "01:00", "to": "01:00"}]}, "spec.windows[0]"),
    (
        "UpgradePolicy",
        {"windows": [{"days": ["noday"], "from": "1:00", "to": "2:00"}]},
        "spec.windows[0].days[0]",
    ),
    ("UpgradePolicy", {"windows": [{"rrule": "FREQ=DAILY"}]}, "spec.windows[0]"),
    ("UpgradePolicy", {"windows": [{"from": "1:00", "to": "2:00", "duration": "1h"}]}, "spec.windows[0]"),
    ("UpgradePolicy", {"windows": [{"calendar": "x.ics", "from": "1:00", "to": "2:00"}]}, "spec.windows[0]"),
    ("UpgradePolicy", {"gates": [{"name": "a"}]}, "spec.gates[0]"),
    ("UpgradePolicy", {"gates": [{"name": "a", "soak": "1h", "operator": True}]}, "spec.gates[0]"),
    ("UpgradePolicy", {"gates": [{"name": "a", "soak": "1h", "every": "1m"}]}, "spec.gates[0]"),
    ("UpgradePolicy", {"gates": [{"name": "a", "operator": False}]}, "spec.gates[0]"),
    ("UpgradePolicy", {"gates": [{"name": "a", "soak": "1h"}, {"name": "a", "soak": "1h"}]}, "spec.gates[1]"),
    (
        "UpgradePolicy",
        {"gates": [{"name": "a", "prometheus": {"url": "http://p", "query": "q"}}]},
        "spec.gates[0].prometheus",
    ),
    (
        "UpgradePolicy",
        {"gates": [{"name": "a", "prometheus": {"url": "http://p", "query": "q", "above": 2, "below": 1}}]},
        "spec.gates[0].prometheus",
    ),
    ("UpgradePolicy", {"gates": [{"name": "a", "http": {"url": "ftp://x"}}]}, "spec.gates[0].http.url"),
    ("UpgradePolicy", {"hooks": {"beforeNode": [{"name": "a"}]}}, "spec.hooks.beforeNode[0]"),
    (
        "UpgradePolicy",
        {"hooks": {"beforeNode": [{"name": "a", "job": {**JOB, "file": "x"}}]}},
        "spec.hooks.beforeNode[0].job",
    ),
    (
        "UpgradePolicy",
        {"hooks": {"beforeNode": [{"name": "a", "command": ["x"], "secrets": {"FLEET_X": "x"}}]}},
        "spec.hooks.beforeNode[0].secrets",
    ),
    ("UpgradePolicy", {"drain": {"rules": [{"name": "a", "do": "hold"}]}}, "spec.drain.rules[0]"),
    (
        "UpgradePolicy",
        {"drain": {"rules": [{"name": "a", "do": "evict", "timeout": "1h"}]}},
        "spec.drain.rules[0]",
    ),
    (
        "UpgradePolicy",
        {"drain": {"rules": [{"name": "a", "do": "hold", "pods": [{}]}]}},
        "spec.drain.rules[0].pods[0]",
    ),
    (
        "UpgradePolicy",
        {"selector": {"matchExpressions": [{"key": "a", "operator": "In"}]}},
        "spec.selector.matchExpressions[0]",
    ),
    (
        "UpgradePolicy",
        {"selector": {"matchExpressions": [{"key": "a", "operator": "Exists", "values": ["b"]}]}},
        "spec.selector.matchExpressions[0]",
    ),
    (
        "UpgradePolicy",
        {"silences": [{"name": "a", "alertmanager": "http://a", "matchers": {"node": "all"}}]},
        "spec.silences[0].matchers",
    ),
    ("UpgradePolicy", {"upgrade": {"soakedIn": [{"for": "1h"}]}}, "spec.upgrade.soakedIn[0]"),
    ("UpgradePolicy", {"upgrade": {"soakedIn": [{"for": "1h", "pool": "x"}]}}, "expected another policy"),
    ("UpgradePolicy", {"stream": "a", "releases": VERSION}, "spec: Invalid value"),
    ("UpgradePolicy", {"rolloutWariness": 1.5}, "spec.rolloutWariness"),
    ("ReleaseStream", {}, "expected exactly one of releases, feed"),
    (
        "ReleaseStream",
        {"releases": VERSION, "feed": {"url": "https://x/y"}},
        "expected exactly one of releases, feed",
    ),
    ("ReleaseStream", {"releases": [{"version": "1", "digest": "sha256:1"}]}, "spec.releases[0].digest"),
    (
        "ReleaseStream",
        {"releases": [{"version": "1", "rollout": {"share": "101%"}}]},
        "spec.releases[0].rollout.share",
    ),
    ("ReleaseStream", {"feed": {}}, "spec.feed"),
    ("ReleaseStream", {"feed": {"flatcar": {}, "url": "https://x/y"}}, "spec.feed"),
    ("ReleaseStream", {"feed": {"url": "http://x/y"}}, "spec.feed.url"),
    ("Freeze", {"from": "2026-12-19"}, "expected either from and until, or a calendar"),
    ("Freeze", {"from": "19.12.2026", "until": "2027-01-04"}, "spec.from"),
    (
        "Freeze",
        {"from": "2026-12-19", "until": "2027-01-04", "calendar": "x.ics"},
        "expected either from and until",
    ),
    ("QuorumGroup", {}, "spec.cluster"),
    ("QuorumGroup", {"cluster": "a", "namespace": "x"}, "of a group of kind etcd"),
    ("QuorumGroup", {"cluster": "a", "kind": "pods"}, "expected namespace and selector"),
    (
        "QuorumGroup",
        {"cluster": "a", "kind": "pods", "namespace": "x", "selector": {}, "defragment": True},
        "expected no keys of etcd",
    ),
    ("QuorumGroup", {"cluster": "a", "cert": "x"}, "expected cert and key together"),
    ("FleetConfig", {}, "expected the name default"),
    ("Rollout", {"policies": [], "user": "lab-admin"}, "spec.policies"),
    ("Rollout", {"policies": ["a"], "user": "lab-admin", "plan": "x"}, "spec.plan"),
]
"""A kind, a spec with one mistake, and a part of what the API server says: the path of the key, or the rule."""


def test_policies_are_accepted_and_mistakes_are_refused_where_they_are(kinds: Path, tmp_path: Path) -> None:
    cluster = Cluster(kinds)
    rich.write_files(tmp_path)
    policies = [rich.TEXT, *examples()]
    assert len(policies) > 10
    shown = [each for each in objects_in_docs() if each["kind"] != "Rollout"]
    for body in [*shown, *(each for text in policies for each in exported(text, tmp_path))]:
        status, answer = cluster.call("POST", path_of(body, "?dryRun=All&fieldValidation=Strict"), body)
        assert status == 201, answer
        assert answer["spec"] == body["spec"], "nothing was pruned or defaulted"
    wrong = {}
    for kind, spec, expected in MISTAKES:
        body = made(kind, spec)
        status, answer = cluster.call("POST", path_of(body, "?dryRun=All"), body)
        if status != 422 or expected not in answer["message"]:
            wrong[json.dumps(spec)] = (expected, answer.get("message"))
    assert wrong == {}
    unknown = made("UpgradePolicy", {"limits": {"max_unavailable": 1}})
    status, answer = cluster.call("POST", path_of(unknown, "?dryRun=All&fieldValidation=Strict"), unknown)
    assert (status, "spec.limits.max_unavailable" in answer["message"]) == (400, True)


def vote(user: str, **more: Any) -> Json:
    return {"user": user, "plan": PLAN, **more}


def test_nobody_asks_or_votes_in_the_name_of_another(kinds: Path) -> None:
    ada, eve = Cluster(kinds, user="ada"), Cluster(kinds, user="eve")
    spec = {"policies": ["workers"], "version": "1", "user": "ada"}
    rollout = f"{ROOT}/rollouts/x"

    def refused(cluster: Cluster, change: Json) -> bool:
        status, answer = cluster.call("PATCH", rollout, {"spec": change})
        assert status in (200, 403, 422), answer
        return status != 200

    enforced(eve, made("Rollout", spec))
    assert ada.call("POST", f"{ROOT}/rollouts", made("Rollout", {**spec, "votes": [vote("eve")]}))[0] == 403
    ada.create(f"{ROOT}/rollouts", made("Rollout", spec))
    assert refused(eve, {"paused": True})
    assert refused(eve, {"votes": [vote("ada")]})
    assert not refused(eve, {"votes": [vote("eve")]})
    assert refused(ada, {"votes": []})
    assert refused(ada, {"votes": [vote("eve", verdict="Reject"), vote("ada")]})
    assert not refused(ada, {"votes": [vote("eve"), vote("ada")]})
    assert not refused(eve, {"votes": [vote("ada"), vote("eve", verdict="Reject", comment="too early")]})
    assert not refused(eve, {"votes": [vote("ada")]})
    assert not refused(eve, {"paused": True, "user": "eve", "reason": "lunch"})
    assert refused(ada, {"paused": False})
    assert not refused(ada, {"paused": False, "user": "ada"})
    assert refused(ada, {"version": "2"}), "the rest cannot be changed"
    assert refused(ada, {"policies": ["workers", "more"]})
    assert not refused(ada, {"aborted": True})
    assert refused(ada, {"aborted": False})


def enforced(cluster: Cluster, forbidden: Json) -> None:
    """A new policy is in force a moment after it was made: returns when it refuses what it must refuse."""
    for _ in range(500):
        if cluster.call("POST", path_of(forbidden, "?dryRun=All"), forbidden)[0] == 403:
            return
    raise AssertionError("the policy is not in force after 500 attempts")


@pytest.fixture(scope="module")
def kubectl() -> Path:
    if shutil.which("go") is None and os.environ.get("CI") != "true":
        pytest.skip("kubectl is built from Go modules, and there is no `go` on PATH")
    return built()


@pytest.mark.timeout(900)
def test_kubectl_gets_explains_and_waits(kinds: Path, kubectl: Path) -> None:
    """The first run compiles kubectl."""
    cluster = Cluster(kinds)

    def run(*arguments: str) -> str:
        command = [str(kubectl), f"--kubeconfig={kinds}", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    policy = made("UpgradePolicy", {"limits": {"maxUnavailable": 1}}, "workers")
    cluster.create(path_of(policy), policy)
    nodes = (a_status_node("a", "patched"), a_status_node("b", "held"), a_status_node("c", "failed"))
    facts = PolicyFacts("1.1", nodes, rollout="r-1")
    put_status(
        cluster, policy, upgrade_policy_status(UpgradePolicyStatus(), ObjectMistakes(), facts, START, 1)
    )
    rollout = made("Rollout", {"policies": ["workers"], "user": "lab-admin"}, "r-1")
    cluster.create(path_of(rollout), rollout)
    complete = (
        ConditionState("Progressing", "False", "Complete", "3 of 3 nodes are done"),
        ConditionState("Complete", "True", "Complete", "every node has ended"),
    )
    status = RolloutStatus(
        1, updated((), complete, 1, START), version="1.1", progress="3/3", failed=0, plan=PLAN
    )
    put_status(cluster, rollout, status)

    got = [line.split() for line in run("get", "upol").splitlines()]
    assert got[0] == ["NAME", "VERSION", "NODES", "CURRENT", "HELD", "FAILED", "READY", "AGE"]
    assert got[1][:-1] == ["workers", "1.1", "3", "1", "1", "1", "True"]
    got = [line.split() for line in run("get", "rollouts").splitlines()]
    assert got[0] == ["NAME", "STATUS", "VERSION", "PROGRESS", "FAILED", "ETA", "AGE"]
    assert got[1][:-1] == ["r-1", "Complete", "1.1", "3/3", "0"]
    assert "upgradepolicy.fleet.internal/workers" in run("get", "fleet")
    assert "3 of 3 nodes are done" in run("get", "fro", "-o", "wide")
    run("wait", "--for=condition=Complete", "rollout/r-1", "--timeout=20s")
    run("wait", "--for=condition=UpToDate=False", "upgradepolicy/workers", "--timeout=20s")
    explained = run("explain", "upgradepolicy.spec.limits.maxUnavailable")
    assert "Default: 1." in " ".join(explained.split())
    assert "spec" in run("explain", "quorumgroup")


def put_status(cluster: Cluster, body: Json, status: msgspec.Struct) -> None:
    """Writes the status as the operator does: by the subresource, with a field manager of its own."""
    name = body["metadata"]["name"]
    patch = {**body, "status": json.loads(msgspec.json.encode(status))}
    del patch["spec"]
    path = f"{path_of(body)}/{name}/status?fieldManager=fleet-operator&force=true"
    found = cluster.patch(path, patch, "apply")
    assert found["status"] == patch["status"]
    assert found["spec"] == body["spec"]
