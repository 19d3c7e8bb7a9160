"""The report of a span: made from a real journal, signed, verified; whatever is changed in it is found."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from fleet.app.audit import page_signature, report_verification, signing
from fleet.app.audit.export_verification import verify_content
from fleet.app.audit.keys import keys_of
from fleet.app.audit.report_verification import verify_report
from fleet.app.reporting.period import report_of_span, with_signature
from fleet.app.reporting.report import report as report_of_rollout
from fleet.app.reporting.report import with_evidence
from fleet.app.wiring.home import Home
from fleet.cli.main import run
from fleet.cli.report import markdown, period_page, period_text, table
from fleet.core import schemas
from fleet.core.records.errors import UsageError
from fleet.core.reporting.period import span
from fleet.core.reporting.period.compliance import Compliance, ComplianceException, ExceptionCause
from fleet.core.reporting.period.deadline import PCI_DSS
from fleet.core.reporting.period.oscal import assessment_results
from fleet.core.reporting.period.period_report import PeriodReport
from fleet.lab.simulation.builders import NEW, START, a_deployment, a_node, a_snapshot
from fleet.store.journal.signing import PrivateKey, PublicKey
from tests.unit.app.finished import a_fast_home, carried_out
from tests.unit.app.homes import POLICY
from tests.unit.report.test_page import Reader

QUARTER = span.quarter("2026Q4")
DATED = POLICY.replace(f"kernel: {NEW.kernel}}}", f"kernel: {NEW.kernel}, released: 2026-11-01}}")
SCHEMA = Path(__file__).parents[1] / "report" / "oscal_assessment_results.json"
Content = dict[str, Any]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Two nodes of pool workers, upgraded on 2 November, and one node that no pool has."""
    nodes = [a_node("n-1"), a_node("n-2"), a_node("other", pool="gpu")]
    snapshot = a_snapshot(nodes, a_deployment("shop", 2, nodes[:2]))
    found = a_fast_home(tmp_path_factory.mktemp("period") / "home", snapshot, policy=DATED)
    signing.keygen(found)
    carried_out(found)
    return Home(found.path)


@pytest.fixture(scope="module")
def report(home: Home) -> PeriodReport:
    return with_signature(home, report_of_span(home, QUARTER, (), PCI_DSS))


def key(home: Home) -> PublicKey:
    return PublicKey.read(keys_of(home).public)


def signed_page(home: Home, report: PeriodReport) -> bytes:
    private = PrivateKey.read(keys_of(home).private)
    return page_signature.signed(period_page.page(report), private, msgspec.json.encode(report)).encode()


def test_it_says_who_did_what_and_how_soon(report: PeriodReport) -> None:
    (rollout,) = report.rollouts
    assert (rollout.rollout, rollout.counts.done, rollout.counts.proven) == ("r-1", 2, 2)
    assert all(run.proof is not None and run.steps for run in rollout.runs)
    assert rollout.entries == ()
    assert (report.totals.rollouts, report.totals.nodes, report.totals.done) == (1, 2, 2)
    (new, old) = report.compliance.releases
    assert (new.version, new.counts.open, new.max_days) == (NEW.version, 0, new.median_days)
    assert old.counted_from is None
    # Due on 1 December, and met on 2 November.
    assert (report.compliance.counts.due, report.compliance.counts.in_time) == (2, 2)
    assert report.compliance.exposed_at_end == 0
    assert report.compliance.nodes == 2
    assert [(each.node, each.why) for each in report.unseen.nodes] == [("other", "no-pool")]
    assert report.unseen.boots == ()


def test_it_is_the_same_whoever_reads_the_same_journal(home: Home, report: PeriodReport) -> None:
    again = with_signature(home, report_of_span(home, QUARTER, (), PCI_DSS))
    assert again == report


def test_a_pool_has_its_own_nodes_alone(home: Home) -> None:
    found = report_of_span(home, QUARTER, ["workers"], PCI_DSS)
    assert found.totals.nodes == 2 and found.unseen.nodes == ()
    with pytest.raises(UsageError, match="the policy has no pool worker"):
        report_of_span(home, QUARTER, ["worker"], PCI_DSS)


def test_a_span_without_rollouts_is_a_report_too(home: Home) -> None:
    found = report_of_span(home, span.quarter("2026Q3"), (), PCI_DSS)
    assert found.rollouts == () and found.totals.runs == 0
    for words in (period_text.text(found), period_page.page(found), markdown.period(found)):
        assert "Nothing was due in 2026Q3" in words
    with pytest.raises(UsageError, match="2027Q1 has not begun"):
        report_of_span(home, span.quarter("2027Q1"), (), PCI_DSS)


def test_as_json_it_meets_its_schema(report: PeriodReport) -> None:
    jsonschema.validate(
        json.loads(msgspec.json.encode(report)),
        schemas.schema("period-report"),
        jsonschema.Draft202012Validator,
    )


def leaves(content: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    for name, value in list(content.items() if isinstance(content, dict) else enumerate(content)):
        if isinstance(value, dict | list) and value:
            yield from leaves(value, f"{path}.{name}")
        else:
            yield f"{path}.{name}", content, name


def another(value: Any) -> Any:
    match value:
        case bool():
            return not value
        case int() | float():
            return value + 1
        case str():
            return value + "1"
        case None:
            return 1
        case _:
            return [1]


def test_a_change_of_any_figure_of_the_json_is_found(
    home: Home, report: PeriodReport, tmp_path: Path
) -> None:
    content = json.loads(msgspec.json.encode(report))
    file = tmp_path / "q.json"
    file.write_text(json.dumps(content))
    assert verify_report(file, [keys_of(home).public]).findings == ()
    changed = 0
    for path, holder, name in leaves(content):
        before = holder[name]
        holder[name] = another(before)
        assert report_verification.period_findings(content, [key(home)]), path
        holder[name] = before
        changed += 1
    assert changed > 300
    for more in ("approved_by", "kind2"):
        assert report_verification.period_findings({**content, more: "x"}, [key(home)])
    assert report_verification.period_findings(content, [key(home)]) == ()


def test_a_change_of_any_letter_of_the_page_is_found(home: Home, report: PeriodReport) -> None:
    page = signed_page(home, report)
    assert list(page_signature.findings(page, [key(home)])) == []
    text = bytearray(page)
    figures = [match.start() for match in re.finditer(rb"[0-9]", page)]
    assert len(figures) > 1000
    for place in figures:
        before = text[place]
        text[place] = ord("1") if before == ord("0") else before - 1
        assert list(page_signature.findings(bytes(text), [key(home)])), place
        text[place] = before


COMPUTED = ("span", "pools", "totals", "compliance", "rollouts", "commands", "freezes")
"""The keys whose values follow from the journal and the evidence."""


def test_every_figure_is_computed_again_from_the_journal(home: Home, report: PeriodReport) -> None:
    """Also where whoever has changed the report has signed it again."""
    entries = list(home.store.journal.entries())
    content = json.loads(msgspec.json.encode(report))
    assert list(report_verification.figure_findings(content, entries)) == []
    unnamed = []
    figures = [each for each in leaves(content) if each[0].split(".")[1] in COMPUTED]
    for path, holder, name in figures:
        before = holder[name]
        holder[name] = another(before)
        found = list(report_verification.figure_findings(content, entries))
        assert found, path
        # What identifies an element of a list is not named by its key: such an element is removed and another added.
        if not any(str(name) in each.message or str(before) in each.message for each in found):
            unnamed.append(path)
        holder[name] = before
    assert len(figures) > 250 and unnamed == []


def test_the_journal_gives_the_figure_that_was_changed(home: Home, report: PeriodReport) -> None:
    entries = list(home.store.journal.entries())
    content = json.loads(msgspec.json.encode(report))
    content["compliance"]["counts"]["in_time"] = 3
    content["totals"]["evictions"] += 1
    found = [each.message for each in report_verification.figure_findings(content, entries)]
    assert found[0].startswith("totals.evictions: the journal gives")
    assert found[1] == "compliance.counts.in_time: the journal gives 2, the report has 3"


def test_evidence_that_does_not_fit_the_figures_is_found(home: Home, report: PeriodReport) -> None:
    entries = list(home.store.journal.entries())
    content = json.loads(msgspec.json.encode(report))
    for seen in content["evidence"]["nodes"]:
        seen["pool"] = "elsewhere"
    found = [each.message for each in report_verification.figure_findings(content, entries)]
    assert any(each.startswith("compliance.nodes: the journal gives 0") for each in found)
    del content["evidence"]
    (refused,) = report_verification.figure_findings(content, entries)
    assert "no evidence" in refused.message


def test_a_journal_that_goes_on_gives_the_same_figures(
    home: Home, report: PeriodReport, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    export, public = tmp_path / "journal.json", keys_of(home).public
    assert run(["--home", str(home.path), "audit", "export", "-o", str(export)]) == 0
    for name, whole in (("q.json", msgspec.json.encode(report)), ("q.html", signed_page(home, report))):
        file = tmp_path / name
        file.write_bytes(whole)
        line = ["report", "verify", str(file), "--key", str(public)]
        assert run([*line, "--journal", str(export)]) == 0
        assert "Every figure follows from the entries" in capsys.readouterr().out
        assert run(line) == 0
        assert "Every figure" not in capsys.readouterr().out
        assert run([*line, "--journal", str(tmp_path / "q.json")]) == 2
    changed = json.loads(export.read_text())
    changed["entries"][1]["actor"] = "eve"
    export.write_text(json.dumps(changed))
    assert run([*line, "--journal", str(export)]) == 4
    assert "the journal: " in capsys.readouterr().out


def test_a_change_of_any_figure_of_one_rollout_is_found(home: Home, tmp_path: Path) -> None:
    content = json.loads(msgspec.json.encode(with_evidence(home, report_of_rollout(home, "r-1"))))
    file = tmp_path / "r.json"

    def found() -> Any:
        return verify_content(content, file, [key(home)]).findings

    assert found() == ()
    figures = [each for each in leaves(content) if each[0].split(".")[1] not in ("entries", "others")]
    assert len(figures) > 200
    for path, holder, name in figures:
        before = holder[name]
        holder[name] = another(before)
        assert found(), path
        holder[name] = before


def test_the_page_of_one_rollout_is_made_again_from_its_entries(home: Home, tmp_path: Path) -> None:
    file, public = tmp_path / "r.html", str(keys_of(home).public)
    assert run(["--home", str(home.path), "report", "r-1", "-o", "html", "-f", str(file)]) == 0
    assert verify_report(file, [keys_of(home).public]).what == "page, report of r-1"
    made = with_evidence(home, report_of_rollout(home, "r-1"))
    wrong = msgspec.structs.replace(made, by="eve@desk", signature=None)
    private = PrivateKey.read(keys_of(home).private)
    signed = page_signature.signed(
        "<!doctype html>", private, msgspec.json.encode(private.sign_report(wrong))
    )
    file.write_text(signed)
    assert run(["report", "verify", str(file), "--key", public]) == 4


def test_the_journal_of_another_fleet_gives_other_figures(report: PeriodReport) -> None:
    content = json.loads(msgspec.json.encode(report))
    found = [each.message for each in report_verification.figure_findings(content, [])]
    assert any(each.startswith("journal.last_hash: ") for each in found)
    assert "totals.rollouts: the journal gives 0, the report has 1" in found


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda page: page + b"<p>approved</p>", "unsigned"),
        (lambda page: page[: page.rfind(b"<!-- fleet")], "unsigned"),
        (lambda page: page.replace(b"</main>", b"<p>approved</p></main>"), "forged"),
        (lambda page: page + page[page.rfind(b"<!-- fleet") :], "forged"),
    ],
)
def test_what_is_added_to_a_page_is_found(home: Home, report: PeriodReport, change: Any, what: str) -> None:
    page = signed_page(home, report)
    assert [each.what for each in page_signature.findings(change(page), [key(home)])] == [what]


def test_another_key_proves_nothing(report: PeriodReport) -> None:
    stranger = PrivateKey.new()
    content = json.loads(msgspec.json.encode(report))
    found = report_verification.period_findings(content, [stranger.public])
    assert {each.what for each in found} == {"forged"}
    page = page_signature.signed("<!doctype html>", stranger, b"{}").encode()
    assert list(page_signature.findings(page, [stranger.public])) == []


def test_the_page_fetches_nothing_and_is_whole(report: PeriodReport) -> None:
    page = period_page.page(report)
    reader = Reader(page)
    assert reader.wrong == [] and reader.open == []
    assert not any(each.get("href", "").startswith("http") for each in reader.all("a"))
    idents = [attributes["id"] for _, attributes in reader.elements if "id" in attributes]
    assert len(idents) == len(set(idents))
    targets = {each["href"][1:] for each in reader.all("a") if each["href"].startswith("#")}
    assert targets <= set(idents)


def test_the_csv_has_a_line_for_each_run(report: PeriodReport) -> None:
    rows = list(csv.DictReader(io.StringIO(table.csv_of(report.rollouts))))
    assert [(row["node"], row["ending"]) for row in rows] == [("n-1", "done"), ("n-2", "done")]
    assert all(row["boot_id_before"] != row["boot_id_after"] and row["digest"] == NEW.digest for row in rows)


def test_words_of_a_machine_make_no_markdown(report: PeriodReport) -> None:
    (rollout,) = report.rollouts
    evil = msgspec.structs.replace(rollout, by="@all | [x](http://x) <b>\n# x")
    words = markdown.period(msgspec.structs.replace(report, rollouts=(evil,)))
    assert r"\@all \| \[x\](http://x) \<b\>" in words
    assert "\n# x" not in words


def test_oscal_meets_the_schema_of_nist(report: PeriodReport) -> None:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    later = msgspec.structs.replace(report, compliance=_with_exceptions(report))
    for each in (report, later):
        document = json.loads(json.dumps(assessment_results(each)))
        assert list(oscal_errors(schema, document)) == []
    result = document["assessment-results"]["results"][0]
    assert [each["target"]["status"]["state"] for each in result["findings"]] == ["not-satisfied"]
    assert result["findings"][0]["related-observations"]
    del document["assessment-results"]["metadata"]["oscal-version"]
    assert list(oscal_errors(schema, document))


def test_an_exception_satisfies_no_objective(report: PeriodReport) -> None:
    new, old = report.compliance.releases
    counts = msgspec.structs.replace(new.counts, due=2, in_time=0, excepted=2, share=0.0)
    excepted = (msgspec.structs.replace(new, counts=counts), old)
    compliance = msgspec.structs.replace(report.compliance, releases=excepted)
    document = assessment_results(msgspec.structs.replace(report, compliance=compliance))
    (finding,) = document["assessment-results"]["results"][0]["findings"]
    assert finding["target"]["status"]["state"] == "not-satisfied"
    assert "2 excepted" in finding["description"]


def oscal_errors(schema: Content, document: Content) -> Iterator[str]:
    """NIST's patterns name classes of Unicode, which Python's `re` does not know."""
    text = json.dumps(schema).replace(r"\\p{L}", r"[^\\W\\d_]").replace(r"\\p{N}", r"\\d")
    validator = jsonschema.Draft7Validator(json.loads(text))
    yield from (each.message for each in validator.iter_errors(document))


def _with_exceptions(report: PeriodReport) -> Compliance:
    """As if the nodes had been late."""
    new, old = report.compliance.releases
    counts = msgspec.structs.replace(new.counts, due=2, late=2, share=0.0)
    cause = ExceptionCause("freeze", "freeze x")
    node = ComplianceException("east", "n-1", "workers", new.version, START, "late", START, 1.0, (cause,))
    return msgspec.structs.replace(
        report.compliance,
        releases=(msgspec.structs.replace(new, counts=counts), old),
        exceptions=(node,),
    )


@pytest.mark.parametrize("output", ["text", "json", "html", "csv", "markdown", "oscal"])
def test_every_form_is_written(home: Home, tmp_path: Path, output: str) -> None:
    file = tmp_path / f"report.{output}"
    line = [
        "--home",
        str(home.path),
        "report",
        "--fleet",
        "--quarter",
        "2026Q4",
        "-o",
        output,
        "-f",
        str(file),
    ]
    assert run(line) == 0
    assert file.stat().st_size > 500


def test_the_command_verifies_and_compares(
    home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    begin = ["--home", str(home.path), "report"]
    public = str(keys_of(home).public)
    for form in ("json", "html"):
        file = tmp_path / f"q.{form}"
        assert run([*begin, "--pool", "workers", "--from", "2026-11-01", "-o", form, "-f", str(file)]) == 0
        assert run(["report", "verify", str(file), "--key", public]) == 0
        file.write_bytes(
            file.read_bytes().replace(b"2 nodes", b"3 nodes").replace(b'"done": 2', b'"done": 3')
        )
        assert run(["report", "verify", str(file), "--key", public]) == 4
    file = tmp_path / "r.json"
    assert run([*begin, "r-1", "-o", "json", "-f", str(file)]) == 0
    assert run(["report", "verify", str(file), "--key", public]) == 0
    assert run(["report", "diff", str(file), str(file)]) == 0
    other = tmp_path / "other.json"
    other.write_text(file.read_text().replace('"state": "finished"', '"state": "aborted"'))
    capsys.readouterr()
    assert run(["report", "diff", str(file), str(other)]) == 4
    assert capsys.readouterr().out == "state: finished -> aborted\n"
    assert run(["report", "diff", str(file), str(tmp_path / "q.json")]) == 2


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (["r-1", "--fleet"], "a report is either of r-1 or of a span of time"),
        (["--fleet", "--pool", "workers"], "--fleet is all pools, and --pool names some"),
        (["--quarter", "2026Q5"], "expected a quarter such as 2026Q4, found '2026Q5'"),
        (
            ["--quarter", "2026Q4", "--to", "2026-10-01"],
            "expected either --quarter, or --from and --to, found both",
        ),
        (["--to", "2026-10-01"], "expected --from beside --to, found none"),
        (["--from", "2026-13-01"], "expected a day such as 2026-10-01, found '2026-13-01'"),
        (["--fleet", "--within", "soon"], "--within: expected pci-dss or a number of days"),
        (["r-1", "-o", "oscal"], "OSCAL assessment results are of a span of time"),
        (["--fleet", "--within", "7", "--counted-from", "yesterday"], "yesterday"),
    ],
)
def test_wrong_options_are_refused(
    home: Home, capsys: pytest.CaptureFixture[str], line: list[str], words: str
) -> None:
    assert run(["--home", str(home.path), "report", *line]) == 2
    assert words in capsys.readouterr().err


def test_without_a_browser_a_pdf_is_refused(
    home: Home, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    line = ["--home", str(home.path), "report", "--fleet", "-o", "pdf", "-f", str(tmp_path / "x.pdf")]
    assert run(line) == 2
    assert "PDF needs Chromium, and there is none on the PATH" in capsys.readouterr().err
    assert not (tmp_path / "x.pdf").exists()


def test_other_files_are_refused(home: Home, tmp_path: Path) -> None:
    public = [keys_of(home).public]
    file = tmp_path / "x"
    file.write_text("rollout,plan\n")
    with pytest.raises(UsageError, match="no other form carries a signature"):
        verify_report(file, public)
    file.write_text('{"kind": "fleet journal", "entries": []}')
    with pytest.raises(UsageError, match="is no report"):
        verify_report(file, public)
    with pytest.raises(UsageError, match="cannot be read"):
        verify_report(tmp_path / "none", public)


def test_a_boot_that_no_rollout_asked_for_is_named(tmp_path: Path) -> None:
    home = a_fast_home(tmp_path / "home", policy=DATED)
    nodes = home.store.inventory
    snapshot = a_snapshot([a_node("n-1"), a_node("n-2")])
    nodes.sync(snapshot, at=START, source="sync")
    again = a_snapshot([a_node("n-1", boot_id="another"), a_node("n-2")])
    nodes.sync(again, at=datetime(2026, 11, 2, 9, 0, 1, tzinfo=UTC), source="sync")
    nodes.sync(
        a_snapshot([a_node("n-1", boot_id="another")]),
        at=datetime(2026, 11, 2, 9, 0, 2, tzinfo=UTC),
        source="sync",
    )
    assert nodes.ends() == {("east", "n-2"): datetime(2026, 11, 2, 9, 0, 2, tzinfo=UTC)}
    found = report_of_span(home, QUARTER, (), PCI_DSS)
    assert [(each.node, each.boot_id) for each in found.unseen.boots] == [("n-1", "another")]
    assert [(each.node, each.why) for each in found.unseen.nodes] == [("n-1", "no-rollout")]
    assert found.unseen.history_since is None
