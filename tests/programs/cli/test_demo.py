"""The demo's control planes, as one would try them: a plan with its voters, a rollout that is watched, what is left."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from fleet.app.demo.prepare import prepare
from fleet.cli.main import run
from fleet.core.records.errors import UsageError
from fleet.simulated.demo import POLICY
from tests.children import children, wait_for_new_children

SPEED = 1000.0


def test_control_planes_are_upgraded_voter_by_voter_the_leader_last(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = prepare(tmp_path / "demo", SPEED)
    before = children()

    def fleet(*arguments: str, code: int = 0) -> str:
        assert run(["--home", str(home.path), *arguments]) == code
        return capsys.readouterr().out

    fleet("sync", code=1)
    planned = fleet("plan", "--pool", "control")
    assert re.search(r"AT  NODE    VOTER    COMMIT\n", planned)
    rows = re.findall(r"^ +\d:\d\d:\d\d  (n-\d+)  \1 +(\d+\.\d) ms(?:  (.*))?$", planned, re.MULTILINE)
    east = [(node, arguments) for node, _, arguments in rows if node < "n-0100"]
    assert east == [("n-0040", ""), ("n-0041", ""), ("n-0039", "n-0040 leads from then on")]
    # Over three sites, the leader's in the middle: without its own site a commit takes longest.
    west = {node: (commit, arguments.split("; ")) for node, commit, arguments in rows if node > "n-0100"}
    assert {node: commit for node, (commit, _) in west.items()} == {
        "n-0137": "6.0",
        "n-0136": "7.0",
        "n-0135": "12.0",
    }
    assert all(arguments[0] == "snapshot first" for _, arguments in west.values())
    assert west["n-0135"][1][1:] == [
        "n-0136 leads from then on",
        "meanwhile the loss of bos or iad or the link bos-iad would stop it",
    ]
    assert "edge-1/etcd has 1 voter and can spare 0: it stands still while n-0209 reboots" in planned

    plan = json.loads(fleet("plan", "show", "-o", "json"))["plan_id"]
    watched = fleet("rollout", "start", plan, "--watch", code=3)
    for node, other in (("east/n-0039", "n-0040"), ("west/n-0135", "n-0136")):
        moved = watched.index(f"{node} handing over leadership: {other} leads")
        assert moved < watched.index(f"{node} reboot")
    assert watched.count("done in") == 6

    status = fleet("status")
    assert "Quorum: east/etcd, 3 of 3 voters healthy, 2 needed, n-0040 leads" in status
    gone = "Quorum: edge-3/etcd, 0 of 1 voters healthy, 1 needed; not read: cluster edge-3 is unreachable"
    assert gone in status
    assert "cluster edge-3 is unreachable" in fleet("explain", "n-0409")
    fleet("rollout", "abort")
    assert "aborted" in fleet("rollout", "status", "--watch")
    wait_for_new_children(before)


def test_demo_replaces_nothing_but_an_earlier_demo(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    (mine / "simulated").mkdir(parents=True)
    (mine / "fleet.yaml").write_text(POLICY)
    with pytest.raises(UsageError, match="has no demo"):
        prepare(mine, SPEED)
    policy = prepare(tmp_path / "demo", SPEED).policy_file
    prepare(policy.parent, SPEED)
    for changed in (b"\xff", (POLICY + "# mine\n").encode()):
        policy.write_bytes(changed)
        with pytest.raises(UsageError, match="was changed since the demo wrote it"):
            prepare(policy.parent, SPEED)
    assert policy.read_text().endswith("# mine\n") and (mine / "fleet.yaml").exists()
    assert (policy.parent / "fleet.db").exists()
