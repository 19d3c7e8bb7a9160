"""Lists what happens in the quarter. All else, every rollout of the workers and every halt, follows from it by the
policy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import partial

from fleet.app.demo.people import APPROVER, OPERATOR, SECURITY
from fleet.app.demo.stage import Act, DemoStage
from fleet.core.policy.policy import Policy
from fleet.core.policy.times.freezes import Freezes
from fleet.core.releases.release import Release
from fleet.simulated.quarter.releases import PUBLISHED

CONTROL = "control"


def acts(policy: Policy, begin: datetime, end: datetime) -> Sequence[Act]:
    """Returns the acts from `begin` until `end`, in their order."""
    found = [
        *(_publication(release) for release in PUBLISHED),
        *_control_planes(),
        *_failed_nodes(),
        *_freezes(policy, begin, end),
    ]
    return sorted((act for act in found if begin <= act.at < end), key=lambda act: act.at)


def _freezes(policy: Policy, begin: datetime, end: datetime) -> Iterator[Act]:
    """Yields the begin and end of each freeze, so that the story tells them."""
    for freeze in Freezes(policy.freezes, policy.freeze_calendars).during(begin, end):
        yield Act(freeze.begin, partial(_tell, f"{freeze.name} begins: nothing starts until it ends"))
        yield Act(freeze.until, partial(_tell, f"{freeze.name} ends"))


def _tell(text: str, stage: DemoStage) -> str:
    return text


def _publication(release: Release) -> Act:
    assert isinstance(release.released, datetime)
    return Act(release.released, partial(_publish, release))


def _publish(release: Release, stage: DemoStage) -> str:
    return stage.publish(release)


def _control_planes() -> Sequence[Act]:
    """Control planes need a second person. The last plan is approved so late that the freeze at the end of the year catches
    its rollout."""
    refusal = "database migration on Wednesday night; ask again on Thursday"
    audit = "the payment audit runs until 15 December"
    return (
        Act(_at(10, 13, 8, 30), lambda stage: stage.plan(CONTROL), OPERATOR),
        Act(_at(10, 13, 9, 10), lambda stage: stage.reject(CONTROL, refusal), APPROVER),
        Act(_at(10, 15, 8, 0), lambda stage: stage.approve_own(CONTROL), OPERATOR),
        Act(_at(10, 15, 8, 40), lambda stage: stage.approve(CONTROL, "change board of 15 October"), APPROVER),
        Act(_at(10, 15, 8, 45), lambda stage: stage.start(CONTROL), OPERATOR),
        Act(_at(11, 16, 9, 0), lambda stage: stage.plan(CONTROL), OPERATOR),
        Act(_at(11, 16, 10, 20), lambda stage: stage.approve(CONTROL, "for CVE-2026-44310"), SECURITY),
        Act(_at(11, 16, 10, 25), lambda stage: stage.start(CONTROL), OPERATOR),
        Act(_at(12, 8, 9, 0), lambda stage: stage.plan(CONTROL), OPERATOR),
        Act(_at(12, 8, 15, 30), lambda stage: stage.reject(CONTROL, audit), SECURITY),
        Act(
            _at(12, 16, 9, 0),
            lambda stage: stage.approve(CONTROL, "last chance before the year end"),
            SECURITY,
        ),
        Act(_at(12, 16, 9, 5), lambda stage: stage.start(CONTROL), OPERATOR),
    )


def _failed_nodes() -> Sequence[Act]:
    """Does what the operator does about failures."""
    disk = "disk replaced, three boots by hand without an error"
    unit = "app-gateway.service does not start with this release; reported to its publisher"
    return (
        Act(_at(10, 21, 13, 0), lambda stage: stage.repair()),
        Act(_at(10, 21, 13, 40), lambda stage: stage.release_failed(disk), OPERATOR),
        Act(_at(11, 9, 1, 10), lambda stage: stage.release_failed(unit), OPERATOR),
        Act(_at(11, 9, 1, 15), lambda stage: stage.abort_halted(unit), OPERATOR),
    )


def _at(month: int, day: int, hour: int, minute: int) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=UTC)
