"""ostree's status, as text and as JSON: what boots next, what is locked, and irrelevant lines."""

from __future__ import annotations

import asyncio

import pytest

from fleet.core.releases.release import Release
from fleet.machines.errors import MachineError
from fleet.machines.families import ostree
from fleet.machines.families.ostree import Ostree
from tests.unit.machines import recorded
from tests.unit.machines.fakehost import FakeHost

BOOTED = Release("43.1", "sha256:4fc80f14d5ee2160004e3252080226f8f1d6f6ad4d8d7024b4198584c23afaa6")
NEXT = Release("43.2", "sha256:7eac0cbeafe2973079d5edb4457839054af3c1bb8ea09678c92bcf022eea2ca9")


def test_notes_follow_one_another() -> None:
    status = ostree.parse(recorded.OSTREE_SOFT_REBOOT)
    assert (status.booted.release, status.booted.refspec) == (BOOTED, "fedora:fedora/43/x86_64/silverblue")
    assert status.staged is not None and status.staged.release == NEXT


@pytest.mark.parametrize("notes", ["(finalization locked)", "(finalization locked) (soft-reboot)"])
def test_locked_deployment_does_not_boot_next(notes: str) -> None:
    status = ostree.parse(recorded.OSTREE_SOFT_REBOOT.replace("(staged) (soft-reboot)", notes))
    assert status.staged is None
    assert status.locked is not None and status.locked.release == NEXT


def test_json_has_the_same() -> None:
    status = ostree.parse(recorded.OSTREE_JSON)
    assert (status.booted.release, status.staged) == (BOOTED, None)
    assert status.locked is not None and status.locked.release == NEXT
    assert status.locked.origin_file.endswith(f"/fedora/deploy/{NEXT.digest[7:]}.0.origin")
    unlocked = ostree.parse(recorded.OSTREE_JSON.replace('"finalization-locked": true', '"later": [1]'))
    assert unlocked.staged is not None and unlocked.staged.release == NEXT


def test_deployment_behind_a_locked_one_boots_next() -> None:
    pending = f"  fedora {'5' * 64}.1 (pending)\n    Version: 43.0\n"
    locked = recorded.OSTREE_SOFT_REBOOT.replace("(staged) (soft-reboot)", "(finalization locked)")
    status = ostree.parse(locked.replace("* fedora", f"{pending}* fedora"))
    assert status.staged is not None and status.staged.version == "43.0"


@pytest.mark.parametrize(
    "line",
    [
        "** (process:12): WARNING **: the remote is gone",
        "    Unlocked: later",
        "    x509: something",
        "odd",
        "    Commit: " + "6" * 64 + ".0",
    ],
)
def test_unrelated_line_is_ignored(line: str) -> None:
    for text in (f"{line}\n{recorded.OSTREE_VERSIONS}", f"{recorded.OSTREE_VERSIONS}{line}\n"):
        assert ostree.parse(text) == ostree.parse(recorded.OSTREE_VERSIONS)


@pytest.mark.parametrize(
    "line",
    [
        f"  torizon {'6' * 64}.0 (quarantined)",
        f"  torizon {'6' * 64}.0 (staged) (quarantined)",
        f"! torizon {'6' * 64}.0",
        f"  {'6' * 64}.0",
    ],
)
def test_invalid_deployment_is_refused_with_its_line(line: str) -> None:
    with pytest.raises(MachineError) as refused:
        ostree.parse(f"{line}\n{recorded.OSTREE_VERSIONS}")
    assert line in refused.value.message


class LockedBox(FakeHost):
    """An OSTree host where another party has staged a deployment and locked it; with or without --json."""

    def __init__(self, knows_json: bool) -> None:
        super().__init__()
        self.knows_json = knows_json
        self.locked = True
        self.asked: list[tuple[str, ...]] = []
        self.programs["ostree"] = self._ostree

    def boot(self) -> None:
        super().boot()
        self.booted_new = not self.locked

    booted_new = False

    def _ostree(self, argv: tuple[str, ...]) -> tuple[int, str, str]:
        match argv:
            case ("admin", "status", "--json") if not self.knows_json:
                return 1, "", "error: Unknown option --json"
            case ("admin", "status", "--json"):
                text = recorded.OSTREE_JSON
                return 0, text if self.locked else text.replace('-locked": true', '-locked": false'), ""
            case ("admin", "status"):
                note = "(finalization locked)" if self.locked else "(staged)"
                return 0, recorded.OSTREE_SOFT_REBOOT.replace("(staged) (soft-reboot)", note), ""
            case ("admin", "config-diff"):
                return 0, "", ""
        self.asked.append(argv)
        self.locked = False
        return 0, "", ""


@pytest.mark.parametrize("knows_json", [True, False])
def test_locked_deployment_is_unlocked_on_request(knows_json: bool) -> None:
    async def story() -> None:
        box = LockedBox(knows_json)
        machine = Ostree(box)
        assert (await machine.observe()).boots_next() == BOOTED
        await machine.stage(NEXT, lambda _: None)
        assert box.asked == [("admin", "lock-finalization", "--unlock")]
        assert (await machine.observe()).boots_next() == NEXT
        box.next_root = True
        await machine.reboot()
        assert (box.booted_new, (await machine.observe()).boot_id) == (True, "boot-2")

    asyncio.run(story())


def test_other_release_than_the_locked_one_is_staged() -> None:
    box = LockedBox(knows_json=True)
    other = Release("44.0", f"sha256:{'6' * 64}")
    asyncio.run(Ostree(box).stage(other, lambda _: None))
    assert box.asked == [("admin", "upgrade", f"--override-commit={'6' * 64}", "--allow-downgrade")]
