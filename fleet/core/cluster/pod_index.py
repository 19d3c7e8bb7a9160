"""The pods of a cluster, indexed by uid, node and namespace."""

from __future__ import annotations

from collections.abc import Collection

from fleet.core.objects.pod import Pod


class PodIndex:
    """The pods of one cluster as last seen."""

    def __init__(self) -> None:
        self.pods: dict[str, Pod] = {}
        """Pods by uid."""
        self._on: dict[str, dict[str, Pod]] = {}
        """Pods by node and uid."""
        self._in: dict[str, dict[str, Pod]] = {}
        """Pods by namespace and uid."""
        self._unready: dict[str, dict[str, Pod]] = {}
        """Pods that should be Ready and are not, by namespace and uid."""

    def on_node(self, node: str) -> Collection[Pod]:
        """Returns all pods of the node."""
        return self._on.get(node, {}).values()

    def in_namespace(self, namespace: str) -> Collection[Pod]:
        """Returns all pods of the namespace."""
        return self._in.get(namespace, {}).values()

    def unready(self, namespace: str) -> Collection[Pod]:
        """Returns the pods of the namespace that should be Ready and are not."""
        return self._unready.get(namespace, {}).values()

    def upsert(self, before: Pod | None, pod: Pod) -> None:
        """Records a pod that was added or changed; `before` is its last state, None if the pod was not known."""
        uid, node = pod.uid, pod.node
        if before is not None and before.node != node:
            self._leave_node(before)
        self.pods[uid] = pod
        self._in.setdefault(pod.namespace, {})[uid] = pod
        if node:
            self._on.setdefault(node, {})[uid] = pod
        if not pod.ready and pod.should_be_ready:
            self._unready.setdefault(pod.namespace, {})[uid] = pod
        elif before is not None and not before.ready:
            self._no_longer_unready(pod)

    def delete(self, uid: str) -> Pod | None:
        """Removes a pod that is gone; returns its last state, or None if it was not known."""
        pod = self.pods.pop(uid, None)
        if pod is not None:
            self._leave_node(pod)
            self._no_longer_unready(pod)
            remaining = self._in[pod.namespace]
            del remaining[uid]
            if not remaining:
                del self._in[pod.namespace]
        return pod

    def _leave_node(self, pod: Pod) -> None:
        if pod.node:
            self._on[pod.node].pop(pod.uid, None)

    def _no_longer_unready(self, pod: Pod) -> None:
        """Records that the pod is Ready, or is no longer expected to be."""
        if unready := self._unready.get(pod.namespace):
            unready.pop(pod.uid, None)
