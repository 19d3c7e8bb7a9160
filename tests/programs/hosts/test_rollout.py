"""A rollout over hosts without a cluster: out by their hooks, rebooted once, back; or halted, with why."""

from __future__ import annotations

from datetime import time, timedelta
from pathlib import Path

from msgspec.structs import replace

from fleet.core.policy.policy import Pool
from fleet.core.policy.times.window import Window
from fleet.core.records.reasons.reason import Reason
from fleet.core.releases.release import Release
from fleet.core.rollout.steps import RolloutState, Step
from tests.programs.hosts.boxes import NEW, NEW_ON_ARM, OLD
from tests.programs.hosts.home import BEGAN, POOL, Home


def a_rollout(folder: Path, count: int = 3, pool: Pool = POOL) -> Home:
    home = Home(folder, count, pool)
    home.start()
    return home


def test_every_host_runs_its_hooks_and_reboots_once(tmp_path: Path) -> None:
    home = a_rollout(tmp_path)
    home.run()
    assert {run.step for run in home.rollout.runs.values()} == {Step.DONE}
    boxes = home.site.boxes.values()
    assert [box.boots for box in boxes] == [2, 2, 2]
    assert [box.hooks for box in boxes] == [[f"out {box.name}", f"in {box.name}"] for box in boxes]
    rows = home.store.inventory.nodes()
    assert {row.machine.booted for row in rows if row.machine} == {NEW}


def test_hosts_of_two_architectures_boot_their_own_commit(tmp_path: Path) -> None:
    """There was one digest for a version, and so a pool could have one architecture alone."""
    both = Release("1.1", digests=(("amd64", NEW.digest), ("arm64", NEW_ON_ARM.digest)))
    home = Home(tmp_path, 3)
    home.site.boxes["n-1"].machine, home.site.boxes["n-2"].machine = "aarch64", "riscv64"
    home.start(release=both)
    home.run(until=lambda: home.done == 2 and "n-2" in home.held)
    booted = {name: f"sha256:{box.deployments[box.booted]}" for name, box in home.site.boxes.items()}
    assert booted == {"n-0": NEW.digest, "n-1": NEW_ON_ARM.digest, "n-2": OLD.digest}
    (why,) = home.store.held.of("r-1").values()
    assert [each.reason for each in why.held] == [Reason.ARCHITECTURE]


def test_hosts_go_only_in_the_windows_of_their_pool(tmp_path: Path) -> None:
    opens = BEGAN + timedelta(minutes=1)
    window = Window(days=(opens.weekday(),), start=opens.time(), end=time(13))
    home = a_rollout(tmp_path, count=1, pool=replace(POOL, windows=(window,)))
    home.run()
    entries = home.store.journal.entries()
    went = [each.at for each in entries if (each.record.form, each.record.kind) == ("intent", "cordon")]
    assert [at >= opens for at in went] == [True]
    box = home.site.boxes["n-0"]
    assert (box.boots, box.hooks) == (2, ["out n-0", "in n-0"])


def test_host_that_boots_the_old_deployment_halts_the_rollout(tmp_path: Path) -> None:
    home = a_rollout(tmp_path)
    home.site.boxes["n-0"].boots_new = False
    home.run()
    rollout = home.rollout
    assert rollout.state is RolloutState.HALTED
    assert "booted 1.0 instead of 1.1: rolled back" in rollout.why
    assert [box.boots for box in home.site.boxes.values()] == [2, 1, 1]
    assert home.site.boxes["n-0"].hooks == ["out n-0"], "it stays out of service until a person looks"


def test_unit_that_fails_in_the_new_release_halts_the_rollout(tmp_path: Path) -> None:
    home = a_rollout(tmp_path)
    home.site.boxes["n-0"].failed.append("old.service")
    home.site.boxes["n-0"].fails_after_boot = "shop.service"
    home.run()
    assert home.rollout.state is RolloutState.HALTED
    assert "shop.service has failed that had not before the reboot" in home.rollout.why


def test_hook_that_keeps_failing_fails_the_run_and_the_host_is_given_back(
    tmp_path: Path,
) -> None:
    home = a_rollout(tmp_path)
    home.site.boxes["n-0"].hook_fails["out"] = "still has customers"
    home.run()
    rollout = home.rollout
    assert rollout.state is RolloutState.HALTED
    assert "the hook before ended with 1: still has customers" in rollout.why
    box = home.site.boxes["n-0"]
    assert (box.boots, box.hooks) == (1, ["out n-0"] * 4 + ["in n-0"])


def test_unrecorded_host_that_is_down_is_waited_for(tmp_path: Path) -> None:
    """Found here: it counted as another machine under its name, and its run failed."""
    home = a_rollout(tmp_path, count=2)
    box = home.site.boxes["n-0"]

    def leave() -> None:
        box.down = True

    box.goes = leave
    home.run(until=lambda: box.down)
    for record in home.site.folder.glob("*.json"):
        record.unlink()
    home.run(until=lambda: home.held.get("n-0") == ["node n-0 is not Ready: n-0: connection refused"])
    box.down = False
    home.run()
    assert {run.step for run in home.rollout.runs.values()} == {Step.DONE}
    assert [each.boots for each in home.site.boxes.values()] == [2, 2]
