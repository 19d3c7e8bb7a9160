"""The pages that users see, at 80 columns, of a rollout that has run on the model cluster."""

from __future__ import annotations

from datetime import timedelta

import msgspec
from msgspec.structs import replace
from rich.text import Text

from fleet.app.reporting.explain import NodeEvent, explanation
from fleet.app.rollouts.rollouts import RolloutSummary
from fleet.cli.views import explain as explain_view
from fleet.cli.views import quorum as quorum_view
from fleet.cli.views import status as status_view
from fleet.cli.views.plan.overview import plan_overview
from fleet.cli.views.plan.timeline import plan_timeline
from fleet.cli.views.rollout_page import rollout as rollout_view
from fleet.cli.views.rollout_page.live import stuck
from fleet.core.objects.known_node import KnownNode
from fleet.core.objects.machine import EtcChanges
from fleet.core.objects.node import NodeRef
from fleet.core.planning.estimates import ENOUGH_TO_SPREAD, DurationEstimates
from fleet.core.planning.eta import seconds_left
from fleet.core.planning.plan import Plan
from fleet.core.planning.what_if import WhatIf, WhatIfChange
from fleet.core.quorum.quorum import Link, Member, QuorumRule
from fleet.core.records.held import Held
from fleet.core.records.journal import JournalRecord
from fleet.core.records.reasons.reason import Reason
from fleet.core.reporting.node_state import StatusNode, parts_of
from fleet.core.reporting.node_timeline import NodeTimeline
from fleet.core.reporting.overview import overview
from fleet.core.reporting.selection import Selection, select
from fleet.core.reporting.status import FleetStatus, StatusCluster, StatusPool
from fleet.core.reporting.timeline import Timeline
from fleet.core.reporting.voters import status_of
from fleet.core.rollout.rollout import Rollout
from fleet.core.rollout.steps import RolloutState, StepResult
from fleet.core.text.durations import format_duration
from fleet.lab.simulation.builders import NEW, START, a_group, a_node, a_policy, a_pool
from fleet.planner.planner import make_plan
from fleet.planner.request import PlanRequest
from tests.golden import GoldenFiles
from tests.simulated_rollout import SimulatedRollout
from tests.unit.app.homes import small_cluster
from tests.unit.report.journal_builder import JournalBuilder, a_goal

POLICY = a_policy(a_pool())


def a_plan() -> Plan:
    return make_plan(
        PlanRequest("p-9c41", [small_cluster()], POLICY, ["workers"], NEW, START, DurationEstimates())
    )


class RolloutRun:
    """A rollout of that plan that has run on the model cluster until some second."""

    def __init__(self, seconds: float) -> None:
        self.plan = a_plan()
        self.story = SimulatedRollout([small_cluster()], POLICY)
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
        return rollout_view.RolloutScene(
            self.story.rollout, self.now, self.chronicle.nodes, self.held, since, self.eta
        )

    def past(self, node: StatusNode) -> list[tuple[Rollout, NodeTimeline]]:
        return [(self.story.rollout, self.chronicle.nodes[NodeRef(node.cluster, node.name)])]

    def status(self) -> FleetStatus:
        snapshot = self.story.models["east"].snapshot(self.now)
        machines = {machine.name: machine for machine in snapshot.machines}
        known = [
            KnownNode("east", "fra", node.name, node, machines[node.name], START) for node in snapshot.nodes
        ]
        away = self.now - timedelta(minutes=14)
        clusters = [
            StatusCluster("east", ("fra",), True, self.now, nodes=4),
            StatusCluster("edge-3", ("sin",), False, away, "connection refused", nodes=9),
        ]
        rollouts = [self.story.rollout]
        pods = {node.ref: 3 for node in known}
        return overview(self.now, clusters, known, POLICY, rollouts, self.held, {"r-1": self.eta}, pods=pods)


def shown(view: Text) -> str:
    text = view.plain
    assert all(line == line.rstrip() for line in text.splitlines())
    return text


def test_plan_overview(golden: GoldenFiles) -> None:
    plan = a_plan()
    page = shown(plan_overview(plan, START))
    golden.check(page)
    ends = f"{START + timedelta(seconds=plan.makespan_seconds):%H:%M} UTC"
    assert f" until {ends}" in page.splitlines()[1]


def test_plan_overview_shows_the_whole_hash() -> None:
    """Whoever may write to the database can make another plan with the same short name."""
    whole = f"p-9c41d07e{'0' * 56}"
    lines = shown(plan_overview(replace(a_plan(), plan_id=whole), START)).splitlines()
    assert lines[-2].split() == ["hash", whole]
    assert lines[-1].split()[-1] == "p-9c41d07e"


def test_plan_overview_shows_the_p95_or_why_it_is_unknown(golden: GoldenFiles) -> None:
    def p95(plan: Plan) -> str:
        lines = shown(plan_overview(plan, START)).splitlines()
        return next(line for line in lines if line.startswith("  p95")).split(maxsplit=1)[1]

    plan = a_plan()
    assert plan.assumed is not None and plan.assumed.slow_seconds is not None
    quick, slow = format_duration(plan.assumed.quick_seconds), format_duration(plan.assumed.slow_seconds)
    assert quick in p95(plan) and slow in p95(plan)
    few = replace(plan, assumed=None)
    assert str(ENOUGH_TO_SPREAD) in p95(few)
    measured = replace(few, p95_seconds=24 * 3600.0)
    golden.check("\n".join(map(p95, (plan, few, measured))))


def test_plan_overview_shows_the_best_what_if_change_first(golden: GoldenFiles) -> None:
    plan = a_plan()
    changes = (
        WhatIfChange(
            "budget db/postgres", "raise maxUnavailable to 2", 60, plan.makespan_seconds - 60, 4, "x"
        ),
        WhatIfChange("max_unavailable 2 of pool workers", "raise max_unavailable to 4", 9000, -10, 2, "x"),
    )
    golden.check(shown(plan_overview(replace(plan, what_if=WhatIf(2, changes)), START)))
    golden.check(shown(plan_overview(replace(plan, what_if=WhatIf(0)), START)), "no-change-helps")
    bounded = WhatIfChange(
        "stage.concurrency 2 of pool workers", "raise it to 4", 300, 9, 2, "x", at_most=True
    )
    for name, some in {"one-is-bounded": (changes[1], bounded), "all-are-bounded": (bounded,)}.items():
        golden.check(shown(plan_overview(replace(plan, what_if=WhatIf(1, some)), START)), name)


def test_last_line_of_a_plan_overview(golden: GoldenFiles) -> None:
    def last_line(plan: Plan, age: timedelta = timedelta()) -> str:
        return shown(plan_overview(plan, START + age)).splitlines()[-1]

    plan = a_plan()
    golden.check(last_line(plan, timedelta(hours=5)), "old-plan")
    golden.check(last_line(replace(plan, runs=(), held=())), "nothing-to-do")
    golden.check(last_line(replace(plan, runs=())), "all-held")


def test_nodes_held_for_the_same_reason_share_a_row(golden: GoldenFiles) -> None:
    plan = a_plan()
    (first, *_) = plan.held
    many = tuple(replace(first, node=f"n-{number}") for number in range(40))
    golden.check(shown(plan_overview(replace(plan, held=many), START)))


def test_plan_overview_counts_nodes_that_need_an_operator(golden: GoldenFiles) -> None:
    def summary(plan: Plan) -> str:
        return "\n".join(line for line in shown(plan_overview(plan, START)).splitlines() if "node" in line)

    plan = a_plan()
    golden.check(summary(plan), "two-held")
    (first, *_) = plan.held
    window = Held(Reason.WINDOW, "workers", {"opens": "Sat 22:00"})
    timed = replace(first, reason="window", detail=window.message, remedy="", held=window)
    golden.check(summary(replace(plan, held=(first, timed))), "one-held-and-one-waiting")
    golden.check(summary(replace(plan, held=(timed,))), "one-waiting")
    assert "operator" not in shown(plan_overview(replace(plan, held=(timed,)), START))


def test_plan_timeline(golden: GoldenFiles) -> None:
    plan = a_plan()
    page = shown(plan_timeline(plan))
    golden.check(page)
    begin, end = (START + timedelta(seconds=seconds) for seconds in (plan.runs[0].start, plan.runs[0].end))
    assert page.splitlines()[1].split()[:2] == [f"{begin:%H:%M:%S}", f"{end:%H:%M:%S}"]
    late = replace(plan, start=START + timedelta(hours=14, minutes=59))
    golden.check(shown(plan_timeline(late)), "past-midnight")


def test_status_of_the_fleet(golden: GoldenFiles) -> None:
    run = RolloutRun(100)
    run.eta = 200
    golden.check(shown(status_view.glance(run.status())))


def test_cells_of_a_csv_are_plain_text() -> None:
    changed = EtcChanges(("A hostname", "M ssh/sshd_config"), more=2)
    status = RolloutRun(100).status()
    nodes = (replace(status.nodes[0], etc=changed), replace(status.nodes[0], etc=msgspec.UNSET))
    head, rows = status_view.cells(replace(status, nodes=nodes))
    column = list(head).index("etc")
    assert [row[column] for row in rows] == ["A hostname; M ssh/sshd_config; and 2 more", ""]


def test_pages_name_users_by_their_names() -> None:
    run = RolloutRun(100)
    actor = "ada (token, key 4254, token f67f) as root@desk"
    event = NodeEvent(START, "r-1", "cancelled", f"aborted by {actor}")
    explained = replace(explanation(run.status().nodes[0], run.now, None), history=(event,))
    page = shown(explain_view.whole(explained))
    assert "aborted by ada" in page
    assert "root@desk" not in page
    scene = run.scene()
    scene.rollout.state, scene.rollout.state_by = RolloutState.PAUSED, actor
    page = shown(rollout_view.picture(scene))
    assert "by ada" in page
    assert "root@desk" not in page


def test_drifted_node_of_a_rollout_is_shown_as_drifted_whatever_it_waits_for(golden: GoldenFiles) -> None:
    status = RolloutRun(100).status()
    node = replace(
        status.nodes[0], state="drifted", version="44.dev", held=("pool workers has 2 of 2 nodes out",)
    )
    text = shown(status_view.attention(replace(status, nodes=(node,))))
    golden.check(text)
    assert "2 of 2" not in text


def test_version_skew_is_shown_below_the_fleet(golden: GoldenFiles) -> None:
    skew = "n-1 runs kubelet v1.37.0, which is newer than API server v1.36.3"
    cluster = StatusCluster("east", ("fra",), True, START, skew=(skew,))
    golden.check(shown(status_view.glance(overview(START, [cluster], [], POLICY))))


def test_failed_units_are_shown_below_the_fleet_and_for_their_node(golden: GoldenFiles) -> None:
    run = RolloutRun(3600)
    status = run.status()
    failed = {"n-1": ("smartd.service",), "n-2": ("a.service", "smartd.service")}
    nodes = tuple(
        replace(node, systemd="degraded", failed_units=failed[node.name]) if node.name in failed else node
        for node in status.nodes
    )
    golden.check(shown(status_view.glance(replace(status, nodes=nodes))), "fleet")
    node = next(node for node in nodes if node.name == "n-2")
    explained = explanation(replace(node, layered=("strace",), kernel_arguments="quiet ro"), run.now, None)
    golden.check(shown(explain_view.whole(explained)), "node")
    never_seen = replace(explained, status=replace(explained.status, last_seen=None))
    golden.check(shown(explain_view.whole(never_seen)), "node-never-seen")


def test_quorum_groups_are_shown_below_the_fleet(golden: GoldenFiles) -> None:
    nodes = [a_node(f"cp-{number}") for number in range(3)]
    group = a_group(nodes)
    with_alarm = replace(group, members=(*group.members[:2], replace(group.members[2], alarms=("NOSPACE",))))
    unread = replace(
        group,
        unread="connection refused",
        members=tuple(replace(each, reachable=False) for each in group.members),
    )
    by_pods = replace(
        group, declared=True, members=tuple(replace(each, index=None, leader=False) for each in group.members)
    )
    groups = [status_of(each, "east", QuorumRule()) for each in (group, with_alarm, unread, by_pods)]
    golden.check(shown(status_view.glance(replace(RolloutRun(100).status(), quorums=tuple(groups)))))


def test_members_of_quorum_groups(golden: GoldenFiles) -> None:
    group = a_group([a_node(f"cp-{number}") for number in range(3)], sites="ffn")
    asked = {"seconds": 0.0012, "size": 3 << 20, "version": "3.6.8"}
    learner = Member("m2", group.members[2].node, "n", voter=False, started=False)
    members = (
        replace(group.members[0], **asked),
        replace(group.members[1], **asked | {"index": 98_000}),
        learner,
    )
    links = (Link("f", "n", 0.04), Link("f", "f", 0.0005))
    status = RolloutRun(100).status()
    behind = status_of(replace(group, members=members, links=links), "east", QuorumRule())
    page = shown(quorum_view.members(replace(status, quorums=(behind,))))
    golden.check(page, "a-voter-is-behind")
    assert "commit" not in page, "a commit needs both voters, and one is behind"
    healthy = status_of(replace(group, links=links), "east", QuorumRule())
    golden.check(shown(quorum_view.members(replace(status, quorums=(healthy,)))), "healthy")


def test_attention_shows_why_and_what_to_do(golden: GoldenFiles) -> None:
    golden.check(shown(status_view.attention(select(RolloutRun(100).status(), Selection(attention=True)))))


def test_status_names_the_cluster_again_where_the_site_changes() -> None:
    status = RolloutRun(100).status()
    rows = tuple(StatusPool(site, "west", "workers", 3, 3, NEW.version) for site in ("iad", "iad", "nyc"))
    page = shown(status_view.glance(replace(status, summary=replace(status.summary, pools=rows))))
    assert [line.split()[:3] for line in page.splitlines()[1:4]] == [
        ["iad", "west", "workers"],
        ["workers", "3", "3"],
        ["nyc", "west", "workers"],
    ]


def test_status_without_clusters_shows_how_to_begin(golden: GoldenFiles) -> None:
    golden.check(shown(status_view.glance(overview(START, [], [], POLICY))))


def test_running_rollout(golden: GoldenFiles) -> None:
    golden.check(shown(rollout_view.picture(RolloutRun(100).scene())))


def test_finished_rollout(golden: GoldenFiles) -> None:
    run = RolloutRun(3600)
    golden.check(shown(rollout_view.picture(run.scene())))
    assert stuck(run.story.rollout, run.held)
    assert not stuck(RolloutRun(100).story.rollout, RolloutRun(100).held)


def test_progress_counts_done_nodes_and_shows_failed_and_cancelled_ones(golden: GoldenFiles) -> None:
    journal = JournalBuilder(*(a_goal(f"n-{number}") for number in range(4)))
    journal.upgrade("n-0").upgrade("n-1")
    journal.begin("n-2").turn("n-2", StepResult.DONE).turn("n-2", StepResult.FAILED, why="not drained").turn(
        "n-2", StepResult.DONE
    )
    journal.turn("n-3", StepResult.CANCELLED, why="its node was deleted")
    chronicle = Timeline("r-1")
    chronicle.apply(journal.entries)
    assert chronicle.rollout is not None
    scene = rollout_view.RolloutScene(chronicle.rollout, START, chronicle.nodes)
    golden.check(rollout_view.headline(scene).plain)


def test_explanation_of_a_held_node(golden: GoldenFiles) -> None:
    run = RolloutRun(100)
    node = next(node for node in run.status().nodes if node.name == "n-3")
    ref = NodeRef("east", "n-3")
    part = parts_of([run.story.rollout], run.held)[ref]
    explained = explanation(node, run.now, part, run.held[ref], {}, run.past(node))
    golden.check(shown(explain_view.whole(explained)))


def test_history_of_a_done_node_ends_with_its_proof(golden: GoldenFiles) -> None:
    run = RolloutRun(3600)
    node = next(node for node in run.status().nodes if node.name == "n-1")
    explained = explanation(node, run.now, None, (), {}, run.past(node))
    what = [each.what for each in explained.history]
    assert what[0] == "start" and what[-1] == "done"
    steps = ("cordon", "drain", "reboot", "verify", "uncordon", "soak")
    assert tuple(step for step in what if step in steps) == steps
    golden.check("\n".join(each.message for each in explained.history))


def test_list_of_rollouts_names_users_without_what_proved_them() -> None:
    by = "ada (token, key c13122215814f4d1, token ed89734f54ef45e7) as root@desk"
    row = RolloutSummary(
        *("r-1", "p-1", ("workers",), ("east",), NEW.version, "running", "", by, START, None),
        *(3, 1, 0, 0),
    )
    assert rollout_view.listing([row], START).plain.splitlines()[1].split()[-4:] == ["0s", "ago", "ada", "-"]
    assert rollout_view.listing([replace(row, by="ada@desk")], START).plain.split()[-2:] == ["ada@desk", "-"]
