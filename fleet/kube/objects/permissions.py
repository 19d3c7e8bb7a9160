"""The permissions of fleet's controller in a cluster, with reasons: the table from which its ClusterRole is made."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

LEASE_NAMESPACE = "fleet-system"
LEASE_NAME = "fleet-controller"

WATCH = ("list", "watch")
READ = ("get", *WATCH)


class Permission(Struct, frozen=True):
    """One RBAC rule. `resource` may have a subresource: `pods/eviction`."""

    group: str
    """The API group; empty for the core group."""
    resource: str
    verbs: tuple[str, ...]
    why: str
    namespace: str = ""
    """The only namespace in which the rule is needed; empty: all namespaces, or the resource has no namespace."""
    url: str = ""
    """A path of the API server itself, in place of a resource."""
    foreign: bool = False
    """True if the rule is about objects of another project: nothing is missing where the cluster does not serve the
    group."""
    name: str = ""
    """The only object that the rule is about; empty: all."""


PERMISSIONS: tuple[Permission, ...] = (
    Permission("", "nodes", (*READ, "patch"), "watch nodes; cordon, uncordon, taint and annotate them"),
    Permission("", "pods", READ, "know what runs where"),
    Permission("", "pods/eviction", ("create",), "drain nodes within their budgets"),
    Permission(
        "",
        "",
        ("get",),
        "read an etcd's health from the API server if the etcd cannot be reached",
        url="/readyz/etcd",
    ),
    Permission(
        "",
        "namespaces",
        ("get",),
        "know the cluster again, whatever its address: by the id of its namespace kube-system",
        name="kube-system",
    ),
    Permission("policy", "poddisruptionbudgets", WATCH, "know what a drain has to wait for"),
    Permission("apps", "deployments", WATCH, "name the workload that a budget protects"),
    Permission("apps", "replicasets", WATCH, "know when replacements of evicted pods are ready"),
    Permission("apps", "statefulsets", WATCH, "know when replacements of evicted pods are ready"),
    Permission("apps", "daemonsets", WATCH, "know which pods stay on their node"),
    Permission("batch", "jobs", WATCH, "know which pods start again"),
    Permission("", "persistentvolumes", WATCH, "know which nodes can use a pod's volumes"),
    Permission("", "persistentvolumeclaims", WATCH, "know which volumes a pod has"),
    Permission("storage.k8s.io", "volumeattachments", WATCH, "reboot no node that volumes are attached to"),
    Permission(
        "maintenance.nvidia.com",
        "nodemaintenances",
        WATCH,
        "respect the work of maintenance-operator",
        foreign=True,
    ),
    Permission(
        "nodemaintenance.medik8s.io",
        "nodemaintenances",
        WATCH,
        "respect the work of node-maintenance-operator",
        foreign=True,
    ),
    Permission(
        "machineconfiguration.openshift.io",
        "machineconfignodes",
        WATCH,
        "respect the work of the Machine Config Operator",
        foreign=True,
    ),
    Permission(
        "fleet.internal",
        "machines",
        (*READ, "patch"),
        "ask machines to stage a release and to boot it, and read what their agents saw",
    ),
    Permission(
        "coordination.k8s.io",
        "leases",
        ("get", "create", "update"),
        "be the cluster's only fleet controller",
        namespace=LEASE_NAMESPACE,
    ),
)
REMOTE: tuple[Permission, ...] = (
    Permission(
        "fleet.internal",
        "machines",
        ("create",),
        "have a Machine for each node that it works on itself (reach: ssh, playbook)",
    ),
    Permission(
        "fleet.internal",
        "machines/status",
        ("patch",),
        "report the state of machines that it works on itself (reach: ssh, playbook)",
    ),
)
"""Needed only where a pool is reached without agents: otherwise the controller cannot answer in an agent's place."""

ADMISSION = "admissionregistration.k8s.io"
OPERATOR: tuple[Permission, ...] = (
    Permission("fleet.internal", "upgradepolicies", WATCH, "take the policy from objects"),
    Permission("fleet.internal", "releasestreams", WATCH, "take the policy from objects"),
    Permission("fleet.internal", "freezes", WATCH, "take the policy from objects"),
    Permission("fleet.internal", "quorumgroups", WATCH, "take the policy from objects"),
    Permission("fleet.internal", "fleetconfigs", WATCH, "take the policy from objects"),
    Permission(
        "fleet.internal", "rollouts", (*WATCH, "create"), "show rollouts as objects, and be asked for them"
    ),
    Permission("fleet.internal", "upgradepolicies/status", ("patch",), "say what is true of each object"),
    Permission("fleet.internal", "releasestreams/status", ("patch",), "say what is true of each object"),
    Permission("fleet.internal", "freezes/status", ("patch",), "say what is true of each object"),
    Permission("fleet.internal", "quorumgroups/status", ("patch",), "say what is true of each object"),
    Permission("fleet.internal", "fleetconfigs/status", ("patch",), "say what is true of each object"),
    Permission("fleet.internal", "rollouts/status", ("patch",), "say what became of each rollout"),
    Permission(ADMISSION, "validatingadmissionpolicies", ("get",), "know that users of Rollouts are proven"),
    Permission(
        ADMISSION, "validatingadmissionpolicybindings", ("get",), "know that users of Rollouts are proven"
    ),
)
"""What `fleet operator` needs beside, in the cluster that it runs in."""


def needed(
    remote: bool, job_namespaces: Sequence[str] = (), operator: bool = False
) -> tuple[Permission, ...]:
    """Returns the permissions of a controller. `remote`: it works on machines itself. `job_namespaces`: where hooks make
    Jobs. `operator`: it runs in this cluster, as `fleet operator`."""
    jobs = [rule for namespace in job_namespaces for rule in of_jobs(namespace)]
    return (*PERMISSIONS, *(REMOTE if remote else ()), *jobs, *(OPERATOR if operator else ()))


def of_jobs(namespace: str) -> tuple[Permission, ...]:
    """Returns the permissions that hooks need which make Jobs in this namespace."""
    return (
        Permission("batch", "jobs", ("get", "create", "delete"), "run the Jobs of hooks", namespace),
        Permission("", "pods", ("list",), "find the pods of the Jobs of hooks", namespace),
        Permission("", "pods/log", ("get",), "keep the output of the Jobs of hooks", namespace),
    )
