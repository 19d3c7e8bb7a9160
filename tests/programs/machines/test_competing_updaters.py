"""Which other programs upgrade or reboot a machine: the real script, run by a shell of this machine, over fake files
and units."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from fleet.machines import competing_updaters
from fleet.machines.competing_updaters import CompetingUpdater
from fleet.machines.errors import MachineError

SYSTEMCTL = """#!/bin/sh
cd {folder} || exit 1
case $1 in
is-active)
  shift
  test -e odd && cat odd && exit 3
  for unit in "$@"; do cat "state.$unit" 2>/dev/null || echo inactive; done ;;
show) echo "TriggeredBy=$(cat "triggers.$2" 2>/dev/null)" ;;
esac
exit 3
"""


class Machine:
    """Its files, and a systemctl that knows its units."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        self.bin = folder / "bin"
        for made in (self.root / "proc/1", self.bin):
            made.mkdir(parents=True)
        self.write("proc/1/comm", "systemd\n")
        (self.bin / "systemctl").write_text(SYSTEMCTL.format(folder=folder))
        (self.bin / "systemctl").chmod(0o755)

    def write(self, path: str, text: str) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def unit(self, name: str, state: str = "active") -> None:
        (self.bin.parent / f"state.{name}").write_text(f"{state}\n")

    def look(self) -> tuple[CompetingUpdater, ...]:
        ran = subprocess.run(
            ("sh", "-c", competing_updaters.script(), "others.sh", str(self.root)),
            env={"PATH": f"{self.bin}:/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=False,
        )
        if ran.returncode != 0:
            raise MachineError(ran.stderr)
        assert ran.stderr == ""
        return competing_updaters.parse(ran.stdout)

    @property
    def message(self) -> str:
        return "\n".join(each.message for each in self.look())


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_healthy_machine_has_no_other_updaters(machine: Machine) -> None:
    assert machine.look() == ()


@pytest.mark.parametrize(
    "unit",
    [
        *("zincati.service", "locksmithd.service", "bootc-fetch-apply-updates.timer", "uupd.timer"),
        *("transactional-update.timer", "rebootmgr.service", "rauc-hawkbit-updater.service"),
        *("aktualizr.service", "aktualizr-torizon.service", "aktualizr-lite.service", "os-update.timer"),
        *("mender-client.service", "mender-updated.service"),
        *("eos-autoupdater.timer", "systemd-sysupdate-reboot.timer", "ublue-update.timer"),
    ],
)
def test_active_updater_unit_is_named_with_the_command_that_disables_it(machine: Machine, unit: str) -> None:
    machine.unit(unit)
    (found,) = machine.look()
    assert found.kind == "unit"
    assert found.message.endswith(f"({unit} is active): systemctl disable --now {unit}")


@pytest.mark.parametrize(
    "unit",
    ["rpm-ostreed-automatic.service", "bootc-fetch-apply-updates.service", "transactional-update.service"],
)
def test_update_in_progress_is_waited_for_whoever_started_it(machine: Machine, unit: str) -> None:
    machine.unit(unit, "activating")
    assert machine.message.endswith(f"({unit} is active): wait until it has ended")


def test_inactive_unit_is_no_updater_and_a_restarting_one_is(
    machine: Machine,
) -> None:
    for state in ("inactive", "failed", "deactivating", "unknown", "maintenance"):
        machine.unit("locksmithd.service", state)
        assert machine.look() == ()
    # As long as it does not find update-engine, which flatcar-update unmasks.
    machine.unit("locksmithd.service", "activating")
    assert "locksmithd.service" in machine.message


CONFIGURED = [
    # (unit, file, a setting with which it does no harm, one with which it does, what its words name)
    (
        "rpm-ostreed-automatic.timer",
        "etc/rpm-ostreed.conf",
        "[Daemon]\n#AutomaticUpdatePolicy=stage\nAutomaticUpdatePolicy=check\n",
        "[Daemon]\nAutomaticUpdatePolicy=stage\n",
        "AutomaticUpdatePolicy=stage",
    ),
    (
        "rebootmgr.service",
        "etc/rebootmgr.conf",
        "[rebootmgr]\nstrategy=off\n",
        "[rebootmgr]\nstrategy=best-effort\n",
        "rebootmgr",
    ),
    (
        "swupdate.service",
        "etc/swupdate/conf.d/args",
        "SWUPDATE_ARGS=-v\n",
        "SWUPDATE_SURICATTA_ARGS=1\nsuricatta\n",
        "suricatta",
    ),
    (
        "apt-daily-upgrade.timer",
        "etc/apt/apt.conf.d/50unattended-upgrades",
        '//Unattended-Upgrade::Automatic-Reboot "true";\nUnattended-Upgrade::Automatic-Reboot "false";\n',
        'Unattended-Upgrade::Automatic-Reboot "true";\n',
        'Automatic-Reboot "false" there',
    ),
    (
        "apt-daily-upgrade.timer",
        "etc/apt/apt.conf.d/52mine",
        'Unattended-Upgrade::Automatic-Reboot "0";\nUnattended-Upgrade::Automatic-Reboot-Time "02:00";\n',
        'Unattended-Upgrade {\n  Automatic-Reboot "1";\n  Automatic-Reboot-Time "02:00";\n};\n',
        'Automatic-Reboot "false" there',
    ),
    (
        "dnf-automatic.timer",
        "etc/dnf/automatic.conf",
        "[commands]\nreboot = never\n",
        "[commands]\nreboot = when-needed\nreboot_command = x\n",
        "reboot = when-needed",
    ),
    ("snapd.service", "etc/os-release", "ID=ubuntu\n", "ID=ubuntu-core\n", "snap refresh --hold"),
]


@pytest.mark.parametrize(("unit", "file", "harmless", "harmful", "named"), CONFIGURED)
def test_unit_that_is_harmful_by_a_setting_is_judged_by_it(
    machine: Machine, unit: str, file: str, harmless: str, harmful: str, named: str
) -> None:
    machine.unit(unit)
    machine.write(file, harmless)
    assert machine.look() == ()
    machine.write(file, harmful)
    assert named in machine.message


@pytest.mark.parametrize("unit", ["rpm-ostreed-automatic.timer", "apt-daily-upgrade.timer", "snapd.service"])
def test_missing_setting_means_its_default(machine: Machine, unit: str) -> None:
    machine.unit(unit)
    assert machine.look() == ()


def test_hawkbit_reports_whether_it_reboots(machine: Machine) -> None:
    machine.unit("rauc-hawkbit-updater.service")
    machine.write("etc/rauc-hawkbit-updater/config.conf", "[client]\npost_update_reboot = true\n")
    assert "it reboots too" in machine.message


ZINCATI = [
    ({"etc/zincati/config.d/90-off.toml": "[updates]\nenabled = false\n"}, False),
    ({"etc/zincati/config.d/90-off.toml": "[agent]\nenabled = false\n[updates]\nstrategy = 'x'\n"}, True),
    ({"etc/zincati/config.d/90-off.toml": "updates.enabled = false # for fleet\n"}, False),
    (
        {
            "usr/lib/zincati/config.d/10-a.toml": "[updates]\nenabled = false\n",
            "etc/zincati/config.d/20-b.toml": "[updates]\nenabled = true\n",
        },
        True,
    ),
    (
        {
            "usr/lib/zincati/config.d/50-updates.toml": "[updates]\nenabled = true\n",
            "etc/zincati/config.d/50-updates.toml": "[updates]\nenabled = false\n",
        },
        False,
    ),
    ({"etc/zincati/config.d/90-off.toml.bak": "[updates]\nenabled = false\n"}, True),
]


@pytest.mark.parametrize(("files", "updates"), ZINCATI)
def test_zincati_with_updates_disabled_is_ignored(
    machine: Machine, files: dict[str, str], updates: bool
) -> None:
    machine.unit("zincati.service")
    for path, text in files.items():
        machine.write(path, text)
    assert bool(machine.look()) is updates


def test_sysupdate_of_extensions_is_no_updater_of_the_system(machine: Machine) -> None:
    machine.unit("systemd-sysupdate.timer")
    machine.write("etc/sysupdate.kubernetes.d/kubernetes.conf", "[Transfer]\n")
    machine.write("usr/lib/sysupdate.d/noop.conf", "[Source]\n")
    assert machine.look() == ()
    machine.write("etc/sysupdate.d/os.transfer", "[Transfer]\n")
    assert "systemd-sysupdate upgrades" in machine.message


def test_custom_timer_that_reboots_is_named(machine: Machine) -> None:
    (machine.bin.parent / "triggers.reboot.target").write_text("nightly.timer\n")
    assert machine.look() == ()
    machine.unit("nightly.timer")
    assert machine.message == (
        "nightly.timer starts reboot.target by itself: systemctl disable --now nightly.timer"
    )


@pytest.mark.parametrize("process", ["kured", "update-agent"])
def test_pod_that_reboots_its_node_is_known_by_its_process(machine: Machine, process: str) -> None:
    machine.write("proc/4711/comm", f"{process}\n")
    (found,) = machine.look()
    assert found.kind == "pod"
    assert process in found.message and "DaemonSet" in found.message
    machine.write("proc/4711/comm", f"not-{process}\n")
    assert machine.look() == ()


# As systemd 252 and 257 write it: src/login/logind-dbus.c, update_schedule_file, at these versions.
SCHEDULES = [
    (
        "USEC=1796000000000000\nWARN_WALL=1\nMODE=reboot\n",
        "a reboot is scheduled for 2026-11-30T00:53:20Z by an unknown user: wait",
    ),
    (
        "USEC=1796000000123456\nWARN_WALL=1\nMODE=reboot\nUID=1000\nTTY=pts/0\nWALL_MESSAGE=new\\x20disk \n",
        "a reboot is scheduled for 2026-11-30T00:53:20Z by ann on pts/0 (new\\x20disk ): wait",
    ),
    ("USEC=1796000000000000\nMODE=kexec\nUID=7\n", "a reboot by kexec is scheduled for"),
    ("USEC=1796000000000000\nMODE=soft-reboot\nUID=7\n", "a soft reboot is scheduled for"),
    ("USEC=1796000000000000\nMODE=poweroff\nUID=0\n", "a power-off is scheduled for"),
    (
        "USEC=1796000000000000\nMODE=factory-reset\nUID=4294967295\n",
        "a shutdown (factory-reset) is scheduled",
    ),
    ("USEC=soon\nMODE=reboot\n", "a reboot is scheduled for an unknown time by an unknown user"),
    ("", "a shutdown () is scheduled for an unknown time by an unknown user"),
]


@pytest.mark.parametrize(("text", "message"), SCHEDULES)
def test_scheduled_reboot_is_reported_with_its_time_and_owner(
    machine: Machine, text: str, message: str
) -> None:
    machine.write("etc/passwd", "root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\n")
    machine.write("run/systemd/shutdown/scheduled", text)
    (found,) = machine.look()
    assert found.kind == competing_updaters.SCHEDULED
    assert found.message.startswith(message)
    assert found.message.endswith("shutdown -c")


@pytest.mark.parametrize("text", ["Failed to connect to bus: No such file or directory\n", "active\n"])
def test_systemd_without_an_answer_does_not_count_as_idle(machine: Machine, text: str) -> None:
    (machine.bin.parent / "odd").write_text(text)
    with pytest.raises(MachineError, match=r"does not report which units are active"):
        machine.look()


def test_unknown_state_is_refused_by_name(machine: Machine) -> None:
    machine.unit("zincati.service", "hibernating")
    with pytest.raises(MachineError, match=r"zincati\.service.*not known: hibernating"):
        machine.look()


def test_machine_without_a_process_list_does_not_count_as_one_without_pods(machine: Machine) -> None:
    (machine.root / "proc/1/comm").unlink()
    with pytest.raises(MachineError, match=r"has no process"):
        machine.look()


@pytest.mark.parametrize("text", ["", "unit\tx\n", "end\nmore\n", "odd\tx\nend\n", "unit\nend\n"])
def test_incomplete_answer_is_refused(text: str) -> None:
    with pytest.raises(MachineError, match="was interrupted"):
        competing_updaters.parse(text)
