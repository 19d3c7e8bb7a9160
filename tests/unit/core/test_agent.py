"""What an agent does next depends on which release it has: by the one function, on real and on simulated machines."""

from __future__ import annotations

import pytest

from fleet.core.agent import MachineView, ReportWork, StartWork, decide_work, proves_boot, rolled_back
from fleet.core.objects.machine import Ask, Machine, Request, Work
from fleet.core.releases.release import Release
from fleet.machines.families.family import Observation
from tests.releases import PAIRS, Pair

OTHER = Release("0", "sha256:00")


def seen(
    kind: type, booted: Release, staged: Release | None = None, rollback: Release | None = None
) -> MachineView:
    if kind is Machine:
        return Machine("n-1", booted=booted, staged=staged, rollback=rollback, boot_id="b-1")
    return Observation("bootc", booted, "b-1", "6.1", staged, rollback)


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.why)
@pytest.mark.parametrize("kind", [Machine, Observation])
def test_agent_decides_by_same_release(kind: type, pair: Pair) -> None:
    stage, reboot, back = (Request(ask, "t", pair.wanted) for ask in (Ask.STAGE, Ask.REBOOT, Ask.ROLLBACK))
    word = decide_work(stage, None, seen(kind, pair.found))
    if pair.same:
        assert isinstance(word, ReportWork) and (word.work.state, word.work.message) == (
            "done",
            "was booted already",
        )
    else:
        assert isinstance(word, StartWork)
    for request, there in (
        (reboot, seen(kind, OTHER, staged=pair.found)),
        (back, seen(kind, OTHER, rollback=pair.found)),
    ):
        word = decide_work(request, None, there)
        if pair.same:
            assert isinstance(word, StartWork)
        else:
            assert isinstance(word, ReportWork) and word.work.state == "failed"


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.why)
def test_boot_is_proven_or_rolled_back_by_same_release(pair: Pair) -> None:
    request, before, after = Request(Ask.REBOOT, "t", pair.wanted), Work("t", "working"), Work("t", "done")
    there = seen(Observation, pair.found)
    assert proves_boot(request, before, after, there) is pair.same
    assert rolled_back(request, before, after, there) is not pair.same
