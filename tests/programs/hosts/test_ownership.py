"""Two fleets whose inventories name the same host: the first that acts owns it, until a user gives it to the
other."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from fleet.app.inventory.clusters import claim
from fleet.app.wiring.home import Home
from fleet.app.wiring.sources.hosts import claim_of
from fleet.cli.main import run
from fleet.core.guards import nodes
from fleet.core.records.errors import UsageError
from fleet.core.rollout.action import Cordon, Result, Stage
from fleet.core.third_parties.notice import of_node
from fleet.hosts import ownership
from fleet.hosts.cluster import HostClaim
from fleet.hosts.ownership import Claim
from fleet.lab.simulation.builders import START
from fleet.machines.local import Local
from fleet.store import ClusterRow
from tests.programs.hosts.boxes import NEW, Site
from tests.programs.hosts.test_cluster import ActionSender, on_stage
from tests.unit.app.homes import a_home

ADA, BOB = Claim("f-1", "ada@desk (home /a)"), Claim("f-2", "bob@desk (home /b)")


def two_sites(folder: Path) -> tuple[Site, Site]:
    for name in ("a", "b"):
        (folder / name).mkdir()
    ada, bob = Site(folder / "a", 1), Site(folder / "b", 1)
    bob.boxes = ada.boxes
    ada.own, bob.own = ADA, BOB
    return ada, bob


async def staged(sender: ActionSender, token: str) -> tuple[Result, str]:
    outcome = await sender(Stage, token=token, release=NEW)
    return outcome.result, outcome.detail


def test_first_fleet_that_acts_owns_the_host_and_the_other_is_refused(tmp_path: Path) -> None:
    ada, bob = two_sites(tmp_path)

    async def scenario() -> None:
        async with on_stage(ada) as first, on_stage(bob) as second:
            assert ownership.PATH not in ada.boxes["n-0"].files, "who only looks claims nothing"
            assert (await staged(first, "r-1/n-0/stage/0"))[0] is Result.DONE
            result, message = await staged(second, "r-1/n-0/stage/1")
            assert result is Result.FAILED
            assert message == f"{ADA.message}: stop the other one first, then fleet cluster claim shop"
            assert (await second(Cordon)).result is Result.FAILED
            await second.sight.until(lambda: second.sight.nodes["n-0"].foreign_cordon, "it is seen")
            node, machine = second.sight.nodes["n-0"], second.sight.machines["n-0"]
            held = nodes.held("n-0", node.uid, node, machine, "r-1", list(of_node(node)), START)
            assert held is not None and ADA.message in held.message
            assert held.remedy == "stop it there, then: fleet cluster claim"
            assert not first.sight.nodes["n-0"].foreign_cordon

            assert await second.cluster.claim() == {"n-0": HostClaim(f"taken over from {ADA.by}")}
            assert await second.cluster.claim() == {"n-0": HostClaim("was claimed already")}
            await second.sight.until(lambda: not second.sight.nodes["n-0"].foreign_cordon, "it is ours")
            assert (await staged(second, "r-1/n-0/stage/2"))[0] is Result.DONE
            assert (await staged(first, "r-1/n-0/stage/3"))[0] is Result.FAILED

    asyncio.run(asyncio.wait_for(scenario(), 60))


def test_of_two_concurrent_claims_one_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The very script, by a real shell."""
    script = ownership.TAKE.replace("/var/lib/fleet", str(tmp_path / "fleet"))

    async def one(own: str) -> str:
        ran = await Local().run(("sh", "-c", script, "sh", own, ""))
        assert ran.succeeded, ran.message
        return ran.stdout.strip()

    async def scenario() -> None:
        reported = await asyncio.gather(*(one(f"fleet-{number}") for number in range(12)))
        assert len(set(reported)) == 1
        over = await Local().run(("sh", "-c", script, "sh", "another", "over"))
        assert over.stdout == "another\n"
        assert [each.name for each in (tmp_path / "fleet").iterdir()] == ["claim"]

    asyncio.run(scenario())


def test_claim_that_fleet_did_not_write_counts_as_anothers() -> None:
    assert ownership.parse("") is None
    found = ownership.parse("hands off\n")
    assert found is not None and found.fleet == "" and ownership.PATH in found.message


def test_fleet_is_identified_by_its_database_and_clusters_are_not_claimed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = a_home(tmp_path / "home")
    assert claim_of(home) == claim_of(Home(home.path))
    assert claim_of(home).fleet != claim_of(a_home(tmp_path / "other")).fleet
    with pytest.raises(UsageError, match="its Lease names its owner"):
        claim(home, "east", "")
    hosts = tmp_path / "hosts.yaml"
    hosts.write_text("hosts: [{name: till-1, address: 127.0.0.1, user: root, port: 1}]\n")
    home.store.clusters.add(ClusterRow(name="tills", sites=("fra",), kind="hosts", kubeconfig=str(hosts)))
    assert run(["--home", str(home.path), "cluster", "claim", "tills", "--reason", "moved"]) == 1
    assert "till-1: not claimed: " in capsys.readouterr().out
    record = list(home.store.journal.entries())[-1].record
    assert (record.kind, record.detail) == ("claim", {"cluster": "tills", "reason": "moved"})
