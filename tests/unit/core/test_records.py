"""What the journal's records say: the structs give the very JSON that older versions wrote, and read it again."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from fleet.core.objects.node import NodeRef
from fleet.core.objects.pod import PodRef
from fleet.core.policy.gate import GateVerdict
from fleet.core.policy.hooks.hook import HookMoment
from fleet.core.policy.policy import Policy
from fleet.core.policy.times.calendar_events import CalendarEvents, CalendarVersion
from fleet.core.policy.times.freeze import Freeze, FreezeCalendar
from fleet.core.records.identity import Identity
from fleet.core.records.journal import JournalRecord, RecordForm
from fleet.core.releases.release import Release
from fleet.core.rollout.action import Evict, Result
from fleet.core.rollout.codec import KINDS, Journaled, from_record, to_record
from fleet.core.rollout.commands import (
    ApprovalWanted,
    CalendarsRead,
    ExceptionGranted,
    ExceptionRequested,
    ExceptionRevoked,
    FreezesChanged,
    GateOverruled,
    HookResolved,
    HostsClaimed,
    JournalAccepted,
    LogRequested,
    NodeReleased,
    PlanApproved,
    PlanRejected,
    PolicyResumed,
    RolloutAborted,
    RolloutPaused,
    RolloutResumed,
    RolloutStarted,
)
from fleet.core.rollout.decisions import (
    CanaryAppointed,
    CanaryDismissed,
    GateFailed,
    GateMeasured,
    GatePassed,
    GateReached,
    HookEnded,
    HookStarted,
    NodeCleaned,
    NodeReregistered,
    RolloutFinished,
    RolloutHalted,
    RunRetried,
    StepFinished,
    WorkloadsNoted,
)
from fleet.core.rollout.goal import Goal, Start
from fleet.core.rollout.hooks.hook_state import HookResult
from fleet.core.rollout.record import (
    ActionEnded,
    CheckpointKept,
    PodsTimed,
    StandingChanged,
    TaskPlayed,
    UnknownRecord,
)
from fleet.core.rollout.stages.gate_state import POOL, GatePoint
from fleet.core.rollout.steps import Step, StepResult

R = "r-1"
POINT = GatePoint(POOL, "workers")
N = NodeRef("east", "n-1")
START = Start("p-1", Release("2"), Policy(), (Goal(N, "u-1", "workers"),), 60)
EVICT = Evict(id="r-1/1", rollout=R, node=N, uid="u-1", pod=PodRef("web", "shop-1"), pod_uid="p-9")

CASES: list[tuple[Journaled, RecordForm, str, str, str, dict[str, Any]]] = [
    (RolloutStarted(rollout=R, start=START), "command", "start", R, "", msgspec.to_builtins(START)),
    (RolloutPaused(rollout=R), "command", "pause", R, "", {}),
    (RolloutResumed(rollout=R), "command", "resume", R, "", {}),
    (RolloutAborted(rollout=R), "command", "abort", R, "", {}),
    (NodeReleased(rollout=R, node=N), "command", "release", R, "east/n-1", {}),
    (
        NodeReleased(rollout=R, node=N, reason="disk replaced"),
        "command",
        "release",
        R,
        "east/n-1",
        {"reason": "disk replaced"},
    ),
    (
        JournalAccepted(cluster="east", place="9:ab", reason="restored"),
        "command",
        "accept",
        "",
        "",
        {"cluster": "east", "place": "9:ab", "reason": "restored"},
    ),
    (
        CalendarsRead(
            rollout=R,
            events=CalendarEvents((FreezeCalendar("board"),)),
            versions={"freeze board": CalendarVersion("ab", datetime(2026, 11, 30, tzinfo=UTC))},
            reason="changed: freeze board",
        ),
        "command",
        "calendars",
        R,
        "",
        {
            "events": {"freezes": [{"name": "board", "events": [], "unread": []}]},
            "versions": {"freeze board": {"sha256": "ab", "read_at": "2026-11-30T00:00:00Z"}},
            "reason": "changed: freeze board",
        },
    ),
    (
        FreezesChanged(
            rollout=R,
            freezes=(Freeze("sale", datetime(2026, 12, 1, tzinfo=UTC), datetime(2026, 12, 2, tzinfo=UTC)),),
            calendars=(FreezeCalendar("board"),),
            policy=CalendarVersion("ab", datetime(2026, 11, 30, tzinfo=UTC)),
            reason="added: sale",
        ),
        "command",
        "freezes",
        R,
        "",
        {
            "freezes": [{"name": "sale", "begin": "2026-12-01T00:00:00Z", "until": "2026-12-02T00:00:00Z"}],
            "calendars": [{"name": "board", "events": [], "unread": []}],
            "policy": {"sha256": "ab", "read_at": "2026-11-30T00:00:00Z"},
            "reason": "added: sale",
        },
    ),
    (
        GateOverruled(rollout=R, point=POINT, gate="errors", reason="known noise"),
        "command",
        "pass",
        R,
        "",
        {"point": {"of": "pool", "name": "workers"}, "gate": "errors", "reason": "known noise"},
    ),
    (
        GateReached(rollout=R, point=POINT),
        "decision",
        "gates",
        R,
        "",
        {"point": {"of": "pool", "name": "workers"}},
    ),
    (
        WorkloadsNoted(rollout=R, point=POINT, cluster="east", ready={"Deployment web/shop": 2}),
        "decision",
        "workloads",
        R,
        "",
        {
            "point": {"of": "pool", "name": "workers"},
            "cluster": "east",
            "ready": {"Deployment web/shop": 2},
            "left_out": 0,
        },
    ),
    (
        GateMeasured(rollout=R, point=POINT, gate="errors", verdict=GateVerdict.BAD, message="7"),
        "decision",
        "gate-measured",
        R,
        "",
        {"point": {"of": "pool", "name": "workers"}, "gate": "errors", "verdict": "bad", "message": "7"},
    ),
    (
        GatePassed(rollout=R, point=POINT, gate="errors", why="0"),
        "decision",
        "gate-passed",
        R,
        "",
        {"point": {"of": "pool", "name": "workers"}, "gate": "errors", "why": "0"},
    ),
    (
        GateFailed(rollout=R, point=POINT, gate="errors", why="2 bad in a row"),
        "decision",
        "gate-failed",
        R,
        "",
        {"point": {"of": "pool", "name": "workers"}, "gate": "errors", "why": "2 bad in a row"},
    ),
    (
        HookStarted(rollout=R, node=N, moment=HookMoment.BEFORE_NODE, hook="h", attempt=2),
        "decision",
        "hook-started",
        R,
        "east/n-1",
        {"moment": "before_node", "hook": "h", "attempt": 2},
    ),
    (
        HookEnded(
            rollout=R,
            moment=HookMoment.AFTER_STAGE,
            stage="s",
            hook="h",
            attempt=1,
            result=HookResult.FAILED,
            message="exit code 1",
            output="no",
        ),
        "decision",
        "hook-ended",
        R,
        "",
        {
            "moment": "after_stage",
            "stage": "s",
            "hook": "h",
            "attempt": 1,
            "result": "failed",
            "message": "exit code 1",
            "output": "no",
        },
    ),
    (
        HookResolved(rollout=R, node=N, moment=HookMoment.BEFORE_NODE, hook="h", again=True),
        "command",
        "hook",
        R,
        "east/n-1",
        {"moment": "before_node", "hook": "h", "again": True},
    ),
    (HostsClaimed(cluster="hall"), "command", "claim", "", "", {"cluster": "hall"}),
    (LogRequested(node=N, lines=100), "command", "log", "", "east/n-1", {"lines": 100}),
    (
        LogRequested(node=N, lines=9, unit="kubelet.service"),
        "command",
        "log",
        "",
        "east/n-1",
        {"lines": 9, "unit": "kubelet.service"},
    ),
    (
        PlanApproved(
            plan="p-1",
            effect="e-1",
            covers={"target": {"version": "2"}},
            by=Identity("eve", "token", "key 1, token 2"),
            asked_by="ada",
            files={"/plays/verify.yml": "ab"},
            reason="as agreed",
            override="CVE-2026-1",
        ),
        "command",
        "approve",
        "",
        "",
        {
            "plan": "p-1",
            "effect": "e-1",
            "covers": {"target": {"version": "2"}},
            "by": {"name": "eve", "method": "token", "source": "key 1, token 2"},
            "asked_by": "ada",
            "files": {"/plays/verify.yml": "ab"},
            "reason": "as agreed",
            "override": "CVE-2026-1",
        },
    ),
    (
        PlanRejected(plan="p-1", effect="e-1", by=Identity("eve"), reason="too soon"),
        "command",
        "reject",
        "",
        "",
        {
            "plan": "p-1",
            "effect": "e-1",
            "by": {"name": "eve", "method": "os", "source": ""},
            "reason": "too soon",
        },
    ),
    (
        ExceptionRequested(
            id="x-1", pools=("w",), until=datetime(2026, 12, 24, tzinfo=UTC), owner="o", by=Identity("eve")
        ),
        "command",
        "exception",
        "",
        "",
        {
            "id": "x-1",
            "pools": ("w",),
            "until": "2026-12-24T00:00:00Z",
            "owner": "o",
            "by": {"name": "eve", "method": "os", "source": ""},
        },
    ),
    (
        ExceptionGranted(id="x-1", by=Identity("ada")),
        "command",
        "exception-granted",
        "",
        "",
        {"id": "x-1", "by": {"name": "ada", "method": "os", "source": ""}},
    ),
    (
        ExceptionRevoked(id="x-1", by=Identity("ada"), reason="fixed"),
        "command",
        "exception-revoked",
        "",
        "",
        {"id": "x-1", "by": {"name": "ada", "method": "os", "source": ""}, "reason": "fixed"},
    ),
    (
        StepFinished(
            rollout=R,
            node=N,
            turn=StepResult.DONE,
            to=Step.REBOOT,
            boot_id="b",
            daemons=(),
            labels={"a": None},
        ),
        "decision",
        "step",
        R,
        "east/n-1",
        {"turn": "done", "to": "reboot", "boot_id": "b", "daemons": [], "labels": {"a": None}},
    ),
    (
        StepFinished(rollout=R, node=N, turn=StepResult.BEGIN, to=Step.STAGE, why=""),
        "decision",
        "step",
        R,
        "east/n-1",
        {"turn": "begin", "to": "stage", "why": ""},
    ),
    (RunRetried(rollout=R, node=N, why="x"), "decision", "retry", R, "east/n-1", {"why": "x"}),
    (RolloutHalted(rollout=R, why="x"), "decision", "halt", R, "", {"why": "x"}),
    (RolloutFinished(rollout=R), "decision", "finish", R, "", {}),
    (CanaryAppointed(rollout=R, node=N, why="x"), "decision", "canary", R, "east/n-1", {"why": "x"}),
    (CanaryDismissed(rollout=R, node=N, why=""), "decision", "no-canary", R, "east/n-1", {"why": ""}),
    (
        NodeReregistered(rollout=R, node=N, uid="u-2", was="u-1", why="x"),
        "decision",
        "re-registered",
        R,
        "east/n-1",
        {"uid": "u-2", "was": "u-1", "why": "x"},
    ),
    (NodeCleaned(rollout=R, node=N), "decision", "tidied", R, "east/n-1", {}),
    (
        PodsTimed(rollout=R, node=N, stop=[10], start={"web/shop": [20]}),
        "decision",
        "timed",
        R,
        "east/n-1",
        {"stop": [10], "start": {"web/shop": [20]}},
    ),
    (
        TaskPlayed(rollout=R, node=N, why="stage: x: ok", playbook="stage", task="x", result="ok"),
        "decision",
        "played",
        R,
        "east/n-1",
        {"why": "stage: x: ok", "playbook": "stage", "task": "x", "result": "ok"},
    ),
    (
        ApprovalWanted(plan="p-1", effect="e-1", pools=("workers",), version="44.2", nodes=3, required=2),
        "command",
        "approval-wanted",
        "",
        "",
        {
            "plan": "p-1",
            "effect": "e-1",
            "pools": ["workers"],
            "version": "44.2",
            "nodes": 3,
            "required": 2,
        },
    ),
    (
        PolicyResumed(pool="workers", reason="repaired"),
        "command",
        "resume-policy",
        "",
        "",
        {"reason": "repaired", "pool": "workers"},
    ),
    (
        StandingChanged(
            pool="workers",
            state="halted",
            target="44.2",
            reason="aborted",
            about="r-1",
            message="rollout r-1 was aborted",
            remedy="fleet policy resume workers",
        ),
        "decision",
        "policy-state",
        "",
        "",
        {
            "pool": "workers",
            "state": "halted",
            "target": "44.2",
            "reason": "aborted",
            "about": "r-1",
            "message": "rollout r-1 was aborted",
            "remedy": "fleet policy resume workers",
        },
    ),
    (CheckpointKept(seq=7, hash="ab"), "decision", "fold", "", "", {"seq": 7, "hash": "ab"}),
    (EVICT, "intent", "evict", R, "east/n-1", msgspec.to_builtins(EVICT)),
    (
        ActionEnded.of(EVICT, Result.REFUSED, "budget"),
        "outcome",
        "evict",
        R,
        "east/n-1",
        {"id": "r-1/1", "result": "refused", "detail": "budget"},
    ),
    (
        ActionEnded.of(EVICT, Result.DONE),
        "outcome",
        "evict",
        R,
        "east/n-1",
        {"id": "r-1/1", "result": "done"},
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[1]}-{case[2]}")
def test_record_keeps_its_json(
    case: tuple[Journaled, RecordForm, str, str, str, dict[str, Any]],
) -> None:
    stated, form, kind, rollout, node, detail = case
    written = msgspec.json.decode(msgspec.json.encode(to_record(stated)), type=JournalRecord)
    assert written == JournalRecord(
        form, kind, rollout, node, msgspec.json.decode(msgspec.json.encode(detail))
    )
    assert from_record(written) == stated


def test_every_kind_has_a_case() -> None:
    assert {(form, kind) for _, form, kind, *_ in CASES} >= set(KINDS)


@pytest.mark.parametrize(
    ("form", "kind", "node", "detail"),
    [
        ("decision", "compressed", "east/n-1", {}),
        ("command", "hurry", "", {}),
        ("intent", "defrost", "east/n-1", {"kind": "defrost", "id": "r-1/1"}),
        ("outcome", "evict", "east/n-1", {"id": "r-1/1", "result": "postponed"}),
        ("decision", "step", "east/n-1", {"turn": "leap", "to": "done"}),
        ("decision", "step", "east/n-1", {"to": "done"}),
        ("decision", "step", "", {"turn": "done", "to": "done"}),
        ("decision", "step", "nowhere", {"turn": "done", "to": "done"}),
        ("decision", "halt", "", {"why": 7}),
        ("command", "start", "", {}),
    ],
)
def test_record_that_this_version_cannot_read_is_unknown(
    form: RecordForm, kind: str, node: str, detail: dict[str, Any]
) -> None:
    stated = from_record(JournalRecord(form, kind, R, node, detail))
    assert isinstance(stated, UnknownRecord) and stated.problem
    assert (stated.written_as, stated.name, stated.rollout) == (form, kind, R)
    with pytest.raises(ValueError, match=r"."):
        to_record(stated)


def test_keys_of_a_newer_version_are_ignored() -> None:
    detail = {"turn": "done", "to": "reboot", "boot_id": "b", "weather": "fine"}
    stated = from_record(JournalRecord("decision", "step", R, "east/n-1", detail))
    assert stated == StepFinished(rollout=R, node=N, turn=StepResult.DONE, to=Step.REBOOT, boot_id="b")


def test_keys_that_an_older_version_did_not_write_are_unset() -> None:
    stated = from_record(JournalRecord("decision", "re-registered", R, "east/n-1", {"uid": "u-2"}))
    assert stated == NodeReregistered(rollout=R, node=N, uid="u-2")
    assert to_record(stated).detail == {"uid": "u-2"}
