"""What people see, at 80 columns, on a rollout that really was played on a model."""

from __future__ import annotations

from datetime import timedelta
from textwrap import dedent

import msgspec
from msgspec.structs import replace
from rich.text import Text

from fleet.app.reporting.explain import explanation
from fleet.cli.views import explain as explain_view
from fleet.cli.views import quorum as quorum_view
from fleet.cli.views import rollout as rollout_view
from fleet.cli.views import status as status_view
from fleet.cli.views.live import stuck
from fleet.cli.views.plan.overview import plan_overview
from fleet.cli.views.plan.timeline import plan_timeline
from fleet.core.objects.node import NodeRef
from fleet.core.planning.estimates import ENOUGH_TO_SPREAD, DurationEstimates
from fleet.core.planning.eta import seconds_left
from fleet.core.planning.plan import Plan
from fleet.core.planning.what_if import WhatIf, WhatIfChange
from fleet.core.quorum.quorum import Link, Member, QuorumRule
from fleet.core.records.held import Held
from fleet.core.records.journal import JournalRecord
from fleet.core.records.reasons.reason import Reason
from fleet.core.reporting.node_state import KnownNode, parts_of
from fleet.core.reporting.overview import overview
from fleet.core.reporting.selection import Selection, select
from fleet.core.reporting.status import FleetStatus, StatusCluster
from fleet.core.reporting.timeline import Timeline
from fleet.core.reporting.voters import status_of
from fleet.core.rollout.steps import StepResult
from fleet.core.text.durations import format_duration
from fleet.lab.simulation.builders import NEW, START, a_group, a_node, a_policy, a_pool
from fleet.planner.planner import make_plan
from fleet.planner.request import PlanRequest
from tests.story import Story
from tests.unit.app.homes import small_cluster
from tests.unit.report.telling import Telling, a_goal

POLICY = a_policy(a_pool())


def a_plan() -> Plan:
    return make_plan(
        PlanRequest("p-9c41", [small_cluster()], POLICY, ["workers"], NEW, START, DurationEstimates())
    )


class Played:
    """A rollout of that plan, as far as some second."""

    def __init__(self, seconds: float) -> None:
        self.plan = a_plan()
        self.story = Story([small_cluster()], POLICY)
        detail = msgspec.to_builtins(self.plan.begin())
        self.story.command(JournalRecord(form="command", kind="start", rollout="r-1", detail=detail))
        self.story.run(until=lambda: self.story.at >= seconds)
        self.chronicle = Timeline("r-1")
        self.chronicle.apply(self.story.entries)
        self.now = self.story.now
        self.held: dict[NodeRef, tuple[Held, ...]] = {
            ref: held for ref in self.story.rollout.runs if (held := self.story.engine.why(ref, self.now))
        }
        self.eta = seconds_left(self.story.rollout, self.plan, self.now)

    def scene(self) -> rollout_view.RolloutScene:
        since = dict.fromkeys(self.held, self.now - timedelta(seconds=41))
        return rollout_view.RolloutScene(self.chronicle, self.now, self.held, since, self.eta)

    def status(self) -> FleetStatus:
        snapshot = self.story.models["east"].snapshot(self.now)
        machines = {machine.name: machine for machine in snapshot.machines}
        known = [
            KnownNode("east", "fra", node.name, node, machines[node.name], 3, START, self.now)
            for node in snapshot.nodes
        ]
        away = self.now - timedelta(minutes=14)
        clusters = [
            StatusCluster("east", ("fra",), True, self.now, nodes=4),
            StatusCluster("edge-3", ("sin",), False, away, "connection refused", nodes=9),
        ]
        rollouts = [self.story.rollout]
        return overview(self.now, clusters, known, POLICY, rollouts, self.held, {"r-1": self.eta})


def shown(view: Text) -> str:
    text = view.plain
    assert all(line == line.rstrip() for line in text.splitlines())
    return text


def expected(text: str) -> str:
    return dedent(text).strip("\n")


def test_a_plan_says_how_long_what_bounds_it_and_what_is_held() -> None:
    plan = a_plan()
    lines = shown(plan_overview(plan, START)).splitlines()
    assert lines[0] == "Plan p-9c41 for 4 nodes of pool workers in east: 44.20261015.3.0 -> 44.20261101.3.0"
    assert [line.split()[0] for line in lines[1:8] if "(stage" not in line] == [
        *("takes", "p95", "bound", "moves", "times", "held"),
    ]
    ends = f"{START + timedelta(seconds=plan.makespan_seconds):%H:%M} UTC"
    assert f" until {ends}" in lines[1]
    assert lines[6].split(maxsplit=1)[1] == "assumed: stage 1m, reboot 1m 30s, pod stop 5s, pod start 10s"
    assert "    n-2  cordoned, not by fleet" in lines
    assert "         -> kubectl uncordon it if nobody works on it" in lines
    assert any(line.startswith("    n-3  budget web/checkout allows no disruption") for line in lines)
    assert lines[-2].split() == ["hash", "p-9c41"]
    assert lines[-1] == "Start it: fleet rollout start p-9c41"


def test_a_plan_is_shown_with_its_whole_hash() -> None:
    """Of the short name that is typed somebody who may write to the database can make another plan."""
    whole = f"p-9c41d07e{'0' * 56}"
    lines = shown(plan_overview(replace(a_plan(), plan_id=whole), START)).splitlines()
    assert lines[-2].split() == ["hash", whole]
    assert lines[-1] == "Start it: fleet rollout start p-9c41d07e"


def test_a_plan_tells_its_p95_or_how_far_off_it_may_be() -> None:
    def told(plan: Plan) -> str:
        lines = shown(plan_overview(plan, START)).splitlines()
        return next(line for line in lines if line.startswith("  p95")).split(maxsplit=1)[1]

    plan = a_plan()
    assert plan.assumed is not None and plan.assumed.slow_seconds is not None
    quick, slow = format_duration(plan.assumed.quick_seconds), format_duration(plan.assumed.slow_seconds)
    assert told(plan).startswith(
        f"unknown: it takes {quick} if all that was never measured is quick, {slow} if it is slow"
    )
    assert "reboot 5s to 10m" in shown(plan_overview(plan, START))
    few = replace(plan, assumed=None)
    assert told(few) == f"unknown: fewer than {ENOUGH_TO_SPREAD} runs are measured"
    assert told(replace(few, p95_seconds=24 * 3600.0)) == "1d until Tue 03 Nov 09:00 UTC"


def test_what_would_help_is_told_best_first() -> None:
    plan = a_plan()
    changes = (
        WhatIfChange(
            "budget db/postgres", "raise maxUnavailable to 2", 60, plan.makespan_seconds - 60, 4, "x"
        ),
        WhatIfChange("max_unavailable 2 of pool workers", "raise max_unavailable to 4", 9000, -10, 2, "x"),
    )
    lines = shown(
        plan_overview(msgspec.structs.replace(plan, what_if=WhatIf(2, changes)), START)
    ).splitlines()
    told = next(line for line in lines if line.startswith("  what if"))
    assert "bound by budget db/postgres: raise maxUnavailable to 2 and the plan takes " in told
    assert told.endswith("less")
    assert lines.index(told) + 2 == next(
        index
        for index, line in enumerate(lines)
        if line.startswith("    budget db/postgres: raise maxUnavailable to 2")
    )
    assert lines[lines.index(told) + 3].endswith("nothing")
    none = shown(plan_overview(msgspec.structs.replace(plan, what_if=WhatIf(0)), START))
    assert "nothing that can be loosened binds it" in none


def test_a_plan_that_is_old_says_so_and_one_without_runs_says_why() -> None:
    plan = a_plan()
    later = shown(plan_overview(plan, START + timedelta(hours=5)))
    assert later.endswith("Start it: fleet rollout start p-9c41 (made 5h ago, 09:00 UTC)")
    nothing = msgspec.structs.replace(plan, runs=(), held=())
    assert shown(plan_overview(nothing, START)).endswith(f"every node of the pool runs {NEW.version}.")
    held = msgspec.structs.replace(plan, runs=())
    assert shown(plan_overview(held, START)).endswith("Nothing can start: every node is held.")


def test_nodes_held_for_the_same_reason_are_told_together() -> None:
    plan = a_plan()
    (first, *_) = plan.held
    many = tuple(msgspec.structs.replace(first, node=f"n-{number}") for number in range(40))
    text = shown(plan_overview(msgspec.structs.replace(plan, held=many), START))
    assert "n-0 and 39 more  " in text
    assert "n-17" not in text


def test_a_plan_says_who_needs_an_operator_and_who_waits_for_time() -> None:
    plan = a_plan()
    assert "2 nodes need an operator" in shown(plan_overview(plan, START))
    (first, *_) = plan.held
    window = Held(Reason.WINDOW, "workers", {"opens": "Sat 22:00"})
    timed = msgspec.structs.replace(first, reason="window", detail=window.message, remedy="", held=window)
    text = shown(plan_overview(msgspec.structs.replace(plan, held=(first, timed)), START))
    assert "1 node needs an operator, 1 node waits for what passes by itself" in text
    alone = shown(plan_overview(msgspec.structs.replace(plan, held=(timed,)), START))
    assert "operator" not in alone


def test_a_timeline_has_a_row_for_each_node_in_the_order_they_go() -> None:
    plan = a_plan()
    lines = shown(plan_timeline(plan)).splitlines()
    head = "START UTC END UTC NODE CLUSTER ZONE STAGE DRAIN REBOOT SOAK PODS"
    assert " ".join(lines[0].split()) == head
    begin, end = (START + timedelta(seconds=seconds) for seconds in (plan.runs[0].start, plan.runs[0].end))
    assert lines[1].split()[:2] == [f"{begin:%H:%M:%S}", f"{end:%H:%M:%S}"]
    assert [line.split()[2] for line in lines[1:-1]] == ["n-1", "n-4", "n-3", "n-2"]
    assert lines[3].split()[0] == "held" and lines[3].endswith("budget-never")
    late = replace(plan, start=START + timedelta(hours=14, minutes=59))
    assert "03 Nov 00:0" in shown(plan_timeline(late)), "the next day is told"


def test_the_fleet_at_a_glance() -> None:
    played = Played(100)
    played.eta = 200
    assert shown(status_view.glance(played.status())) == expected("""
        SITE  CLUSTER  POOL     NODES  PATCHED  TARGET           ROLLOUT      ETA
        fra   east     workers      4   0   0%  44.20261101.3.0  r-1 running  3m 20s
        sin   edge-3   -            9        ?  unreachable 14m: connection refused
        Kernel: 4 on 6.11.4
        Attention: 2 nodes held, 1 cluster unreachable (fleet status --attention)
    """)


def test_a_drifted_node_in_a_rollout_is_told_as_drifted_whatever_it_waits_for() -> None:
    status = Played(100).status()
    node = replace(
        status.nodes[0], state="drifted", version="44.dev", held=("pool workers has 2 of 2 nodes out",)
    )
    text = shown(status_view.attention(replace(status, nodes=(node,))))
    assert "44.dev is no release of its stream" in text and "2 of 2" not in text


def test_versions_that_are_too_far_apart_are_told_below_the_fleet() -> None:
    words = "n-1 runs kubelet v1.37.0, which is newer than API server v1.36.3"
    cluster = StatusCluster("east", ("fra",), True, START, skew=(words,))
    status = overview(START, [cluster], [], POLICY)
    text = " ".join(shown(status_view.glance(status)).split())
    assert f"Skew: east: {words} (fleet lint)" in text


def test_units_that_have_failed_are_told_below_the_fleet_and_of_their_node() -> None:
    played = Played(3600)
    status = played.status()
    ill = {"n-1": ("smartd.service",), "n-2": ("a.service", "smartd.service")}
    nodes = tuple(
        replace(node, systemd="degraded", failed_units=ill[node.name]) if node.name in ill else node
        for node in status.nodes
    )
    text = shown(status_view.glance(replace(status, nodes=nodes)))
    assert (
        "Units:  failed on 2 nodes: smartd.service on 2, a.service on 1 (fleet status -o json)"
        in text.splitlines()
    )
    node = next(node for node in nodes if node.name == "n-2")
    told = explanation(replace(node, layered=("strace",), kernel_arguments="quiet ro"), played.now, None)
    lines = shown(explain_view.whole(told)).splitlines()
    assert lines[-3:] == [
        "  systemd degraded; failed: a.service, smartd.service",
        "  layered on the release: strace",
        "  kernel arguments: quiet ro",
    ]
    unseen = replace(told, status=replace(told.status, last_seen=None))
    assert "never seen" in shown(explain_view.whole(unseen)) and "never ago" not in shown(
        explain_view.whole(unseen)
    )


def test_quorum_groups_are_told_below_the_fleet() -> None:
    nodes = [a_node(f"cp-{number}") for number in range(3)]
    group = a_group(nodes)
    ill = replace(group, members=(*group.members[:2], replace(group.members[2], alarms=("NOSPACE",))))
    unread = replace(
        group,
        unread="connection refused",
        members=tuple(replace(each, reachable=False) for each in group.members),
    )
    quiet = replace(
        group, declared=True, members=tuple(replace(each, index=None, leader=False) for each in group.members)
    )
    told = [status_of(each, "east", QuorumRule()) for each in (group, ill, unread, quiet)]
    status = replace(Played(100).status(), quorums=tuple(told))
    lines = [line for line in shown(status_view.glance(status)).splitlines() if line.startswith("Quorum")]
    assert lines == [
        "Quorum: etcd, 3 of 3 voters healthy, 2 needed, m0 (cp-0) leads",
        "Quorum: etcd, 2 of 3 voters healthy, 2 needed, m0 (cp-0) leads; m2 has alarm NOSPACE",
        "Quorum: etcd, 0 of 3 voters healthy, 2 needed; not read: connection refused",
        "Quorum: etcd, 3 of 3 voters healthy, 2 needed, by its pods alone",
    ]


def test_each_member_of_a_quorum_group_has_a_row() -> None:
    group = a_group([a_node(f"cp-{number}") for number in range(3)], sites="ffn")
    asked = {"seconds": 0.0012, "size": 3 << 20, "version": "3.6.8"}
    new = Member("m2", group.members[2].node, "n", voter=False, started=False)
    members = (
        replace(group.members[0], **asked),
        replace(group.members[1], **asked | {"index": 98_000}),
        new,
    )
    links = (Link("f", "n", 0.04), Link("f", "f", 0.0005))
    told = status_of(replace(group, members=members, links=links), "east", QuorumRule())
    lines = shown(quorum_view.members(replace(Played(100).status(), quorums=(told,)))).splitlines()
    # One of the two voters that there are is not in step: nothing is told of commits.
    assert [" ".join(line.split()) for line in lines] == [
        "GROUP MEMBER NODE SITE ROLE INDEX BEHIND SIZE VERSION ANSWERS",
        "etcd m0 cp-0 f leader 100,000 0 3.0 MiB 3.6.8 1.2 ms",
        "m1 cp-1 f voter 98,000 2,000 3.0 MiB 3.6.8 1.2 ms is 2000 entries behind",
        "m2 cp-2 n learner - - - - - has not joined yet",
    ]
    well = status_of(replace(group, links=links), "east", QuorumRule())
    lines = shown(quorum_view.members(replace(Played(100).status(), quorums=(well,)))).splitlines()
    assert lines[-1] == "etcd: a commit takes 0.5 ms; f-n 40.0 ms"


def test_attention_says_why_and_what_to_do() -> None:
    status = select(Played(100).status(), Selection(attention=True))
    lines = shown(status_view.attention(status)).splitlines()
    assert lines[0] == "edge-3  unreachable 14m: connection refused (last seen 08:47 UTC)"
    assert [line.split()[0] for line in lines[3:5]] == ["n-2", "n-3"]
    assert lines[-1] == "  -> fleet explain n-2 says what to do"


def test_a_fleet_without_clusters_says_how_to_begin() -> None:
    text = shown(status_view.glance(overview(START, [], [], POLICY)))
    assert text.splitlines()[1] == "  -> fleet cluster add NAME --kubeconfig FILE --site SITE"


def test_a_rollout_shows_its_counts_its_work_and_what_waits() -> None:
    lines = shown(rollout_view.picture(Played(100).scene())).splitlines()
    assert lines[0].startswith("r-1  workers -> 44.20261101.3.0  [----------------]  0/4  ETA ")
    assert lines[1].startswith("  wait 1   reboot 1   done 0   failed 0   held 2")
    assert lines[2].startswith("  n-1  reboot  ")
    assert any(line.startswith("  n-2 waits 41s: cordoned, not by fleet") for line in lines)


def test_at_its_end_it_says_how_the_last_node_went_and_who_is_left() -> None:
    played = Played(3600)
    lines = shown(rollout_view.picture(played.scene())).splitlines()
    assert "[########--------]  2/4" in lines[0]
    assert lines[-1].startswith("  last: n-4 done in ") and lines[-1].endswith("kernel 6.12.9")
    assert stuck(played.story.rollout, played.held)
    assert not stuck(Played(100).story.rollout, Played(100).held)


def test_progress_counts_what_is_done_and_shows_failed_and_cancelled_beside_it() -> None:
    told = Telling(*(a_goal(f"n-{number}") for number in range(4)))
    told.upgrade("n-0").upgrade("n-1")
    told.begin("n-2").turn("n-2", StepResult.DONE).turn("n-2", StepResult.FAILED, why="not drained").turn(
        "n-2", StepResult.DONE
    )
    told.turn("n-3", StepResult.CANCELLED, why="its node was deleted")
    chronicle = Timeline("r-1")
    chronicle.apply(told.entries)
    assert (
        "[########xxxxxxxx]  2/4" in rollout_view.headline(rollout_view.RolloutScene(chronicle, START)).plain
    )


def test_an_explanation_numbers_its_reasons_and_says_what_to_do_about_each() -> None:
    played = Played(100)
    node = next(node for node in played.status().nodes if node.name == "n-3")
    ref = NodeRef("east", "n-3")
    part = parts_of([played.story.rollout], played.held)[ref]
    told = explanation(node, played.now, part, played.held[ref], {}, [played.chronicle])
    lines = shown(explain_view.whole(told)).splitlines()
    assert lines[0].startswith("n-3 (east, zone a, pool workers) waits: step ")
    assert lines[1].startswith("  1. budget web/checkout allows no disruption")
    assert lines[2].startswith("     -> scale web/checkout up")
    assert "History (UTC):" in lines


def test_the_history_of_a_done_node_ends_with_its_proof() -> None:
    played = Played(3600)
    node = next(node for node in played.status().nodes if node.name == "n-1")
    told = explanation(node, played.now, None, (), {}, [played.chronicle])
    what = [each.what for each in told.history]
    assert what[0] == "start" and what[-1] == "done"
    assert [step for step in what if step in ("cordon", "drain", "reboot", "verify", "uncordon", "soak")] == [
        *("cordon", "drain", "reboot", "verify", "uncordon", "soak")
    ]
    assert "boot id boot-n-1 -> " in told.history[-1].message
