"""Operators in the cluster that they upgrade: policy and rollouts are objects, and the lead moves before its node goes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.app.operator.watched import RESOURCES
from fleet.kube.install import install
from fleet.kube.install.installation import manifests
from fleet.lab import Lab
from tests.cluster.installed import with_transport
from tests.cluster.observer import NodeLimits, Observer
from tests.cluster.operators import Kubelets, operators
from tests.cluster.planned import THINGS
from tests.cluster.rest import Cluster, Json
from tests.cluster.rolling import KERNEL, NEW, OLD, assert_left_clean, begun_fleet, upgraded, wait
from tests.store.postgres import programs, server

API = "/apis/fleet.internal/v1"
NODES = 4
RELEASES = [
    {"version": OLD, "digest": f"sha256:{'a' * 64}", "kernel": "6.11.4"},
    {"version": NEW, "digest": f"sha256:{'b' * 64}", "kernel": KERNEL},
]


def an_object(kind: str, name: str, spec: Json) -> Json:
    return {"apiVersion": "fleet.internal/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}


POLICY = an_object(
    "UpgradePolicy",
    "workers",
    {
        "selector": {"matchLabels": {"fleet.internal/pool": "workers"}},
        "releases": RELEASES,
        "limits": {"maxUnavailable": 1},
        "soak": "1s",
    },
)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[str]:
    folder = programs()
    if folder is None:
        pytest.skip("PostgreSQL is not installed")
    with server(folder) as url:
        yield url.format("postgres")


def condition(found: Json, kind: str) -> tuple[str, str]:
    """The status and the reason of a condition."""
    conditions = found.get("status", {}).get("conditions", [])
    return next(((each["status"], each["reason"]) for each in conditions if each["type"] == kind), ("", ""))


def served(cluster: Cluster) -> bool:
    """Returns whether the API server serves the new kinds, which takes a moment after their definitions."""
    answers = [cluster.call("GET", f"{API}/{plural}")[0] for plural in RESOURCES.values()]
    return set(answers) == {200}


def install_policy_kinds(lab: Lab) -> None:
    """Applies what the Helm chart has beside what `fleet cluster install` applies."""
    with_transport(lab.kubeconfig, lambda transport: install.apply(transport, manifests(None, policy=True)))


def who(cluster: Cluster) -> str:
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    review = cluster.create("/apis/authentication.k8s.io/v1/selfsubjectreviews", body)
    return str(review["status"]["userInfo"]["username"])


def until(cluster: Cluster, path: str, kind: str, wanted: tuple[str, str], kubelets: Kubelets) -> Json:
    def there() -> bool:
        return condition(cluster.find(f"{API}/{path}") or {}, kind) == wanted

    wait(there, lambda: f"{cluster.find(f'{API}/{path}')}\n{kubelets.output}", 240)
    return cluster.get(f"{API}/{path}")


def test_lead_is_handed_over_before_the_leaders_own_node_is_drained(
    lab: Lab, tmp_path: Path, database: str
) -> None:
    begun = begun_fleet(lab, tmp_path / "home", NODES, THINGS, pools={"workers": 1})
    with (
        begun as (_, cluster, _),
        operators(cluster, lab.kubeconfig, lab.server, tmp_path / "pods", database, 2) as kubelets,
    ):
        install_policy_kinds(lab)
        wait(lambda: served(cluster), lambda: "the new kinds are not served", 60)
        cluster.create(f"{API}/upgradepolicies", POLICY)
        until(cluster, "upgradepolicies/workers", "Ready", ("True", "InForce"), kubelets)
        nowhere = {"selector": {"matchLabels": {"pool": "other"}}, "stream": "nowhere"}
        cluster.create(f"{API}/upgradepolicies", an_object("UpgradePolicy", "other", nowhere))
        until(cluster, "upgradepolicies/other", "Ready", ("False", "InvalidPolicy"), kubelets)
        asked = {"policies": ["workers"], "version": NEW, "user": who(cluster)}
        with Observer(lab.kubeconfig, NodeLimits(total=1)).watching() as observer:
            cluster.create(f"{API}/rollouts", an_object("Rollout", "november", asked))
            until(cluster, "rollouts/november", "Ready", ("True", "Planned"), kubelets)
            cluster.delete(f"{API}/upgradepolicies/other")
            found = until(cluster, "rollouts/november", "Complete", ("True", "Complete"), kubelets)
        assert found["status"]["progress"] == f"{NODES}/{NODES}", found["status"]
        assert len(upgraded(cluster)) == NODES
        assert set(observer.seen.reboots.values()) == {1} and len(observer.seen.reboots) == NODES
        assert "handing over" in kubelets.output
        assert_left_clean(cluster)
        until(cluster, "upgradepolicies/workers", "UpToDate", ("True", "Current"), kubelets)
        assert re.search(r"in control of 1 clusters \(epoch [23]\)", kubelets.output)
