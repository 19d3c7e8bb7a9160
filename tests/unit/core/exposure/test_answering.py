"""Which nodes are exposed, since when, and what fixes them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from msgspec import json
from msgspec.structs import replace

from fleet.core.exposure.advisory import SecurityAdvisory
from fleet.core.exposure.answering import ComingRelease, ExposureSources, FindComing, FindContents
from fleet.core.exposure.answering import answer as answer_alike
from fleet.core.exposure.contents import ContainedPackage, ReleaseContents
from fleet.core.exposure.declared import VexStatement, read_vex
from fleet.core.exposure.exposed_since import HistoryRow, PastSoftware, SoftwareChange
from fleet.core.exposure.exposure_report import ExposureAnswer, ExposureReport
from fleet.core.exposure.formats.cve_record import AffectedProduct, KernelStatement, VersionEntry
from fleet.core.exposure.question import (
    AdvisoryQuestion,
    ExposureQuestion,
    condition,
    package_question,
    version_condition,
)
from fleet.core.exposure.vex import CONTEXT, openvex
from fleet.core.objects.node import NodeRef
from fleet.core.policy.policy import Policy, Pool
from fleet.core.releases.release import Advisory, Release, Stream
from fleet.core.reporting.node_state import StatusNode
from fleet.core.reporting.overview import each_alone

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
BOOTED = NOW - timedelta(days=40)
OLD, MIDDLE, NEW = (
    Release("1.0", "sha256:1", "6.11.4"),
    Release("1.1", "sha256:2", "6.12.9"),
    Release("1.2", "sha256:3", "6.12.10"),
)
POLICY = Policy(streams=(Stream("stable", (OLD, MIDDLE, NEW)),), pools=(Pool("workers", stream="stable"),))
NODE = StatusNode(
    cluster="east",
    site="fra",
    zone="a",
    pool="workers",
    name="w-1",
    os="Flatcar Container Linux 1.0",
    version="1.0",
    kernel="6.11.4",
    booted="sha256:1",
    staged="",
    target="1.2",
    state="outdated",
    since=BOOTED,
)
FIXED = condition("kernel<6.12.9")
CVE = SecurityAdvisory(
    id="CVE-2026-1",
    format="CVE",
    title="kernel: something",
    aliases=(),
    published=NOW - timedelta(days=10),
    severity="high",
    severity_source="Linux",
    statements=(
        KernelStatement(
            "CVE-2026-1",
            AffectedProduct(
                "Linux", "Linux", "affected", (VersionEntry("6.13", "unaffected", less_than_or_equal="*"),)
            ),
        ),
    ),
)


def nothing(node: NodeRef) -> Sequence[ComingRelease]:
    return ()


class Seen:
    """The history of the node, in the order of time: each entry began at its time, and the last one is the present."""

    def __init__(
        self, *entries: tuple[datetime, PastSoftware], gap: bool = False, first: datetime = BOOTED
    ) -> None:
        self.entries = entries
        self.gap = gap
        self.first = first
        self.asked = 0
        """How often it was asked for changes: each time is a walk through a table."""

    def rows(self, at: datetime) -> dict[NodeRef, HistoryRow]:
        return {NodeRef("east", "w-1"): HistoryRow(1, len(self.entries) - 1)} if self.entries else {}

    def changes(self, rows: Sequence[HistoryRow], after: datetime | None = None) -> dict[int, SoftwareChange]:
        (row,) = rows
        self.asked += 1
        begin, before = self.entries[row.begin][0], row.begin - 1
        if before < 0:
            return {1: SoftwareChange(begin)}
        row_began, software = self.entries[before]
        return {1: SoftwareChange(begin, HistoryRow(1, before), software, row_began, not self.gap)}

    def first_contacts(self) -> dict[str, datetime]:
        return {"east": self.first}


def ran(release: Release) -> PastSoftware:
    return PastSoftware("Flatcar Container Linux 1.0", release.kernel, booted=release)


SEEN = Seen((BOOTED, ran(OLD)))


def asked(
    history: Seen = SEEN,
    coming: FindComing = nothing,
    contents: FindContents = lambda release: None,
    vex: Sequence[VexStatement] = (),
) -> ExposureSources:
    return ExposureSources(coming, history, contents, tuple(vex))


def answer(
    question: ExposureQuestion,
    nodes: Sequence[StatusNode],
    policy: Policy,
    now: datetime,
    sources: ExposureSources,
) -> ExposureAnswer:
    """Returns the answer with a row for each node."""
    return answer_alike(question, each_alone(nodes), policy, now, sources).whole()


EARLIER = BOOTED - timedelta(days=300)
OLDER = Release("0.9", "sha256:0", "6.10.1")


def test_exposure_goes_back_over_affected_releases_that_ran_before() -> None:
    seen = Seen((EARLIER, ran(OLDER)), (BOOTED, ran(OLD)), first=EARLIER - timedelta(days=1))
    (row,) = answer(FIXED, [NODE], POLICY, NOW, asked(seen)).nodes
    assert (row.since, row.at_least, row.days) == (EARLIER, False, 340.0)


def test_exposure_begins_at_least_then_where_the_history_begins() -> None:
    seen = Seen((EARLIER, ran(OLDER)), (BOOTED, ran(OLD)), first=EARLIER)
    (row,) = answer(FIXED, [NODE], POLICY, NOW, asked(seen)).nodes
    assert (row.since, row.at_least) == (EARLIER, True)


def test_exposure_begins_after_a_release_that_was_not_affected() -> None:
    seen = Seen((EARLIER, ran(NEW)), (BOOTED, ran(OLD)))
    (row,) = answer(FIXED, [NODE], POLICY, NOW, asked(seen)).nodes
    assert (row.since, row.at_least) == (BOOTED, False)


def test_exposure_begins_at_least_after_what_cannot_be_judged() -> None:
    seen = Seen((EARLIER, PastSoftware("Flatcar Container Linux 1.0")), (BOOTED, ran(OLD)))
    (row,) = answer(FIXED, [NODE], POLICY, NOW, asked(seen)).nodes
    assert (row.since, row.at_least) == (BOOTED, True)


def test_exposure_begins_anew_with_another_machine_or_after_a_time_without_the_node() -> None:
    seen = Seen((EARLIER, ran(OLDER)), (BOOTED, ran(OLD)), gap=True)
    (row,) = answer(FIXED, [NODE], POLICY, NOW, asked(seen)).nodes
    assert (row.since, row.at_least) == (BOOTED, False)


def test_publication_is_certain_even_where_the_history_begins_before() -> None:
    (row,) = answer(AdvisoryQuestion(CVE), [NODE], POLICY, NOW, asked()).nodes
    assert (row.since, row.at_least) == (CVE.published, False)


def test_what_ran_before_the_publication_is_not_looked_up() -> None:
    assert CVE.published is not None
    upgraded = CVE.published + timedelta(days=1)
    seen = Seen((EARLIER, ran(OLDER)), (BOOTED, ran(OLDER)), (upgraded, ran(OLD)))
    (row,) = answer(AdvisoryQuestion(CVE), [NODE], POLICY, NOW, asked(seen)).nodes
    assert (row.since, row.at_least, seen.asked) == (CVE.published, False, 1)


def test_nobody_was_exposed_before_the_publication() -> None:
    then = BOOTED + timedelta(days=1)
    (row,) = answer(AdvisoryQuestion(CVE), [NODE], POLICY, then, asked()).nodes
    assert (row.state, row.since, row.days) == ("affected", None, None)


def test_without_an_advisory_a_node_is_exposed_since_it_runs_its_release() -> None:
    (row,) = answer(FIXED, [NODE], POLICY, NOW, asked()).nodes
    assert (row.state, row.since, row.days) == ("affected", BOOTED, 40.0)


def test_node_is_exposed_since_the_advisory_was_published_if_that_is_later() -> None:
    (row,) = answer(AdvisoryQuestion(CVE), [NODE], POLICY, NOW, asked()).nodes
    assert (row.since, row.days) == (CVE.published, 10.0)


def test_days_are_unknown_for_a_node_without_history() -> None:
    (row,) = answer(FIXED, [NODE], POLICY, NOW, asked(Seen())).nodes
    assert row.since is None and row.days is None


def test_newest_release_of_the_stream_that_fixes_is_named() -> None:
    (row,) = answer(FIXED, [NODE], POLICY, NOW, asked()).nodes
    assert row.fix is not None
    assert (row.fix.kind, row.fix.version, row.fix.certain) == ("release", "1.2", True)


def test_rollout_is_named_before_a_plan_and_a_plan_before_the_stream() -> None:
    end = NOW + timedelta(hours=2)
    rollout, plan = ComingRelease(MIDDLE, end, rollout="r-1"), ComingRelease(NEW, end, plan="p-1")
    (row,) = answer(FIXED, [NODE], POLICY, NOW, asked(coming=lambda node: (rollout, plan))).nodes
    assert row.fix is not None and (row.fix.kind, row.fix.rollout, row.fix.at) == ("rollout", "r-1", end)
    (row,) = answer(FIXED, [NODE], POLICY, NOW, asked(coming=lambda node: (plan,))).nodes
    assert row.fix is not None and (row.fix.kind, row.fix.plan) == ("plan", "p-1")


def test_rollout_to_an_affected_release_fixes_nothing() -> None:
    rollout = ComingRelease(OLD, NOW, rollout="r-1")
    (row,) = answer(
        condition("kernel<6.12.10"), [NODE], POLICY, NOW, asked(coming=lambda node: (rollout,))
    ).nodes
    assert row.fix is not None and (row.fix.kind, row.fix.version) == ("release", "1.2")


def test_release_without_a_kernel_may_fix() -> None:
    rollout = ComingRelease(Release("1.3", "sha256:4"), None, rollout="r-1")
    (row,) = answer(AdvisoryQuestion(CVE), [NODE], POLICY, NOW, asked(coming=lambda node: (rollout,))).nodes
    assert row.fix is not None
    assert (row.fix.kind, row.fix.certain) == ("rollout", False)


def test_no_release_fixes() -> None:
    (row,) = answer(condition("kernel<7"), [NODE], POLICY, NOW, asked()).nodes
    assert row.fix is not None and row.fix.kind == "none"
    assert answer(FIXED, [replace(NODE, kernel="6.13.1")], POLICY, NOW, asked()).nodes[0].fix is None


def test_stream_that_declares_a_fix_is_believed_for_that_release_and_newer_ones() -> None:
    declared = replace(MIDDLE, advisories=(Advisory("CVE-2026-1"),))
    policy = replace(POLICY, streams=(Stream("stable", (OLD, declared, NEW)),))
    nodes = [
        replace(NODE, version=release.version, booted=release.digest, kernel=release.kernel)
        for release in (OLD, declared, NEW)
    ]
    found = answer(AdvisoryQuestion(CVE), nodes, policy, NOW, asked())
    assert [(row.state, row.reason) for row in found.nodes] == [
        ("affected", "in-range"),
        ("fixed", "declared-fixed"),
        ("fixed", "declared-fixed"),
    ]
    assert found.counts == {"affected": 1, "fixed": 2, "not_affected": 0, "unknown": 0}
    assert found.nodes[0].fix is not None and found.nodes[0].fix.version == "1.2"


def test_openvex_says_per_image_what_is_affected_and_what_to_do() -> None:
    declared = replace(MIDDLE, advisories=(Advisory("CVE-2026-1"),))
    policy = replace(POLICY, streams=(Stream("stable", (OLD, declared)),))
    nodes = [NODE, replace(NODE, name="w-2", version="1.1", booted="sha256:2", kernel="6.12.9")]
    found = answer(AdvisoryQuestion(CVE), nodes, policy, NOW, asked())
    document = openvex(ExposureReport(NOW, (found,)))
    affected, fixed = document["statements"]
    assert (affected["status"], fixed["status"]) == ("affected", "fixed")
    assert affected["action_statement"] and "action_statement" not in fixed
    assert affected["products"][0]["@id"].endswith("@sha256:1")
    assert openvex(ExposureReport(NOW + timedelta(1), (found,)))["@id"] == document["@id"]


def test_openvex_has_what_readers_need_although_it_is_optional() -> None:
    """lib4vex 0.2.3 reads no document without these fields, and only the last product of a statement."""
    nodes = [NODE, replace(NODE, name="w-2", booted="sha256:2")]
    found = answer(AdvisoryQuestion(CVE), nodes, POLICY, NOW, asked())
    document = openvex(ExposureReport(NOW, (found,)))
    assert document["role"] and all(
        one["timestamp"] == document["timestamp"] for one in document["statements"]
    )
    products = [[each["@id"].partition("@")[2] for each in one["products"]] for one in document["statements"]]
    assert products == [["sha256:1"], ["sha256:2"]]


PATCH = "kpatch_6_11_4_1_1"
PATCHED = replace(NODE, live_patches=(PATCH,))


def vex(status: str, *products: str, names: Sequence[str] = ("CVE-2026-1",)) -> list[VexStatement]:
    statements = [
        {"vulnerability": {"name": name}, "status": status, "products": [{"@id": each} for each in products]}
        for name in names
    ]
    document = {"@context": CONTEXT, "@id": "x", "author": "ops", "statements": statements}
    return read_vex(json.encode(document), "own.json")


def test_live_patch_makes_an_affected_kernel_unknown_and_no_other() -> None:
    for question in (FIXED, AdvisoryQuestion(CVE)):
        (row,) = answer(question, [PATCHED], POLICY, NOW, asked()).nodes
        assert (row.state, row.reason, row.since, row.fix) == ("unknown", "live-patched", None, None)
        assert PATCH in row.message
        safe = replace(PATCHED, kernel="6.13.1")
        assert answer(question, [safe], POLICY, NOW, asked()).nodes[0].state != "affected"
    (row,) = answer(version_condition("1.0"), [PATCHED], POLICY, NOW, asked()).nodes
    assert row.state == "affected"


def test_live_patch_whose_fixes_are_declared_makes_a_node_not_affected() -> None:
    declared = asked(vex=vex("fixed", f"pkg:generic/{PATCH}"))
    found = answer(AdvisoryQuestion(CVE), [PATCHED, NODE], POLICY, NOW, declared).nodes
    assert [(row.state, row.reason) for row in found] == [
        ("not_affected", "declared-fixed"),
        ("affected", "in-range"),
    ]
    other = asked(vex=vex("fixed", f"pkg:generic/{PATCH}", names=("CVE-2026-2",)))
    assert answer(AdvisoryQuestion(CVE), [PATCHED], POLICY, NOW, other).nodes[0].state == "unknown"


def test_backport_in_an_image_is_declared_by_its_digest() -> None:
    for product_id in ("pkg:oci/os@sha256%3A1", "sha256:1"):
        declared = asked(vex=vex("not_affected", product_id))
        (row,) = answer(AdvisoryQuestion(CVE), [NODE], POLICY, NOW, declared).nodes
        assert (row.state, row.reason) == ("not_affected", "declared-fixed")
    other = asked(vex=vex("fixed", "pkg:oci/os@sha256%3A2"))
    assert answer(AdvisoryQuestion(CVE), [NODE], POLICY, NOW, other).nodes[0].state == "affected"


def test_what_fleet_writes_as_openvex_is_read_back() -> None:
    written = openvex(
        ExposureReport(
            NOW, (answer(AdvisoryQuestion(CVE), [replace(NODE, kernel="6.13.1")], POLICY, NOW, asked()),)
        )
    )
    declared = asked(vex=read_vex(json.encode(written), "own.json"))
    (row,) = answer(AdvisoryQuestion(CVE), [NODE], POLICY, NOW, declared).nodes
    assert (row.state, row.reason) == ("fixed", "declared-fixed")


@pytest.mark.parametrize("version", ["6.1+deb12", "6.1%2Bdeb12"])
def test_product_is_recognized_whatever_of_its_url_is_encoded(version: str) -> None:
    node = replace(NODE, os="Debian GNU/Linux 12 (bookworm)", booted="", version="", kernel="6.1+deb12")
    declared = asked(vex=vex("fixed", f"pkg:generic/debian-gnu-linux-12-bookworm@{version}"))
    (row,) = answer(AdvisoryQuestion(CVE), [node], POLICY, NOW, declared).nodes
    assert (row.state, row.reason) == ("fixed", "declared-fixed")


def test_one_fixed_vulnerability_of_several_does_not_clear_an_advisory() -> None:
    both = replace(CVE, id="ALSA-1", aliases=("CVE-2026-1", "CVE-2026-2"))
    part = asked(vex=vex("fixed", "sha256:1"))
    assert answer(AdvisoryQuestion(both), [NODE], POLICY, NOW, part).nodes[0].state == "affected"
    whole = asked(vex=vex("fixed", "sha256:1", names=("CVE-2026-1", "CVE-2026-2")))
    assert answer(AdvisoryQuestion(both), [NODE], POLICY, NOW, whole).nodes[0].state == "fixed"
    listed = replace(
        POLICY, streams=(Stream("stable", (replace(OLD, advisories=(Advisory("CVE-2026-1"),)),)),)
    )
    assert answer(AdvisoryQuestion(both), [NODE], listed, NOW, asked()).nodes[0].state == "affected"


def test_package_is_judged_by_the_release_contents_and_so_is_its_fix() -> None:
    versions = {OLD.version: "3.2.2", MIDDLE.version: "3.2.3", NEW.version: "3.2.4"}

    def contents(release: Release) -> ReleaseContents:
        package = ContainedPackage("openssl-libs", f"1:{versions[release.version]}-1.fc41", "rpm")
        return ReleaseContents("sboms/x.json", {"openssl": (package,)})

    (row,) = answer(package_question("openssl<3.2.4"), [NODE], POLICY, NOW, asked(contents=contents)).nodes
    assert (row.state, row.reason) == ("affected", "in-range")
    assert row.fix is not None and (row.fix.version, row.fix.certain) == (NEW.version, True)
    (row,) = answer(package_question("openssl<3.2.4"), [NODE], POLICY, NOW, asked()).nodes
    assert (row.state, row.reason) == ("unknown", "not-reported")
    assert "sboms/1.0.json" in row.message
