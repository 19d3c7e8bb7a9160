"""The test bed itself: a machine boots a real OSTree deployment, upgrades, reboots into another one, and goes back."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet.lab.machines import LabMachines
from fleet.lab.machines.computer import cgroups
from tests.machines.host import Host

UPGRADE = "systemd-run --quiet --wait --unit=upgrade-test ostree admin upgrade"


@pytest.fixture(scope="module")
def host(machines: LabMachines) -> Host:
    found = Host(machines, "w1")
    found.wait_until_good()
    return found


def test_a_machine_boots_the_first_release_with_a_read_only_usr(host: Host) -> None:
    assert (host.version(), host.kernel()) == ("1.0", "6.1.0-lab1")
    assert host.booted() == host.machines.commits()["1.0"]
    assert host.run("touch /usr/mark 2>&1 || echo refused").endswith("refused")
    assert host.run("cat /etc/hostname; hostname").split() == ["w1", "w1"]


def test_it_upgrades_reboots_into_the_new_release_and_goes_back(host: Host) -> None:
    first = host.boot_id()
    host.run("echo kept >/etc/mark; echo kept >/var/mark")
    host.machines.publish("1.1")
    host.run(UPGRADE)
    assert (host.version(), host.boot_id()) == ("1.0", first), "staged, and still the old one runs"

    host.reboot()
    assert (host.version(), host.kernel()) == ("1.1", "6.1.0-lab2")
    assert host.booted() == host.machines.commits()["1.1"]
    assert host.run("cat /etc/mark /var/mark").split() == ["kept", "kept"]

    back = host.machines.commits()["1.0"]
    host.run(f"ostree admin upgrade --override-commit={back} --allow-downgrade")
    host.reboot()
    assert (host.version(), host.booted()) == ("1.0", back)
    assert len(host.run("journalctl --list-boots --quiet").splitlines()) >= 3, (
        "the journal of each boot is kept"
    )


def test_power_loss_while_a_deployment_is_written_leaves_the_old_one_bootable(host: Host) -> None:
    name, target = host.name, host.machines.commits()["1.2"]
    before = host.version()
    command = f"ostree admin upgrade --override-commit={target} --allow-downgrade"
    host.run(f"systemd-run --quiet --unit=cut-test {command}")
    host.machines.cut_power(name)
    assert not host.machines.is_on(name)
    host.machines.power_on(name)
    host.machines.wait_until_reachable(name)
    host.wait_until_good()
    assert host.version() in {before, "1.2"}
    host.run(f"systemd-run --quiet --wait --unit=again {command}")
    host.reboot()
    assert (host.version(), host.kernel()) == ("1.2", "6.12.0-lab1")


def test_another_process_finds_the_machines_and_stopping_them_leaves_nothing(
    may_run_machines: None, tmp_path: Path
) -> None:
    started = LabMachines.up(tmp_path / "m", ["x1"], tied=True, progress=print)
    found = LabMachines.load(tmp_path / "m")
    assert found.is_on("x1")
    assert found.run("x1", "hostname").stdout == "x1\n"
    container, bridge = found.all[0].container, found.all[0].bridge
    assert Path(f"/sys/class/net/{bridge}").exists()
    started.down()
    assert not found.is_on("x1")
    assert not (tmp_path / "m").exists()
    assert not Path(f"/sys/class/net/{bridge}").exists()
    assert not cgroups.of(container)
