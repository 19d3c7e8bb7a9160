"""`fleet schedule list`: what happens next, when and why, with and without a controller."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from fleet.app.planning.plans import plan
from fleet.app.rollouts.start import start
from fleet.app.schedule.listing import schedule
from fleet.app.wiring.home import Home
from fleet.cli.main import run
from fleet.cli.views.windows.schedule import schedule_text
from fleet.core.jobs.job import Job, JobState, begun, ended
from fleet.core.jobs.repeat import PeriodEnd, RepeatInterval
from fleet.core.policy.gate import HttpGate, OperatorGate, SoakGate
from fleet.core.policy.policy import Policy
from fleet.core.policy.schedule import Schedules
from fleet.core.policy.times.freeze import Freeze, FreezeScope
from fleet.core.policy.times.window import Window
from fleet.core.records.identity import Identity
from fleet.core.reporting.ahead.fleet_schedule import FleetSchedule, ScheduledPlace, fleet_schedule
from fleet.core.reporting.approvals import ApprovalEntry
from fleet.core.rollout.decisions import GateReached
from fleet.core.rollout.goal import Start
from fleet.core.rollout.rollout import Rollout
from fleet.core.rollout.stages.gate_state import POOL, GatePoint
from fleet.lab.simulation.builders import NEW, START, a_policy, a_pool
from fleet.system.clock import WallClock
from tests.golden import GoldenFiles
from tests.unit.app.homes import POLICY, a_home
from tests.unit.app.test_approvals import fresh_of

NOW = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)  # a Monday
HOUR = timedelta(hours=1)
BERLIN = "Europe/Berlin"


def a_job(name: str = "calendars") -> Job:
    repeat = RepeatInterval(3600) if name == "calendars" else PeriodEnd("quarter")
    return Job(name, "reads 2 calendars again (schedule.calendars)", repeat, lambda run: "")


def places(policy: Policy) -> list[ScheduledPlace]:
    schedules = Schedules(policy)
    return [
        ScheduledPlace("web", cluster, schedules.of("web", cluster, site), "rollout r-1 has 3 nodes to start")
        for cluster, site in (("east", "fra"), ("west", "ams"))
    ]


def of_windows(policy: Policy, now: datetime = NOW) -> list[tuple[str, str, datetime | None]]:
    found = fleet_schedule(now, "c", [], places(policy), [], [])
    return [(each.kind, each.subject, each.at) for each in found.events]


def night(**changes: object) -> Policy:
    window = Window((5,), time(1), time(5), BERLIN)
    return replace(Policy((a_pool("web", windows=(window,)),)), **changes)


def test_next_opening_of_clusters_with_the_same_windows_is_one_event() -> None:
    opens = datetime(2026, 12, 5, tzinfo=UTC)
    assert of_windows(night()) == [("window-opens", "pool web in east, west", opens)]
    assert of_windows(night(), opens + HOUR) == [
        ("window-closes", "pool web in east, west", opens + 4 * HOUR)
    ]


def test_freeze_is_an_event_of_its_part_alone() -> None:
    freeze = Freeze("sale", NOW + HOUR, NOW + 2 * HOUR, FreezeScope(sites=("fra",)))
    found = of_windows(Policy((a_pool("web"),), freezes=(freeze,)))
    assert found == [
        ("freeze-begins", "pool web in east", NOW + HOUR),
        ("freeze-ends", "pool web in east", NOW + 2 * HOUR),
    ]
    assert (
        of_windows(Policy((a_pool("web"),), freezes=(replace(freeze, begin=NOW - HOUR),)))[0][0]
        == "freeze-ends"
    )


def test_pool_without_windows_and_freezes_has_no_event() -> None:
    assert of_windows(Policy((a_pool("web"),))) == []


def test_calendar_that_was_never_read_opens_at_no_known_time() -> None:
    assert of_windows(Policy((a_pool("web", unread=("windows[0]",)),))) == [
        ("window-opens", "pool web in east, west", None)
    ]


def test_job_has_its_next_time_and_what_came_of_the_last_run() -> None:
    job = a_job()
    state = ended(begun(job, JobState("calendars", NOW - 7 * HOUR), NOW - HOUR / 2), NOW, "done", "2 read")
    (event,) = fleet_schedule(NOW, "c", [(job, state)], [], [], []).events
    assert event.at == NOW + HOUR / 2
    assert event.last is not None
    assert (event.last.due, event.last.missed, event.last.outcome) == (NOW - 7 * HOUR, 6, "done")


def gated() -> Rollout:
    gates = (
        SoakGate(name="soak", for_seconds=3600),
        OperatorGate(name="look"),
        HttpGate(name="shop", url="http://shop", timeout_seconds=1800),
    )
    policy = a_policy(a_pool("web", gates=gates))
    rollout = Rollout("r-1", Start("p-1", NEW, policy, ()), NOW, "ada")
    rollout.apply(GateReached(rollout="r-1", point=GatePoint(POOL, "web")), NOW, "c")
    return rollout


def test_gates_end_by_their_time_or_wait_for_an_operator() -> None:
    events = fleet_schedule(NOW, "c", [], [], [], [gated()]).events
    assert [(each.subject.split()[1], each.at) for each in events] == [
        ("shop", NOW + HOUR / 2),
        ("soak", NOW + HOUR),
        ("look", None),
    ]


def an_approval(state: str = "in force") -> ApprovalEntry:
    entry = ApprovalEntry("approval", NOW, Identity("grace", "os", "desk"), "p-9c41aaaa", "e-1", "ada")
    return replace(entry, state=state, expires=NOW + 7 * 24 * HOUR)


def test_approval_in_force_lapses_and_others_are_left_out() -> None:
    entries = [an_approval(), an_approval("expired"), an_approval("rejected")]
    (event,) = fleet_schedule(NOW, "c", [], [], entries, []).events
    assert (event.kind, event.at) == ("approval-lapses", NOW + 7 * 24 * HOUR)


def everything() -> FleetSchedule:
    freeze = Freeze("year end", NOW + 19 * 24 * HOUR, NOW + 34 * 24 * HOUR, FreezeScope(sites=("fra",)))
    job, report = a_job(), a_job("report quarter html")
    state = ended(
        begun(job, JobState("calendars", NOW - 7 * HOUR), NOW - HOUR), NOW - HOUR, "failed", "disk full"
    )
    jobs = [(job, state), (report, None)]
    return fleet_schedule(NOW, "", jobs, places(night(freezes=(freeze,))), [an_approval()], [gated()])


def test_list_is_read_by_operators(golden: GoldenFiles) -> None:
    golden.check(schedule_text(everything(), "fleet run").plain, "without-controller")
    golden.check(schedule_text(FleetSchedule(NOW, "controller-1", ()), "fleet run").plain, "nothing")


def test_list_fits_80_columns() -> None:
    assert max(map(len, schedule_text(everything(), "fleet run").plain.splitlines())) <= 80


@pytest.fixture
def home(tmp_path: Path) -> Home:
    policy = POLICY.replace(
        "    canaries: 0\n", "    canaries: 0\n    windows: [{days: sat, from: '01:00', to: '05:00'}]\n"
    )
    return a_home(tmp_path / "home", policy=f"{policy}schedule: {{reports: [{{every: quarter}}]}}\n")


def test_command_works_without_a_controller_and_says_that_none_leads(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    start(home, plan(home, ["workers"], NEW.version), fresh_of(home))
    assert run(["--home", str(home.path), "schedule", "list"]) == 0
    out = capsys.readouterr().out
    assert "No controller leads" in out and "run" in out
    assert run(["--home", str(home.path), "schedule", "list", "-o", "json"]) == 0
    found = msgspec.json.decode(capsys.readouterr().out, type=FleetSchedule)
    assert found == schedule(home) and found.leader == ""
    assert {(each.kind, each.subject) for each in found.events} == {
        ("job", "report quarter html"),
        ("window-opens", "pool workers in east"),
    }


def test_command_names_the_controller_that_leads(home: Home) -> None:
    home.store.lease.acquire("controller-1", at=WallClock().now(), seconds=60, abandoned=lambda holder: False)
    assert schedule(home).leader == "controller-1"


def test_pool_with_a_standing_policy_has_its_windows_in_the_list(home: Home) -> None:
    assert not [each for each in schedule(home).events if each.kind == "window-opens"]
    policy = home.policy_file.read_text()
    home.policy_file.write_text(policy.replace("    canaries: 0\n", "    canaries: 0\n    upgrade: auto\n"))
    (event,) = [each for each in schedule(home).events if each.kind == "window-opens"]
    assert event.at is not None and event.at > START and "upgrade: auto" in event.why


def test_windows_of_a_rollout_are_not_listed_again_for_the_standing_policy_of_its_pool(home: Home) -> None:
    policy = home.policy_file.read_text()
    home.policy_file.write_text(policy.replace("    canaries: 0\n", "    canaries: 0\n    upgrade: auto\n"))
    start(home, plan(home, ["workers"], NEW.version), fresh_of(home))
    (event,) = [each for each in schedule(home).events if each.kind == "window-opens"]
    assert "rollout r-1" in event.why
