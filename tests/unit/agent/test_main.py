"""The messages of `fleet agent` where it cannot work."""

from __future__ import annotations

import subprocess
import sys

import pytest

from fleet.agent.main import FAMILY, NODE, main
from fleet.core.records.errors import UsageError
from fleet.kube.install.installation import manifests


def test_missing_node_name_is_reported_with_the_setting() -> None:
    with pytest.raises(UsageError) as caught:
        main(environ={})
    assert NODE in caught.value.hint


def test_unknown_operating_system_is_refused() -> None:
    with pytest.raises(UsageError, match="'plan9' of node n-1"):
        main(environ={NODE: "n-1", FAMILY: "plan9"})


def test_unusable_credentials_end_the_agent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(UsageError, match="not in a pod of a cluster"):
        main(environ={NODE: "n-1", FAMILY: "talos"})


def test_daemonset_tells_the_agent_its_node() -> None:
    daemonset = next(each for each in manifests("agent:1") if each.kind == "DaemonSet")
    (container,) = daemonset.body["spec"]["template"]["spec"]["containers"]
    reported = {each["name"]: each["valueFrom"]["fieldRef"]["fieldPath"] for each in container["env"]}
    assert reported == {NODE: "spec.nodeName"}


def test_agent_in_a_pod_does_not_import_the_kubernetes_client() -> None:
    """It is two fifths of the memory that an agent may take."""
    message = (
        "import sys, fleet.cli.registry, fleet.agent.main; fleet.cli.registry.program();"
        "print([each for each in ('kubernetes', 'pydantic') if each in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", message], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
