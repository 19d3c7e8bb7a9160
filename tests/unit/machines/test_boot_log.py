"""The log of the boot before this one: of the right boot, bounded, and without secrets."""

from __future__ import annotations

import asyncio

import pytest

from fleet.cli.main import run
from fleet.core.objects.machine import LOG_MOST
from fleet.machines.agent.boot_log import JournalctlBootLog, parse_boots
from fleet.machines.errors import MachineError
from tests.unit.machines.fakehost import FakeHost

BOOTS = ("a" * 32, "b" * 32, "c" * 32)
# The two shapes of `journalctl --list-boots`: up to systemd 253, and since 254 with a head.
OLD = "".join(
    f"{number - 2:>2} {boot} Mon 2026-11-23 10:00:00 UTC—Mon 2026-11-23 11:00:00 UTC\n"
    for number, boot in enumerate(BOOTS)
)
NEW = "IDX BOOT ID                          FIRST ENTRY                 LAST ENTRY\n" + OLD


class Logged(FakeHost):
    def __init__(self, boots: str, log: str = "") -> None:
        super().__init__()
        self.programs["journalctl"] = lambda argv: (0, boots if "--list-boots" in argv else log, "")

    def last(self, unit: str = "", known: str = "") -> str:
        return asyncio.run(JournalctlBootLog(self).last_boot(unit, known=known))


@pytest.mark.parametrize("text", [OLD, NEW])
def test_previous_boot_is_named_by_its_id(text: str) -> None:
    host = Logged(text, "Failed to start x.service\n")
    assert host.last("x.service") == "Failed to start x.service\n"
    assert f"--boot={BOOTS[1]}" in host.ran[-1] and "--unit=x.service" in host.ran[-1]


def test_failed_boot_without_a_log_is_not_mistaken_for_the_one_before() -> None:
    known = f"{'b' * 8}-{'b' * 4}-{'b' * 4}-{'b' * 4}-{'b' * 12}"
    assert Logged(OLD, "old\n").last(known=known).startswith("(the boot that failed has left no log")


def test_volatile_journal_is_reported_with_a_remedy() -> None:
    with pytest.raises(MachineError, match="mkdir /var/log/journal"):
        Logged(f" 0 {BOOTS[0]} Mon\n").last()


def test_last_complete_lines_are_kept_without_secrets() -> None:
    reported = Logged(OLD, "".join(f"line {number} password=geheim\n" for number in range(2000))).last()
    assert len(reported) <= LOG_MOST
    assert reported.startswith("line ") and reported.endswith("line 1999 password=[hidden]\n")


def test_invalid_output_is_refused() -> None:
    with pytest.raises(MachineError, match="no such thing"):
        parse_boots("no such thing")
    with pytest.raises(MachineError, match="is not the name of a unit"):
        Logged(OLD).last("--file=/etc/shadow")


def test_command_of_an_unsupported_request_reports_the_remedy(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["node", "logs", "n-1"]) == 2
    assert "fleet node logs n-1 --last-boot" in capsys.readouterr().err
    assert run(["node", "logs", "n-1", "--last-boot", "--host", "telepathy"]) == 2
    assert "telepathy" in capsys.readouterr().err
