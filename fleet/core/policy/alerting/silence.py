"""Silences: which alerts of a node are silenced in Alertmanager while fleet works on it."""

from __future__ import annotations

from msgspec import Struct

from fleet.core.objects.node import NodeRef

NODE, CLUSTER = "{node}", "{cluster}"


class SilenceRule(Struct, frozen=True, kw_only=True):
    """Alerts that all `matchers` match are silenced from before a node's cordon until its run has ended.

    Source: https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml
    """

    name: str
    alertmanager: str
    """The URL of the server, without `/api/v2`. `{cluster}` stands for the name of the node's cluster."""
    matchers: dict[str, str]
    """Values by label. `{node}` and `{cluster}` stand for the names; every value is compared by equality."""
    required: bool = False
    """True: a node waits until its alerts are silenced. False: it goes on without, and the journal says so."""
    token_file: str = ""
    """A file with the bearer token. Empty: no token is sent."""
    ca_file: str = ""
    """A file with the certificates that are trusted, in PEM. Empty: those of the system."""

    def url(self, cluster: str) -> str:
        return self.alertmanager.replace(CLUSTER, cluster).rstrip("/")

    def labels(self, node: NodeRef) -> dict[str, str]:
        """Returns the labels, with their values, that an alert of this node has."""
        return {
            label: value.replace(NODE, node.name).replace(CLUSTER, node.cluster)
            for label, value in self.matchers.items()
        }
