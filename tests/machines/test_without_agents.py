"""The same six hosts without agents: the controller takes control plane and workers on over ssh, and back by playbooks,
under the budget, one voter at a time, with a client that sees no error."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.machines.shop import AGENTS, from_afar, upgrade
from tests.machines.stack import Stack
from tests.machines.voting import one_voter_at_a_time

pytestmark = pytest.mark.timeout(1800)


def test_over_ssh_and_no_agent_runs_there(stack: Stack, tmp_path: Path) -> None:
    bed = from_afar(stack.bed, tmp_path / "home", "ssh")
    bed.offer("1.0", "1.1", "1.2")
    with one_voter_at_a_time(stack, bed):
        upgrade(bed, "1.2")
    assert not bed.api.get(AGENTS)["items"]


def test_back_by_playbooks(stack: Stack, tmp_path: Path) -> None:
    bed = from_afar(stack.bed, tmp_path / "home", "playbook")
    bed.offer("1.0", "1.1", "1.2")
    with one_voter_at_a_time(stack, bed):
        upgrade(bed, "1.1")
    assert not bed.api.get(AGENTS)["items"]
    entries = json.loads(bed.fleet.run("audit", "export"))["entries"]
    told = [each["record"] for each in entries if each["record"]["kind"] == "played"]
    assert {(each["node"], each["detail"]["task"]) for each in told} >= {
        (f"shop/{name}", "Begin the job, where it does not run yet") for name in bed.names
    }
