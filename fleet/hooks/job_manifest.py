"""The Job of one attempt of a hook: the template of the policy, with a name that follows from the attempt's token.

Source: https://kubernetes.io/docs/concepts/workloads/controllers/job/
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Any

import msgspec

from fleet.core.policy.hooks.hook import JobHook
from fleet.core.state.hook_calls import HookCall

MANAGED_BY = {"app.kubernetes.io/managed-by": "fleet"}
ROLLOUT_LABEL = "fleet.internal/rollout"
TOKEN_ANNOTATION = "fleet.internal/hook-token"  # noqa: S105
KEPT_SECONDS = 86400
"""Kubernetes deletes a Job so long after its end, unless the template has a time of its own."""
LONGEST_PREFIX = 40

JsonObject = dict[str, Any]


def job_name(call: HookCall) -> str:
    """Returns the name of the attempt's Job: the same after a restart, and another one for each attempt."""
    prefix = re.sub(r"[^a-z0-9-]+", "-", f"fleet-{call.hook.name}".lower())[:LONGEST_PREFIX].strip("-")
    return f"{prefix}-{sha256(call.token.encode()).hexdigest()[:12]}"


def job_of(call: HookCall, hook: JobHook) -> JsonObject:
    """Returns the Job. Its containers get the facts as environment variables."""
    spec: JsonObject = msgspec.json.decode(hook.template)
    spec.setdefault("backoffLimit", 0)
    spec.setdefault("ttlSecondsAfterFinished", KEPT_SECONDS)
    spec["activeDeadlineSeconds"] = hook.timeout_seconds
    pod: JsonObject = spec["template"]["spec"]
    pod.setdefault("restartPolicy", "Never")
    for container in [*pod["containers"], *pod.get("initContainers", [])]:
        container["env"] = [*container.get("env", []), *_environment(call)]
    if hook.on_node and call.node is not None:
        _bind(pod, call.node.name)
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": job_name(call),
            "namespace": hook.namespace,
            "labels": {**MANAGED_BY, ROLLOUT_LABEL: call.rollout},
            "annotations": {TOKEN_ANNOTATION: call.token},
        },
        "spec": spec,
    }


def is_of(job: JsonObject, call: HookCall) -> bool:
    """Returns whether a Job that the API server has is the one of this attempt."""
    annotations = job["metadata"].get("annotations") or {}
    return bool(annotations.get(TOKEN_ANNOTATION) == call.token)


def ended(job: JsonObject) -> tuple[bool, str] | None:
    """Returns whether the Job has completed, and why it has failed; None: it runs."""
    for condition in job.get("status", {}).get("conditions") or []:
        if condition.get("status") != "True":
            continue
        if condition.get("type") == "Complete":
            return True, ""
        if condition.get("type") == "Failed":
            reason, message = condition.get("reason", ""), condition.get("message", "")
            return False, ": ".join(filter(None, (reason, message)))
    return None


def _environment(call: HookCall) -> list[JsonObject]:
    """Returns the facts as Kubernetes wants them: it expands $(NAME) in values, unless the dollar sign is doubled."""
    facts = {**call.facts, "FLEET_HOOK_TOKEN": call.token}
    return [{"name": name, "value": value.replace("$", "$$")} for name, value in facts.items()]


def _bind(pod: JsonObject, node: str) -> None:
    """Makes the scheduler put the pod on the node, which is cordoned, as it does for the pods of DaemonSets."""
    field = {"key": "metadata.name", "operator": "In", "values": [node]}
    affinity = pod.setdefault("affinity", {}).setdefault("nodeAffinity", {})
    required = affinity.setdefault("requiredDuringSchedulingIgnoredDuringExecution", {})
    terms = required.setdefault("nodeSelectorTerms", []) or [{}]
    required["nodeSelectorTerms"] = [
        {**term, "matchFields": [*term.get("matchFields", []), field]} for term in terms
    ]
    toleration = {"key": "node.kubernetes.io/unschedulable", "operator": "Exists", "effect": "NoSchedule"}
    pod["tolerations"] = [*pod.get("tolerations", []), toleration]
