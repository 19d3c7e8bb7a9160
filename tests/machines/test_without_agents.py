"""The same six hosts without agents: the controller takes control plane and workers on over ssh, and back by playbooks,
under the budget, one voter at a time, with a client that sees no error."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.machines.stack import Stack
from tests.machines.voting_checks import one_voter_at_a_time
from tests.machines.workload import AGENTS, Environment, from_afar, upgrade

pytestmark = pytest.mark.timeout(1800)


def taken_to(version: str, stack: Stack, home: Path, way: str) -> Environment:
    """All hosts, by the controller itself; no agent runs meanwhile."""
    testbed = from_afar(stack.testbed, home, way)
    testbed.offer("1.0", "1.1", "1.2")
    with one_voter_at_a_time(stack, testbed):
        upgrade(testbed, version)
    assert not testbed.api.get(AGENTS)["items"]
    return testbed


def test_rollout_over_ssh_without_an_agent_on_the_hosts(stack: Stack, tmp_path: Path) -> None:
    taken_to("1.2", stack, tmp_path / "home", "ssh")


def test_rollback_by_playbooks(stack: Stack, tmp_path: Path) -> None:
    testbed = taken_to("1.1", stack, tmp_path / "home", "playbook")
    entries = json.loads(testbed.fleet.run("audit", "export"))["entries"]
    reported = [each["record"] for each in entries if each["record"]["kind"] == "played"]
    assert {(each["node"], each["detail"]["task"]) for each in reported} >= {
        (f"shop/{name}", "Begin the job, where it does not run yet") for name in testbed.names
    }
