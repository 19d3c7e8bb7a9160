"""The objects that fleet installs in a cluster, from `manifests/`, in the order in which they are created."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from importlib import resources
from typing import Any

import yaml
from msgspec import Struct

from fleet.core.records.errors import UsageError
from fleet.kube.objects.permissions import OPERATOR, Permission, needed, of_jobs

NAMESPACE = "fleet-system"
CONTROLLER = "fleet-controller"
"""The name of the agent's service account and of its roles."""
OPERATOR_ROLE = "fleet-operator"
"""The name of the role that `fleet operator` has beside that of the controller."""
HOOKS = "fleet-hooks"
"""The name of the roles in the namespaces in which hooks make Jobs."""
MANAGED_BY = "app.kubernetes.io/managed-by"
OWNER = "fleet"
AGENT_NAMESPACES = (NAMESPACE, "fleet-agents")
"""Where agents run: `fleet cluster install` puts them into the first, and the Helm chart into the second, so that Pod
Security admission can be strict in the controller's namespace."""
AGENT_LABELS = {"app.kubernetes.io/name": "fleet-agent"}
"""Labels of the pods of the agent's DaemonSet."""

_DIGEST = re.compile(r"[^@]+@sha256:[0-9a-f]{64}")

_PLURALS = {
    "ClusterRole": "clusterroles",
    "ClusterRoleBinding": "clusterrolebindings",
    "CustomResourceDefinition": "customresourcedefinitions",
    "DaemonSet": "daemonsets",
    "Namespace": "namespaces",
    "Role": "roles",
    "RoleBinding": "rolebindings",
    "ServiceAccount": "serviceaccounts",
    "ValidatingAdmissionPolicy": "validatingadmissionpolicies",
    "ValidatingAdmissionPolicyBinding": "validatingadmissionpolicybindings",
}


class Manifest(Struct, frozen=True):
    """An object to be applied. `body` is its JSON."""

    kind: str
    name: str
    namespace: str
    group: str
    resource: str
    collection: str
    """The API path of all objects of its kind, in its namespace."""
    body: dict[str, Any]

    @property
    def path(self) -> str:
        """Returns the path of the object in the API server."""
        return f"{self.collection}/{self.name}"

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


def manifests(
    image: str | None, remote: bool = False, job_namespaces: Sequence[str] = (), policy: bool = False
) -> tuple[Manifest, ...]:
    """Returns every object to install, in order. `image`: the agent's; None leaves its DaemonSet out. `remote`: the
    controller works on machines itself. `job_namespaces`: where hooks make Jobs; these namespaces exist already.
    `policy`: `fleet operator` runs in the cluster, which has the policy and the rollouts as objects.

    Raises UsageError for an empty image, and for one whose digest is not a digest.
    """
    if image == "":
        raise UsageError("the agent's image is empty", "give one, or install without agents")
    if image is not None and "@" in image and not by_digest(image):
        raise UsageError(f"{image}: its digest is not a digest", "NAME@sha256: and 64 hexadecimal digits")
    bodies = [_completed(body, image, remote) for body in (*_files(), *(_files("policy") if policy else ()))]
    bodies += [body for namespace in job_namespaces for body in _roles_of_jobs(namespace)]
    return tuple(_manifest(body) for body in bodies if image is not None or body["kind"] != "DaemonSet")


def by_digest(image: str) -> bool:
    """Returns whether an image is named by its digest. A tag may be another image later."""
    return _DIGEST.fullmatch(image) is not None


def as_yaml(objects: Sequence[Manifest]) -> str:
    """Returns the objects as `kubectl apply -f` reads them."""
    return yaml.safe_dump_all([manifest.body for manifest in objects], sort_keys=False, explicit_start=True)


def rules(permissions: Sequence[Permission], namespace: str) -> list[dict[str, Any]]:
    """Returns RBAC rules, one a permission: those that are needed in this namespace alone, or everywhere where it is
    empty."""
    return [_rule(permission) for permission in permissions if permission.namespace == namespace]


def _rule(permission: Permission) -> dict[str, Any]:
    verbs = list(permission.verbs)
    if permission.url:
        return {"nonResourceURLs": [permission.url], "verbs": verbs}
    names = {"resourceNames": [permission.name]} if permission.name else {}
    return {"apiGroups": [permission.group], "resources": [permission.resource], **names, "verbs": verbs}


def _files(*part: str) -> list[dict[str, Any]]:
    folder = resources.files("fleet.kube.install").joinpath("manifests", *part)
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".yaml")), key=lambda f: f.name)
    # An alias of the YAML is one object in several places; after this it is several.
    return [json.loads(json.dumps(body)) for file in files for body in yaml.safe_load_all(file.read_text())]


def _roles_of_jobs(namespace: str) -> list[dict[str, Any]]:
    """Returns what lets the controller run the Jobs of hooks in a namespace, and in no other."""
    api = "rbac.authorization.k8s.io"
    metadata = {"name": HOOKS, "namespace": namespace, "labels": {MANAGED_BY: OWNER}}
    role = {
        "apiVersion": f"{api}/v1",
        "kind": "Role",
        "metadata": metadata,
        "rules": rules(of_jobs(namespace), namespace),
    }
    binding = {
        "apiVersion": f"{api}/v1",
        "kind": "RoleBinding",
        "metadata": metadata,
        "roleRef": {"apiGroup": api, "kind": "Role", "name": HOOKS},
        "subjects": [{"kind": "ServiceAccount", "name": CONTROLLER, "namespace": NAMESPACE}],
    }
    return [role, binding]


def roles_of_jobs(namespaces: Sequence[str]) -> tuple[Manifest, ...]:
    """Returns the objects that `manifests` adds for these namespaces."""
    return tuple(_manifest(body) for namespace in namespaces for body in _roles_of_jobs(namespace))


def _completed(body: dict[str, Any], image: str | None, remote: bool) -> dict[str, Any]:
    body["metadata"].setdefault("labels", {})[MANAGED_BY] = OWNER
    if body["kind"] in ("ClusterRole", "Role") and body["metadata"]["name"] == CONTROLLER:
        body["rules"] = rules(needed(remote), body["metadata"].get("namespace", ""))
    if body["kind"] == "ClusterRole" and body["metadata"]["name"] == OPERATOR_ROLE:
        body["rules"] = rules(OPERATOR, "")
    if body["kind"] == "DaemonSet":
        body["spec"]["template"]["spec"]["containers"][0]["image"] = image
    return body


def _manifest(body: dict[str, Any]) -> Manifest:
    metadata, kind, resource = body["metadata"], body["kind"], _PLURALS[body["kind"]]
    namespace = metadata.get("namespace", "")
    group = body["apiVersion"].rpartition("/")[0]
    root = f"/{'apis' if group else 'api'}/{body['apiVersion']}"
    collection = f"{root}/namespaces/{namespace}/{resource}" if namespace else f"{root}/{resource}"
    return Manifest(kind, metadata["name"], namespace, group, resource, collection, body)
