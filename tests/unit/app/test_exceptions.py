"""Exceptions by command: asked for by one user, granted by another, listed, revoked, and in the report."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from fleet.app.approvals.exceptions import exceptions, grant, request, revoke
from fleet.app.reporting.period import report_of_span
from fleet.app.wiring.home import Home
from fleet.app.wiring.refresh import refresh
from fleet.cli.main import run
from fleet.cli.report import markdown, period_page, period_text
from fleet.core.approval.exceptions import PatchException
from fleet.core.records.errors import HeldError, NotAllowedError, UsageError
from fleet.core.reporting.period.compliance import PunctualityCounts
from fleet.core.reporting.period.deadline import Deadline
from fleet.core.reporting.period.span import quarter_of
from fleet.lab.simulation.builders import NEW, START, a_node, a_snapshot
from tests.unit.app.users import a_home_with_users, acting


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Two nodes of the pool workers, whose newest release is of the day before yesterday."""
    found = a_home_with_users(tmp_path / "home", a_snapshot([a_node("n-1"), a_node("n-2")]))
    days_ago = found.now() - timedelta(days=2)
    dated = found.policy_file.read_text().replace(
        f"kernel: {NEW.kernel}}}", f"kernel: {NEW.kernel}, released: {days_ago:%Y-%m-%d}}}"
    )
    assert "released" in dated
    found.policy_file.write_text(dated)
    refresh(found, ["east"])
    return Home(found.path)


def asked(home: Home, **changes: object) -> PatchException:
    facts: dict[str, object] = {
        "nodes": ["east/n-1"],
        "pools": [],
        "version": NEW.version,
        "until": home.now() + timedelta(days=20),
        "owner": "storage",
        "reason": "the driver does not run there",
    }
    with acting(home, "ada"):
        return request(home, **(facts | changes))  # type: ignore[arg-type]


def test_one_user_asks_and_another_grants(home: Home) -> None:
    assert asked(home).state(home.now()) == "requested"
    with acting(home, "ada"), pytest.raises(NotAllowedError, match="nobody grants their own"):
        grant(home, "x-1")
    with acting(home, "bob"), pytest.raises(NotAllowedError, match="approver"):
        grant(home, "x-1")
    with acting(home, "eve"):
        found = grant(home, "x-1", "for a month")
    assert (found.state(home.now()), found.author.name) == ("in force", "ada")
    assert found.approver is not None and found.approver.name == "eve"
    with acting(home, "eve"), pytest.raises(HeldError, match="in force already, granted by eve"):
        grant(home, "x-1")
    with acting(home, "bob"):
        revoke(home, "x-1", "fixed")
        with pytest.raises(HeldError):
            revoke(home, "x-1", "again")
    assert [each.state(home.now()) for each in exceptions(home).values()] == ["revoked"]


def test_of_two_grants_at_the_same_moment_one_is_refused(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    asked(home)
    journal = home.store.journal
    append = journal.append

    def after_a_rival(*arguments: Any, **others: Any) -> Any:
        monkeypatch.setattr(journal, "append", append)
        with acting(home, "kim", "board"):
            grant(home, "x-1")
        return append(*arguments, **others)

    monkeypatch.setattr(journal, "append", after_a_rival)
    with acting(home, "eve"), pytest.raises(HeldError, match="in force already, granted by kim"):
        grant(home, "x-1")
    assert [entry.record.kind for entry in journal.entries()].count("exception-granted") == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"nodes": []}, "for nodes or for pools"),
        ({"nodes": ["east/n-9"]}, "east/n-9 is no node that fleet knows"),
        ({"nodes": [], "pools": ["worker"]}, "no pool worker"),
        ({"version": "99"}, "no stream of the policy has the release 99"),
        ({"reason": " "}, "an owner and a reason"),
        ({"until": START - timedelta(days=900)}, "lapses after now"),
        ({"until": START + timedelta(days=9000)}, "lapses after now and within 366 days"),
    ],
)
def test_what_cannot_be_is_refused(home: Home, changes: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        asked(home, **changes)
    assert not exceptions(home)


def test_the_report_counts_it_apart_and_says_who_decided(home: Home) -> None:
    asked(home)
    with acting(home, "eve"):
        grant(home, "x-1")
    # Due a day ago: nothing was granted then. In a month the exception was there before.
    for days, counts in ((1, (2, 0)), (30, (0, 0))):
        made = report_of_span(home, quarter_of(home.now()), (), Deadline(f"{days} days", days))
        assert (made.compliance.counts.overdue, made.compliance.counts.excepted) == counts
        (granted,) = made.compliance.granted
        assert (granted.id, granted.approver, granted.state) == ("x-1", "eve", "in force")
        for text in (period_text.text(made), period_page.page(made), markdown.period(made)):
            plain = " ".join(text.replace("\\", "").split())
            assert "Exceptions that users decided on" in plain
            assert "asked for by ada" in plain and "granted by eve" in plain and "lapses in 20.0 d" in plain
    assert [each.granted for each in made.compliance.exceptions] == []


def test_every_form_has_a_column_for_excepted_nodes(home: Home) -> None:
    made = report_of_span(home, quarter_of(home.now()), (), Deadline("30 days", 30))
    counts = PunctualityCounts(due=3, in_time=1, late=0, overdue=0, open=0, share=0.333333, excepted=2)
    releases = tuple(replace(each, counts=counts) for each in made.compliance.releases if each.due)
    excepted = replace(made, compliance=replace(made.compliance, counts=counts, releases=releases))
    for text in (period_text.text, period_page.page, markdown.period):
        assert "excepted" in text(excepted).lower() and "33.3%" in text(excepted)
    assert max(map(len, period_text.text(excepted).splitlines())) <= 80
    assert "excepted" not in period_text.text(made)


def test_the_commands(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    begin = ["--home", str(home.path), "exception"]
    until = f"{home.now() + timedelta(days=5):%Y-%m-%d}"
    line = ["--pool", "workers", "--until", until, "--owner", "storage", "--reason", "why"]
    with acting(home, "bob"):
        assert run([*begin, "request", *line]) == 0
        assert "not in force yet" in capsys.readouterr().out
    with acting(home, "eve"):
        assert run([*begin, "grant", "x-1"]) == 0
    assert run([*begin, "list"]) == 0
    told = capsys.readouterr().out
    assert "in force" in told and "pool workers" in told and "asked for by bob, granted by eve" in told
    assert "lapses in 4d" in told
    assert run([*begin, "list", "-o", "json"]) == 0
    with acting(home, "bob"):
        assert run([*begin, "revoke", "x-1", "--reason", "fixed"]) == 0
        assert run([*begin, "request", "--pool", "workers", "--until", "soon", *line[4:]]) == 2
        assert run([*begin, "grant", "x-9"]) != 0
    assert "--until: expected a day such as" in capsys.readouterr().err
