"""API Priority and Fairness of a lab, used to make one service account's requests wait their turn behind a crowd's."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import urllib3

from tests.cluster.rest import Cluster, Json
from tests.cluster.tokens import ACCOUNT, kubeconfig_with, token

FOLDER = "/apis/flowcontrol.apiserver.k8s.io/v1"
LEVELS, SCHEMAS = f"{FOLDER}/prioritylevelconfigurations", f"{FOLDER}/flowschemas"
NAME, CROWD = "throttled", "crowd"
CALLERS = 6
"""Of the crowd, which ask without a pause for a document that takes the server a while."""


class Throttle:
    """The controller's account and the crowd's share one level; one request at a time is let in while it is closed, and
    whoever comes meanwhile is refused (429, Retry-After)."""

    def __init__(self, cluster: Cluster, kubeconfig: Path, folder: Path) -> None:
        self._cluster = cluster
        self._crowd = kubeconfig_with(kubeconfig, token(cluster, None), folder / "crowd.kubeconfig")
        level = {"type": "Limited", "limited": _limited(100)}
        cluster.create(LEVELS, {"metadata": {"name": NAME}, "spec": level})
        cluster.create(SCHEMAS, _schema(NAME, "fleet-controller"))
        cluster.create(SCHEMAS, _schema(CROWD, ACCOUNT))

    @contextmanager
    def closed(self) -> Iterator[None]:
        self._set(0)
        over = threading.Event()
        callers = [threading.Thread(target=self._call_until, args=(over,)) for _ in range(CALLERS)]
        for caller in callers:
            caller.start()
        try:
            yield
        finally:
            over.set()
            for caller in callers:
                caller.join()
            self._set(100)

    def refused(self) -> int:
        """Requests of the controller so far, by the server's own count."""
        text = self._cluster.open("/metrics").read().decode()
        lines = [line for line in text.splitlines() if f'flow_schema="{NAME}"' in line]
        counts = [line for line in lines if line.startswith("apiserver_flowcontrol_rejected_requests_total")]
        return sum(int(float(line.rpartition(" ")[2])) for line in counts)

    def _call_until(self, over: threading.Event) -> None:
        caller = Cluster(self._crowd)
        while not over.is_set():
            with suppress(urllib3.exceptions.HTTPError):
                caller.call("GET", "/openapi/v2")

    def _set(self, shares: int) -> None:
        self._cluster.patch(f"{LEVELS}/{NAME}", {"spec": {"limited": _limited(shares)}})


def _schema(name: str, account: str) -> Json:
    everything = {
        "verbs": ["*"],
        "apiGroups": ["*"],
        "resources": ["*"],
        "clusterScope": True,
        "namespaces": ["*"],
    }
    rule = {
        "subjects": [
            {"kind": "ServiceAccount", "serviceAccount": {"name": account, "namespace": "fleet-system"}}
        ],
        "resourceRules": [everything],
        "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
    }
    spec = {"priorityLevelConfiguration": {"name": NAME}, "matchingPrecedence": 10, "rules": [rule]}
    return {"metadata": {"name": name}, "spec": spec}


def _limited(shares: int) -> Json:
    return {
        "nominalConcurrencyShares": shares,
        "lendablePercent": 0,
        "borrowingLimitPercent": 0,
        "limitResponse": {"type": "Reject"},
    }
