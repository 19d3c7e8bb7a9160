"""Rollouts as objects: what users ask for in them is done once, in the name of the user whom the API server knows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import UNSET

from fleet.app.approvals.approve import approve, reject
from fleet.app.operator.rollout_objects import RolloutObjects
from fleet.app.operator.rollouts import AskedRollout, RolloutCommands
from fleet.app.planning.plans import plan, stored
from fleet.app.rollouts.commands import send_command
from fleet.app.rollouts.rollouts import Rollouts
from fleet.app.wiring.home import Home
from fleet.core.custom_resources.rollout import RolloutStatus
from fleet.core.planning.plan import short_id
from fleet.core.records.errors import HeldError
from fleet.core.records.identity import Identity
from fleet.core.rollout.codec import to_record
from fleet.core.rollout.decisions import RolloutFinished
from fleet.core.rollout.steps import RolloutState
from fleet.kube.client.credentials import CredentialSource
from fleet.kube.client.transport import Transport
from fleet.lab.simulation.builders import NEW, OLD
from fleet.store import Store
from fleet.system.clock import WallClock
from tests.unit.app.homes import POLICY, a_home, a_started_rollout, small_cluster

POOLS = {"workers": "workers"}
APPROVALS = POLICY + "    approvals: {required: 1}\n"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return a_home(tmp_path / "home")


def sync(home: Home) -> RolloutObjects:
    """An operator that has just started: it knows nothing but the database."""
    found = RolloutObjects(home, "here", Transport(CredentialSource(), WallClock()))
    found.user = "system:serviceaccount:fleet-system:fleet-controller"
    found.unproven = ""
    return found


def an_object(name: str = "november", generation: int = 1, **spec: object) -> dict[str, Any]:
    asked = {"policies": ["workers"], "user": "ada", "version": NEW.version, **spec}
    return {"metadata": {"name": name, "uid": f"u-{name}", "generation": generation}, "spec": asked}


def look(home: Home, found: dict[str, Any], unproven: str = "") -> RolloutStatus:
    """One look of a new operator at the object, which has the status from then on."""
    objects = sync(home)
    objects.unproven = unproven
    (wanted,) = objects.wanted({found["metadata"]["name"]: found}, POOLS)
    found["status"] = msgspec.to_builtins(wanted.status)
    return wanted.status


def ready(status: RolloutStatus) -> tuple[str, str, str]:
    return next(
        (each.status, each.reason, each.message) for each in status.conditions if each.type == "Ready"
    )


def rollouts(home: Home) -> list[str]:
    return [rollout.id for rollout in Rollouts.load(home.store).all]


def state(home: Home) -> RolloutState:
    return Rollouts.load(home.store).named("r-1").state


def test_object_starts_its_rollout_once_in_its_users_name(home: Home) -> None:
    asked = an_object()
    assert look(home, asked).rollout == "r-1"
    asked.pop("status")  # the operator was killed before it wrote the status
    assert look(home, asked).rollout == "r-1"
    assert look(home, asked).progress == "0/4"
    (rollout,) = Rollouts.load(home.store).all
    assert rollout.by == "ada (kubernetes, here)"


def test_object_pauses_resumes_and_aborts_each_once(home: Home) -> None:
    asked = an_object()
    look(home, asked)
    commands = ("pause", "resume", "abort")
    for spec, wanted in (
        ({"paused": True, "reason": "a call"}, RolloutState.PAUSED),
        ({"paused": False}, RolloutState.RUNNING),
        ({"aborted": True}, RolloutState.ABORTED),
    ):
        asked["spec"] |= spec
        look(home, asked)
        look(home, asked)
        assert state(home) is wanted
    given = [(entry.record.kind, entry.actor) for entry in home.store.journal.entries(kinds=commands)]
    assert given == [(kind, "ada (kubernetes, here)") for kind in commands]


def test_object_does_not_undo_what_was_commanded_in_another_way(home: Home) -> None:
    asked = an_object()
    look(home, asked)
    send_command(home, "pause", "r-1")
    look(home, asked)
    assert state(home) is RolloutState.PAUSED


def test_object_of_a_rollout_that_the_database_does_not_know_is_not_carried_out_again(
    home: Home, tmp_path: Path
) -> None:
    asked = an_object()
    look(home, asked)
    older = a_home(tmp_path / "older")
    for _ in range(2):
        status = look(older, asked)
        assert ready(status)[:2] == ("False", "Refused")
        assert (status.rollout, rollouts(older)) == ("r-1", [])


def test_object_of_a_rollout_that_was_lost_commands_no_other_one_of_its_id(
    home: Home, tmp_path: Path
) -> None:
    a_started_rollout(home)
    ((name, spec),) = sync(home).missing({}, POOLS)
    made = {"metadata": {"name": name, "uid": "u-1", "generation": 1}, "spec": msgspec.to_builtins(spec)}
    look(home, made)
    made["spec"] |= {"aborted": True, "user": "bob"}
    older = a_home(tmp_path / "older", small_cluster("west"))
    a_started_rollout(older)
    status = look(older, made)
    assert ready(status)[:2] == ("False", "Refused")
    assert state(older) is RolloutState.RUNNING


def test_object_with_a_name_that_fleet_gives_is_refused(home: Home) -> None:
    status = look(home, an_object("r-9"))
    assert ready(status)[:2] == ("False", "Refused")
    assert rollouts(home) == []


def test_without_proof_of_the_user_nothing_is_done(home: Home) -> None:
    asked = an_object()
    status = look(home, asked, unproven="there is no admission policy")
    assert "no admission policy" in ready(status)[2]
    assert rollouts(home) == []
    look(home, asked)
    asked["spec"]["paused"] = True
    status = look(home, asked, unproven="there is no admission policy")
    assert ready(status)[:2] == ("False", "Refused")
    assert state(home) is RolloutState.RUNNING


def test_users_of_the_api_have_no_role_where_the_policy_identifies_users_otherwise(tmp_path: Path) -> None:
    home = a_home(
        tmp_path / "home", policy=POLICY + "access: {identity: os, roles: {operator: {users: [ada]}}}\n"
    )
    status = look(home, an_object())
    assert ready(status)[:2] == ("False", "Refused")
    assert rollouts(home) == []


def test_unknown_policy_is_refused_by_name(home: Home) -> None:
    assert "storage" in ready(look(home, an_object(policies=["storage"])))[2]


def test_plan_waits_for_the_votes_of_others_and_starts_then(tmp_path: Path) -> None:
    home = a_home(tmp_path / "home", policy=APPROVALS)
    asked = an_object()
    status = look(home, asked)
    assert (status.approvals_required, status.approved_by, rollouts(home)) == (1, (), [])
    asked["spec"]["votes"] = [{"user": "ada", "plan": status.plan}]
    refused = look(home, asked)
    assert ready(refused)[:2] == ("False", "Refused"), "nobody approves their own plan"
    assert refused.plan == status.plan, "a refusal makes no vote void"
    asked["spec"]["votes"] = [{"user": "bob", "plan": status.plan, "comment": "looks right"}]
    status = look(home, asked)
    assert (status.rollout, status.approved_by) == ("r-1", ("bob",))


@pytest.mark.parametrize(
    ("named", "spec"), [("workers", {"policies": ["storage"]}), (NEW.version, {"version": OLD.version})]
)
def test_plan_of_other_nodes_or_another_version_is_refused(
    tmp_path: Path, named: str, spec: dict[str, object]
) -> None:
    storage = POLICY[POLICY.index("  - name: workers") :].replace("workers", "storage")
    home = a_home(tmp_path / "home", policy=POLICY + storage)
    kept = plan(home, ["workers"], NEW.version, keep=True)
    asked = an_object(plan=short_id(kept.plan_id))
    asked["spec"] |= spec
    objects = sync(home)
    (wanted,) = objects.wanted({"november": asked}, POOLS | {"storage": "storage"})
    assert named in ready(wanted.status)[2] and ready(wanted.status)[1] == "Refused"
    assert rollouts(home) == []


def test_rejection_without_a_reason_names_the_key_and_starts_nothing(tmp_path: Path) -> None:
    home = a_home(tmp_path / "home", policy=APPROVALS)
    asked = an_object()
    shown = look(home, asked).plan
    asked["spec"]["votes"] = [
        {"user": "eve", "plan": shown, "verdict": "Reject"},
        {"user": "bob", "plan": shown},
    ]
    assert "comment" in ready(look(home, asked))[2]
    assert rollouts(home) == []


def voted(home: Home) -> list[tuple[str, str]]:
    """The votes of the journal, each with its object."""
    return [
        (entry.record.kind, entry.record.detail.get("object_uid", ""))
        for entry in home.store.journal.entries(kinds=["approve", "reject"])
    ]


def test_user_who_approves_rejects_and_approves_again_has_approved(tmp_path: Path) -> None:
    home = a_home(tmp_path / "home", policy=APPROVALS.replace("required: 1", "required: 2"))
    asked = an_object()
    shown = look(home, asked).plan
    mine = {"user": "bob", "plan": shown}
    for vote in (mine, {**mine, "verdict": "Reject", "comment": "not in this week"}, mine, mine):
        asked["spec"]["votes"] = [vote]
        status = look(home, asked)
    assert voted(home) == [(kind, "u-november") for kind in ("approve", "reject", "approve")]
    assert status.approved_by == ("bob",)


def test_vote_that_was_given_by_a_command_is_not_repeated_nor_taken_back_by_an_older_one(
    tmp_path: Path,
) -> None:
    home = a_home(tmp_path / "home", policy=APPROVALS.replace("required: 1", "required: 2"))
    asked = an_object()
    status = look(home, asked)
    bob = Home(home.path, home.database, home.warn, user=Identity("bob", "kubernetes", "here"))
    kept = stored(bob, str(status.plan))
    approve(bob, kept, lambda clusters: ())
    asked["spec"]["votes"] = [{"user": "bob", "plan": status.plan}]
    assert look(home, asked).approved_by == ("bob",)
    assert voted(home) == [("approve", "")]
    asked["spec"]["votes"] = [{"user": "eve", "plan": status.plan, "verdict": "Reject", "comment": "no"}]
    look(home, asked)
    reject(bob, kept, "by command")
    look(home, asked)
    assert voted(home) == [("approve", ""), ("reject", "u-november"), ("reject", "")]


def test_vote_for_less_than_the_plans_name_does_not_count(tmp_path: Path) -> None:
    home = a_home(tmp_path / "home", policy=APPROVALS)
    asked = an_object()
    shown = str(look(home, asked).plan)
    asked["spec"]["votes"] = [{"user": "bob", "plan": shown[:3]}]
    assert (look(home, asked).approved_by, rollouts(home)) == ((), [])


def test_users_are_to_be_proven_only_where_one_may_ask_for_something(home: Home) -> None:
    objects = sync(home)
    assert not objects.asked({})
    asked = an_object()
    assert objects.asked({"november": asked})
    asked["status"] = {"endedAt": "2026-11-30T12:00:00Z"}
    assert not objects.asked({"november": asked})
    assert not objects.asked({"r-1": an_object("r-1", user=objects.user)})


def test_rollout_without_an_object_gets_one_and_gets_it_again(home: Home) -> None:
    a_started_rollout(home)
    objects = sync(home)
    ((name, spec),) = objects.missing({}, POOLS)
    assert (name, spec.policies, spec.version) == ("r-1", ("workers",), NEW.version)
    made = {"metadata": {"name": name, "uid": "u-1", "generation": 1}, "spec": msgspec.to_builtins(spec)}
    assert objects.missing({name: made}, POOLS) == []
    assert look(home, made).rollout == "r-1"
    made["spec"] |= {"paused": True, "user": "bob"}
    look(home, made)
    assert state(home) is RolloutState.PAUSED


def test_object_of_a_user_is_made_anew_under_the_rollouts_id_when_it_is_deleted(home: Home) -> None:
    asked = an_object()
    look(home, asked)
    assert sync(home).missing({"november": asked}, POOLS) == []
    assert [name for name, _ in sync(home).missing({}, POOLS)] == ["r-1"]


def test_rollout_that_has_ended_gets_no_object(home: Home) -> None:
    asked = an_object()
    look(home, asked)
    ended = to_record(RolloutFinished(rollout="r-1"))
    home.store.journal.append([ended], at=home.now(), actor="fleet")
    assert sync(home).missing({}, POOLS) == []


def test_objects_of_rollouts_that_have_ended_read_the_journal_once(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = {}
    for number in range(1, 4):
        asked = an_object(f"object-{number}")
        look(home, asked)
        finished = to_record(RolloutFinished(rollout=f"r-{number}"))
        home.store.journal.append([finished], at=home.now(), actor="fleet")
        ended[f"object-{number}"] = asked
    read, load = list[int](), Rollouts.load

    def counted(store: Store) -> Rollouts:
        read.append(1)
        return load(store)

    monkeypatch.setattr(Rollouts, "load", counted)
    found = sync(home).wanted(ended, POOLS)
    assert [each.status.ended_at is not UNSET for each in found] == [True] * 3
    assert len(read) == 1


def test_abort_waits_for_no_plan_of_another_object(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = an_object()
    look(home, asked)
    asked["spec"]["aborted"] = True
    seen = list[RolloutState]()

    def begin(commands: RolloutCommands, asked: AskedRollout, pools: list[str]) -> str:
        seen.append(state(home))
        raise HeldError("no cluster answers")

    monkeypatch.setattr(RolloutCommands, "begin", begin)
    sync(home).wanted({"a-new-one": an_object("a-new-one"), "november": asked}, POOLS)
    assert seen == [RolloutState.ABORTED]
