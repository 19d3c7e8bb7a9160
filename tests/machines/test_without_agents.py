"""The same six hosts without agents: the controller takes control plane and workers on over ssh, and back by playbooks,
under the budget, one voter at a time, with a client that sees no error."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.machines.shop import AGENTS, Bed, from_afar, upgrade
from tests.machines.stack import Stack
from tests.machines.voting import one_voter_at_a_time

pytestmark = pytest.mark.timeout(1800)


def taken_to(version: str, stack: Stack, home: Path, way: str) -> Bed:
    """All hosts, by the controller itself; no agent runs meanwhile."""
    bed = from_afar(stack.bed, home, way)
    bed.offer("1.0", "1.1", "1.2")
    with one_voter_at_a_time(stack, bed):
        upgrade(bed, version)
    assert not bed.api.get(AGENTS)["items"]
    return bed


def test_rollout_over_ssh_without_an_agent_on_the_hosts(stack: Stack, tmp_path: Path) -> None:
    taken_to("1.2", stack, tmp_path / "home", "ssh")


def test_rollback_by_playbooks(stack: Stack, tmp_path: Path) -> None:
    bed = taken_to("1.1", stack, tmp_path / "home", "playbook")
    entries = json.loads(bed.fleet.run("audit", "export"))["entries"]
    told = [each["record"] for each in entries if each["record"]["kind"] == "played"]
    assert {(each["node"], each["detail"]["task"]) for each in told} >= {
        (f"shop/{name}", "Begin the job, where it does not run yet") for name in bed.names
    }
