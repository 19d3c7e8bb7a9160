"""Plans are approved by another person than their maker, and an approval lapses when the plan would differ."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from fleet.app.approvals.approve import approve, reject
from fleet.app.approvals.listing import approvals
from fleet.app.audit.export_verification import verify_file
from fleet.app.audit.signing import keygen
from fleet.app.planning.effects import hash_of, last_known_state
from fleet.app.planning.override import ensure_override_approved
from fleet.app.planning.plans import plan
from fleet.app.reporting.period import report_of_span
from fleet.app.reporting.report import report as make_report
from fleet.app.reporting.report import with_evidence
from fleet.app.rollouts.commands import send_command
from fleet.app.rollouts.rollouts import Rollouts
from fleet.app.rollouts.start import start
from fleet.app.wiring.home import Home
from fleet.app.wiring.refresh import refresh
from fleet.app.wiring.sources.simulated_clock import CLOCK
from fleet.cli.report import markdown, period_page, period_text
from fleet.cli.views.plan.approvals import plan_state
from fleet.core.approval.effect import effect_of
from fleet.core.cluster.snapshot import Snapshot
from fleet.core.planning.plan import Plan
from fleet.core.records.errors import HeldError, NotAllowedError, UsageError
from fleet.core.records.journal import JournalRecord
from fleet.core.reporting.period.deadline import PCI_DSS
from fleet.core.reporting.period.span import quarter_of
from fleet.core.rollout.goal import StartApproval
from fleet.lab.simulation.builders import NEW, a_node, a_snapshot
from fleet.model.behaviour import ClusterBehaviour
from fleet.simulated.clock import SimulatedClock
from fleet.simulated.cluster import create
from tests.unit.app.homes import POLICY, small_cluster
from tests.unit.app.users import ACCESS, a_home_with_users, acting


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return a_home_with_users(tmp_path / "home")


def planned(home: Home, by: str = "ada") -> Plan:
    with acting(home, by):
        return plan(home, ["workers"], NEW.version)


def approved(home: Home, made: Plan, by: str = "eve", **message: str) -> None:
    with acting(home, by):
        approve(home, made, fresh_of(home), **message)


def started(home: Home, made: Plan, by: str = "ada") -> str:
    with acting(home, by):
        return start(home, made, fresh_of(home)).rollout


def fresh_of(home: Home) -> Callable[[Sequence[str]], Sequence[Snapshot]]:
    def fresh(names: Sequence[str]) -> Sequence[Snapshot]:
        return refresh(home, names).fresh

    return fresh


def become(home: Home, snapshot: Snapshot) -> None:
    """Puts another state in the place of the cluster."""
    file = home.simulated / f"{snapshot.cluster}.json"
    file.unlink()
    create(file, snapshot, ClusterBehaviour(), 1, home.now(), "")


def later(home: Home, **after: float) -> None:
    """Sets the simulated clock forward."""
    SimulatedClock(home.now() + timedelta(**after), 60.0, home.simulated / CLOCK).save()


def test_a_rollout_starts_once_another_person_has_approved_its_plan(home: Home) -> None:
    made = planned(home)
    with pytest.raises(HeldError) as refused:
        started(home, made)
    assert "0 of 1" in refused.value.message and "fleet plan approve" in refused.value.hint
    with pytest.raises(NotAllowedError):
        approved(home, made, "ada")
    approved(home, made, comment="the change board agrees")
    assert started(home, made) == "r-1"
    basis = Rollouts.load(home.store).named("r-1").start.approval
    assert isinstance(basis, StartApproval)
    assert (basis.asked_by, basis.required) == ("ada", 1)
    (given,) = basis.given
    assert (given.by.name, given.by.method, given.comment) == ("eve", "token", "the change board agrees")
    assert home.store.journal.knows(given.entry, "east")
    assert [entry.rollouts for entry in approvals(home).approvals] == [("r-1",)]


def test_a_plan_with_the_same_effect_needs_no_new_approval(home: Home) -> None:
    first = planned(home)
    approved(home, first)
    home.policy_file.write_text(f"# A comment.\n{home.policy_file.read_text()}")
    again = planned(home, "bob")
    assert again.plan_id != first.plan_id
    assert started(home, again, "bob") == "r-1"


def test_who_approved_a_plan_cannot_start_an_equal_one_of_their_own(home: Home) -> None:
    approved(home, planned(home, "bob"), "ada")
    with pytest.raises(HeldError) as refused:
        started(home, planned(home, "ada"))
    assert "nobody approves their own" in refused.value.message


def test_nodes_that_join_after_the_approval_are_told(home: Home) -> None:
    """flux-iac/tofu-controller#1129: ten nodes join after the approval."""
    made = planned(home)
    approved(home, made)
    nodes = [*small_cluster().nodes, *(a_node(f"n-{number}") for number in range(10, 20))]
    grown = a_snapshot(nodes, budgets=list(small_cluster().budgets))
    become(home, grown)
    with pytest.raises(HeldError) as refused:
        started(home, made)
    assert "east/n-10 joined" in refused.value.message and "and 2 more" in refused.value.message
    with pytest.raises(HeldError) as stale:
        approved(home, made, "root")
    assert "east/n-10 joined" in stale.value.message
    with pytest.raises(HeldError) as new:
        started(home, planned(home))
    assert "eve approved plan" in new.value.message and "east/n-10 joined" in new.value.message


def test_a_changed_limit_is_told_with_both_values(home: Home) -> None:
    """flux-iac/tofu-controller#1129: changing a value gives a plan that nobody has approved."""
    made = planned(home)
    approved(home, made)
    text = home.policy_file.read_text()
    home.policy_file.write_text(text.replace("max_unavailable: 2", "max_unavailable: 3"))
    with pytest.raises(HeldError) as refused:
        started(home, made)
    assert "pools.workers.limits.max_unavailable: 2 -> 3" in refused.value.message
    home.policy_file.write_text(text)
    assert started(home, made) == "r-1", "it is as it was approved"


def test_a_label_that_moves_no_node_costs_no_new_approval(home: Home) -> None:
    """flux-iac/tofu-controller#1129: a change without effect (label, comment) does not cost a new approval."""
    made = planned(home)
    approved(home, made)
    small = small_cluster()
    labelled = [replace(node, labels={**node.labels, "team": "web"}) for node in small.nodes]
    become(home, replace(small, nodes=tuple(labelled)))
    assert started(home, made) == "r-1"


def test_a_plan_shows_who_has_approved_it_and_how_it_would_differ(home: Home) -> None:
    made = planned(home)
    before = last_known_state(home, made)
    assert before is not None and "0 of 1" in plan_state(before, home.now()).plain
    approved(home, made)
    text = home.policy_file.read_text()
    home.policy_file.write_text(text.replace("max_unavailable: 2", "max_unavailable: 3"))
    after = last_known_state(home, made)
    assert after is not None
    shown = plan_state(after, home.now()).plain
    assert "1 of 1, by eve" in shown and hash_of(after.effect) in shown
    assert "pools.workers.limits.max_unavailable: 2 -> 3" in shown
    home.policy_file.write_text(f"{POLICY}{ACCESS}")
    assert last_known_state(home, planned(home)) is None


def test_a_report_proves_who_approved(home: Home, tmp_path: Path) -> None:
    made = planned(home)
    approved(home, made)
    started(home, made)
    with acting(home, "root"):
        keys, _, _ = keygen(home)
    report = with_evidence(home, make_report(home))
    assert (report.asked_by, report.effect) == ("ada", hash_of(effect_of(made.begin())))
    assert [each.by.name for each in report.approvals] == ["eve"]
    file = tmp_path / "report.json"
    file.write_bytes(msgspec.json.encode(report))
    assert not verify_file(file, [keys.public]).findings
    file.write_bytes(file.read_bytes().replace(b'"name":"eve"', b'"name":"bob"', 1))
    assert verify_file(file, [keys.public]).findings


def test_a_release_with_another_digest_is_another_effect(home: Home) -> None:
    made = planned(home)
    approved(home, made)
    text = home.policy_file.read_text()
    home.policy_file.write_text(text.replace(NEW.digest, f"sha256:{'9' * 64}"))
    with pytest.raises(HeldError) as refused:
        started(home, made)
    assert "target.digest" in refused.value.message


def test_a_person_approves_once(home: Home) -> None:
    made = planned(home)
    approved(home, made)
    with pytest.raises(UsageError):
        approved(home, made)
    assert len(approvals(home).approvals) == 1


def test_two_approvals_are_those_of_two_persons(tmp_path: Path) -> None:
    home = a_home_with_users(tmp_path / "home", rule="{required: 2}")
    made = planned(home)
    approved(home, made)
    with pytest.raises(HeldError) as refused:
        started(home, made)
    assert "1 of 2" in refused.value.message
    approved(home, made, "root")
    assert started(home, made) == "r-1"


def test_a_rejected_plan_does_not_start(home: Home) -> None:
    made = planned(home)
    approved(home, made)
    with acting(home, "eve"):
        with pytest.raises(UsageError):
            reject(home, made, " ")
        reject(home, made, "not this week")
    with pytest.raises(HeldError) as refused:
        started(home, made)
    assert "not this week" in refused.value.message
    states = [(each.kind, each.state) for each in approvals(home, made).approvals]
    assert sorted(states) == [("approval", "rejected"), ("rejection", "")]


def test_a_rejection_after_the_start_is_refused_and_names_the_way_out(home: Home) -> None:
    made = planned(home)
    approved(home, made)
    started(home, made)
    with acting(home, "eve"), pytest.raises(HeldError) as refused:
        reject(home, made, "stop")
    assert refused.value.hint == "fleet rollout abort r-1"


def test_an_expired_approval_is_told(tmp_path: Path) -> None:
    home = a_home_with_users(tmp_path / "home", rule="{required: 1, valid: 1h}")
    made = planned(home)
    approved(home, made)
    with acting(home, "ada"):
        token = home.now()
    del token
    home.policy_file.write_text(home.policy_file.read_text().replace("valid: 1h", "valid: 1s"))
    from datetime import timedelta

    from fleet.app.wiring.sources.simulated_clock import CLOCK
    from fleet.simulated.clock import SimulatedClock

    SimulatedClock(home.now() + timedelta(seconds=2), 60.0, home.simulated / CLOCK).save()
    with pytest.raises(HeldError) as refused:
        started(home, made)
    assert "expired" in refused.value.message


def test_a_start_in_a_freeze_needs_an_approval_of_its_own(tmp_path: Path) -> None:
    home = a_home_with_users(tmp_path / "home", rule="{required: 1, override: 1}")
    made = planned(home)
    approved(home, made)
    with pytest.raises(HeldError) as refused:
        ensure_override_approved(home, made)
    assert "--override-freeze" in refused.value.hint
    approved(home, made, override="CVE-2026-1 is exploited")
    (given,) = ensure_override_approved(home, made)
    assert (given.by.name, given.override) == ("eve", "CVE-2026-1 is exploited")


def test_one_approval_that_allows_both_is_asked_for_where_both_are_missing(tmp_path: Path) -> None:
    """An approver who followed a remedy without the option would be asked a second time."""
    home = a_home_with_users(tmp_path / "home", rule="{required: 1, override: 1}")
    made = planned(home)
    with acting(home, "ada"), pytest.raises(HeldError) as refused:
        start(home, made, fresh_of(home), "CVE-2026-1 is exploited")
    assert "--override-freeze" in refused.value.hint
    with acting(home, "ada"), pytest.raises(HeldError) as refused:
        start(home, made, fresh_of(home))
    assert "--override-freeze" not in refused.value.hint
    approved(home, made, override="CVE-2026-1 is exploited")
    with acting(home, "ada"):
        assert start(home, made, fresh_of(home), "CVE-2026-1 is exploited").rollout == "r-1"


def test_a_halted_start_is_not_resumed_without_an_approval(home: Home) -> None:
    made = planned(home)
    approved(home, made)
    started(home, made)
    halt = JournalRecord(
        "decision", "halt", "r-1", detail={"why": "0 of 1 approvals of its plan are in force"}
    )
    home.store.journal.append([halt], at=home.now(), actor="fleet@desk")
    text = home.policy_file.read_text()
    assert "required: 1" in text
    from datetime import timedelta

    from fleet.app.wiring.sources.simulated_clock import CLOCK
    from fleet.simulated.clock import SimulatedClock

    SimulatedClock(home.now() + timedelta(days=8), 60.0, home.simulated / CLOCK).save()
    with acting(home, "ada"), pytest.raises(HeldError):
        send_command(home, "resume", "r-1")


def test_a_fleet_without_a_rule_writes_nothing_about_approvals(tmp_path: Path) -> None:
    home = a_home_with_users(tmp_path / "home")
    home.policy_file.write_text(f"{POLICY}{ACCESS}")
    started(home, planned(home))
    (entry,) = home.store.journal.entries()
    assert "approval" not in entry.record.detail
    assert "approvals" not in entry.record.detail["policy"]["pools"][0]


def test_report_of_a_span_has_approvals_rejections_and_overrides(home: Home) -> None:
    made = planned(home)
    with acting(home, "eve"):
        reject(home, made, "not today")
    approved(home, made, comment="after the review", override="the exploit is public")
    started(home, made)
    found = report_of_span(home, quarter_of(home.now()), (), PCI_DSS)
    ((rollout,), commands) = found.rollouts, found.commands
    assert [(each.by.name, each.comment) for each in rollout.approvals] == [("eve", "after the review")]
    assert rollout.effect and rollout.asked_by == "ada"
    assert [(each.kind, each.node) for each in commands] == [
        ("reject", made.plan_id),
        ("approve", made.plan_id),
    ]
    for text in (period_text.text(found), period_page.page(found), markdown.period(found)):
        assert "the exploit is public" in text
