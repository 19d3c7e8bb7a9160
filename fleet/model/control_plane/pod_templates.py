"""The templates of workloads, as far as their pods show them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec.structs import replace

from fleet.core.objects.pod import Pod
from fleet.model.objects import WorkloadKey, controller_of

CREATED: Mapping[str, Any] = {
    "phase": "Pending",
    "ready": False,
    "unready_since": None,
    "deleting": False,
    "gone_by": None,
    "stuck": "",
}
"""The condition of a pod that has just been created."""
OF_ONE_TEMPLATE = frozenset({"ReplicaSet", "ReplicationController", "Job"})
"""Kinds of owners whose pods all come from one template."""


class PodTemplates:
    """The template of each workload of one cluster. `saved`: templates that were learned before."""

    def __init__(self, saved: Iterable[Pod] = ()) -> None:
        self._templates: dict[WorkloadKey, Pod] = {}
        for template in saved:
            key = controller_of(template)
            assert key is not None
            self._templates[key] = template

    def saved(self) -> list[Pod]:
        """Returns all templates."""
        return list(self._templates.values())

    def workloads(self) -> list[WorkloadKey]:
        """Returns the workloads whose template is known."""
        return list(self._templates)

    def get(self, key: WorkloadKey) -> Pod | None:
        """Returns the template of the workload, or None if no pod of the workload was seen."""
        return self._templates.get(key)

    def learn(self, key: WorkloadKey, pod: Pod) -> None:
        """Takes the first pod of the workload as its template, and from the template what other pods do not have."""
        template = self._templates.get(key)
        if template is None:
            self._templates[key] = _template(pod)
        elif (
            key.kind in OF_ONE_TEMPLATE
            and template.labels is not pod.labels
            and template.labels != pod.labels
        ):
            # What one of them has beside the others was put there later, and is not in the template.
            common = {key: value for key, value in template.labels.items() if pod.labels.get(key) == value}
            self._templates[key] = replace(template, labels=common)


def _template(pod: Pod) -> Pod:
    if pod.deleting:
        # The finalizers of this pod seem to be its own, and not those of a template.
        pod = replace(pod, finalizers=False, finalizer_names=())
    return replace(pod, name="", uid="", node="", **CREATED)
