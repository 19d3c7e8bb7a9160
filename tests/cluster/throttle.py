"""API Priority and Fairness of a lab, used to refuse one service account's requests with 429 and Retry-After."""

from __future__ import annotations

import re

from tests.cluster.rest import Cluster, Json

FOLDER = "/apis/flowcontrol.apiserver.k8s.io/v1"
LEVELS, SCHEMAS = f"{FOLDER}/prioritylevelconfigurations", f"{FOLDER}/flowschemas"
NAME = "throttled"


class Throttle:
    """Of fleet's controller. Open at first."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        cluster.create(
            LEVELS, {"metadata": {"name": NAME}, "spec": {"type": "Limited", "limited": _limited(100)}}
        )
        account = {"name": "fleet-controller", "namespace": "fleet-system"}
        anything = {
            "verbs": ["*"],
            "apiGroups": ["*"],
            "resources": ["*"],
            "clusterScope": True,
            "namespaces": ["*"],
        }
        rule = {
            "subjects": [{"kind": "ServiceAccount", "serviceAccount": account}],
            "resourceRules": [anything],
        }
        spec = {
            "priorityLevelConfiguration": {"name": NAME},
            "matchingPrecedence": 10,
            "rules": [rule],
        }
        cluster.create(SCHEMAS, {"metadata": {"name": NAME}, "spec": spec})

    def close(self) -> None:
        """Nothing of the account is let in; what is being watched goes on."""
        self._set(0)

    def open(self) -> None:
        self._set(100)

    def refused(self) -> int:
        """Requests so far, by the server's own count."""
        text = self._cluster.open("/metrics").read().decode()
        lines = [line for line in text.splitlines() if f'priority_level="{NAME}"' in line]
        counts = [line for line in lines if line.startswith("apiserver_flowcontrol_rejected_requests_total")]
        return sum(int(float(line.rpartition(" ")[2])) for line in counts)

    def seen(self) -> int:
        """Requests that were let in."""
        text = self._cluster.open("/metrics").read().decode()
        pattern = (
            rf'^apiserver_flowcontrol_dispatched_requests_total{{[^}}]*priority_level="{NAME}"[^}}]*}} (\S+)$'
        )
        return sum(int(float(value)) for value in re.findall(pattern, text, re.MULTILINE))

    def _set(self, shares: int) -> None:
        self._cluster.patch(f"{LEVELS}/{NAME}", {"spec": {"limited": _limited(shares)}})


def _limited(shares: int) -> Json:
    return {
        "nominalConcurrencyShares": shares,
        "lendablePercent": 0,
        "borrowingLimitPercent": 0,
        "limitResponse": {"type": "Reject"},
    }
