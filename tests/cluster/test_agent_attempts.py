"""An agent that tries everything on everything: every verb on every resource that the API server names, with the token of
its own pod. Only reading Machines, and reporting its own, gets through."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from fleet.kube.install import install
from fleet.kube.install.installation import AGENT_NAMESPACES, manifests
from tests.cluster.installed import with_transport
from tests.cluster.rest import Cluster, Json
from tests.cluster.test_install import MACHINES, REPORT, enforced, fake_node, machine
from tests.cluster.tokens import NAMESPACE, agent_pod, kubeconfig_with, token

OWN, OTHER = "fleet-test-own", "fleet-test-other"
EVERY_USER = {
    f"/apis/{group}/v1/{resource}"
    for group, resource in (
        ("authentication.k8s.io", "selfsubjectreviews"),
        ("authorization.k8s.io", "selfsubjectaccessreviews"),
        ("authorization.k8s.io", "selfsubjectrulesreviews"),
    )
}
"""Questions that every user may ask about themselves (ClusterRole system:basic-user)."""


class Attempt(NamedTuple):
    method: str
    path: str
    body: Json | None = None
    patch: str = "merge"


@pytest.fixture
def agent(kubeconfig: Path, cluster: Cluster, tmp_path: Path) -> Iterator[Cluster]:
    """The agent of the node OWN. The node OTHER has a Machine, too."""
    with_transport(kubeconfig, lambda transport: install.apply(transport, manifests(None)))
    for name in (OWN, OTHER):
        fake_node(cluster, name)
    bearer = token(cluster, agent_pod(cluster, OWN))
    enforced(cluster, Cluster(kubeconfig_with(kubeconfig, token(cluster, None), tmp_path / "unbound")))
    cluster.create(MACHINES, machine(OTHER))
    yield Cluster(kubeconfig_with(kubeconfig, bearer, tmp_path / "agent"))
    cluster.delete(f"/api/v1/namespaces/{NAMESPACE}/pods/agent-{OWN}", gracePeriodSeconds=0)
    for name in (OWN, OTHER):
        cluster.delete(f"/api/v1/nodes/{name}")
    with_transport(kubeconfig, install.uninstall)


def roots(cluster: Cluster) -> Iterator[str]:
    """The path of each version of each API group."""
    yield "/api/v1"
    for group in cluster.get("/apis")["groups"]:
        yield from (f"/apis/{version['groupVersion']}" for version in group["versions"])


def attempts(root: str, resource: Json) -> Iterator[Attempt]:
    """Every verb on one resource or subresource: in all namespaces, in the agent's own and in another, for the object
    that has the name of the own node, of another, and of the agents' account."""
    plural, _, subresource = resource["name"].partition("/")
    spaces = (f"/namespaces/{NAMESPACE}", "/namespaces/default") if resource["namespaced"] else ("",)
    sample: Json = {
        "metadata": {"name": OTHER},
        "apiVersion": root.split("/", 2)[2],
        "kind": resource["kind"],
    }
    for space in spaces:
        collection = f"{root}{space}/{plural}"
        if not subresource:
            yield Attempt("GET", collection)
            yield Attempt("POST", collection, sample)
            yield Attempt("DELETE", f"{collection}?dryRun=All")
            if resource["namespaced"]:
                yield Attempt("GET", f"{root}/{plural}")
        for name in (OWN, OTHER, "fleet-agent"):
            path = f"{collection}/{name}{f'/{subresource}' if subresource else ''}"
            yield Attempt("GET", path)
            yield Attempt("POST", path, sample)
            yield Attempt("PUT", path, {**sample, "metadata": {"name": name}})
            yield Attempt("PATCH", path, {"metadata": {"labels": {"a": "b"}}})
            yield Attempt("DELETE", path)


def everything(cluster: Cluster) -> list[Attempt]:
    found = [
        attempt
        for root in roots(cluster)
        for resource in cluster.get(root)["resources"]
        for attempt in attempts(root, resource)
    ]
    paths = ("/metrics", "/logs", "/debug/pprof", "/configz", "/readyz/etcd", "/livez/etcd", "/api/v1/nodes")
    return [*found, *(Attempt("GET", path) for path in paths)]


def may(attempt: Attempt) -> bool:
    """Returns whether an agent is to get through: it reads Machines, reports its own, and asks what every user may ask."""
    if attempt.method == "GET":
        return attempt.path.partition("?")[0] in (
            MACHINES,
            *(f"{MACHINES}/{name}" for name in (OWN, OTHER, "fleet-agent")),
        )
    if attempt.method == "PATCH":
        # The policy judges what would be written: of a Machine that is not there nothing is.
        return attempt.path in (f"{MACHINES}/{OWN}/status", f"{MACHINES}/fleet-agent/status")
    # Such a question has no name, and with one it is not found.
    return attempt.method == "POST" and attempt.path.partition("/fleet-")[0] in EVERY_USER


IMPERSONATED: dict[str, dict[str, str]] = {
    "administrator": {"Impersonate-User": "admin", "Impersonate-Group": "system:masters"},
    "controller": {"Impersonate-User": f"system:serviceaccount:{NAMESPACE}:fleet-controller"},
    "node": {"Impersonate-User": f"system:node:{OTHER}", "Impersonate-Group": "system:nodes"},
    # The name of the node is what the policy goes by; a slash is escaped in the name of a header.
    "other agent": {
        "Impersonate-User": f"system:serviceaccount:{NAMESPACE}:fleet-agent",
        "Impersonate-Extra-authentication.kubernetes.io%2fnode-name": OTHER,
    },
}


def test_agent_may_do_nothing_of_all_that_an_api_server_serves_but_read_machines(
    cluster: Cluster, agent: Cluster
) -> None:
    tried = everything(cluster)
    assert len(tried) > 1000
    assert any(attempt.path.endswith("/serviceaccounts/fleet-agent/token") for attempt in tried)
    through = []
    for attempt in tried:
        status, _ = agent.call(*attempt)
        # Who may not do something is told so before anything else is looked at: also of what is not there.
        if (status != 403) != may(attempt):
            through.append((attempt.method, attempt.path, status))
    assert through == []


def test_agent_may_report_its_own_machine_and_neither_change_nor_be_another(
    cluster: Cluster, agent: Cluster
) -> None:
    cluster.delete(f"{MACHINES}/{OWN}")
    assert agent.call("POST", MACHINES, machine(OTHER))[0] == 403
    assert agent.call("POST", MACHINES, machine(OWN))[0] == 201
    for name in (OWN, OTHER):
        for body in (
            {"spec": {"action": "reboot", "token": "t", "release": {"version": "1"}}},
            {"spec": {"log": {"token": "t", "lines": 1}}},
            {"metadata": {"labels": {"a": "b"}}},
            {"metadata": {"finalizers": ["example.com/stay"]}},
        ):
            for patch in ("merge", "apply", "strategic-merge"):
                whole = {**machine(name), **body} if patch == "apply" else body
                path = f"{MACHINES}/{name}{'?fieldManager=agent&force=true' if patch == 'apply' else ''}"
                assert agent.call("PATCH", path, whole, patch=patch)[0] in (403, 415), (name, body, patch)
            assert agent.call("PUT", f"{MACHINES}/{name}", {**machine(name), **body})[0] == 403
        assert agent.call("PUT", f"{MACHINES}/{name}/status", {**machine(name), **REPORT})[0] == 403
        assert agent.call("DELETE", f"{MACHINES}/{name}")[0] == 403
    assert agent.call("PATCH", f"{MACHINES}/{OTHER}/status", REPORT)[0] == 403
    # What the status subresource ignores changes nothing, whoever sends it.
    both = {**REPORT, "spec": {"log": {"token": "t", "lines": 1}}, "metadata": {"labels": {"a": "b"}}}
    assert agent.call("PATCH", f"{MACHINES}/{OWN}/status", both)[0] == 200
    own = cluster.get(f"{MACHINES}/{OWN}")
    assert own["status"] == REPORT["status"] and "spec" not in own and "labels" not in own["metadata"]
    assert "status" not in cluster.get(f"{MACHINES}/{OTHER}")
    for name, headers in IMPERSONATED.items():
        status, answer = agent.call("PATCH", f"{MACHINES}/{OTHER}/status", REPORT, headers=headers)
        assert status == 403 and "cannot impersonate" in answer["message"], (name, answer)
    assert "status" not in cluster.get(f"{MACHINES}/{OTHER}")


def test_account_in_either_namespace_of_agents_is_held_to_its_node(
    kubeconfig: Path, cluster: Cluster, agent: Cluster, tmp_path: Path
) -> None:
    """The chart has the agents in a namespace of their own. With the same role, the same policy must hold there."""
    space = next(each for each in AGENT_NAMESPACES if each != NAMESPACE)
    cluster.create("/api/v1/namespaces", {"metadata": {"name": space}})
    account = {"metadata": {"name": "fleet-agent", "namespace": space}}
    cluster.create(f"/api/v1/namespaces/{space}/serviceaccounts", account)
    subject = {"kind": "ServiceAccount", "name": "fleet-agent", "namespace": space}
    group = "rbac.authorization.k8s.io"
    binding = {
        "metadata": {"name": "fleet-agents-elsewhere"},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "fleet-agent"},
        "subjects": [subject],
    }
    cluster.create(f"/apis/{group}/v1/clusterrolebindings", binding)
    path = f"/api/v1/namespaces/{space}/serviceaccounts/fleet-agent/token"
    bearer = cluster.create(path, {"spec": {"expirationSeconds": 3600}})["status"]["token"]
    elsewhere = Cluster(kubeconfig_with(kubeconfig, str(bearer), tmp_path / "elsewhere"))
    while elsewhere.call("GET", MACHINES)[0] != 200:
        pass  # until the authorizer has seen the binding
    status, answer = elsewhere.call("PATCH", f"{MACHINES}/{OTHER}/status", REPORT)
    assert status == 403 and "a token that is bound to no pod" in answer["message"]
    cluster.delete(f"/apis/{group}/v1/clusterrolebindings/fleet-agents-elsewhere")
    cluster.delete(f"/api/v1/namespaces/{space}")
