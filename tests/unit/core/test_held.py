"""What a user reads where something waits: the message, what ends the wait, and the remedy."""

from __future__ import annotations

import importlib
import pkgutil
import re
from pathlib import Path
from string import Formatter

import pytest

from fleet.core.records import reasons
from fleet.core.records.held import Held
from fleet.core.records.reasons.reason import Reason
from fleet.core.records.reasons.spec import ReasonSpec
from tests.golden import GoldenFiles

SPECS = [reason.spec for reason in Reason]
DOCS = Path(__file__).parents[3] / "docs"
BY_TIME = {
    *(Reason.WINDOW, Reason.FREEZE, Reason.STAGING, Reason.BACKOFF, Reason.TURN, Reason.NODE_ABSENT),
    *(Reason.TERMINATING, Reason.NOT_VERIFIED, Reason.CANARY, Reason.BUDGET, Reason.SNAPSHOT, Reason.LEADER),
    Reason.SILENCE,
}
HEADING = re.compile(r"^#+ (.+)$", re.M)


def anchors(page: str) -> set[str]:
    """As GitHub makes them of the headings of a page of the documentation."""
    headings = HEADING.findall((DOCS / page).read_text())
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_code_names_one_reason() -> None:
    assert [Reason(spec.code).spec for spec in SPECS] == SPECS


def test_every_spec_of_a_subject_is_a_reason() -> None:
    subjects = [
        importlib.import_module(each.name)
        for each in pkgutil.iter_modules(reasons.__path__, f"{reasons.__name__}.")
    ]
    written = [
        each for subject in subjects for each in vars(subject).values() if isinstance(each, ReasonSpec)
    ]
    assert {spec.code for spec in written} <= {spec.code for spec in SPECS}


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.code)
def test_reason_has_a_message_what_opens_it_and_a_heading_of_the_docs(spec: ReasonSpec) -> None:
    assert spec.message and spec.opens
    page, _, anchor = spec.docs.partition("#")
    assert anchor in anchors(page)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.code)
def test_docs_list_every_reason(spec: ReasonSpec) -> None:
    (line,) = [
        each for each in (DOCS / "reasons.md").read_text().splitlines() if f"| `{spec.code}` |" in each
    ]
    assert spec.opens in line and f"({spec.docs})" in line
    assert ("yes" in line.split("|")[2]) == spec.needs_action


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.code)
def test_templates_are_filled(spec: ReasonSpec) -> None:
    fields = {
        name for text in (spec.message, spec.remedy) for _, name, _, _ in Formatter().parse(text) if name
    }
    held = Held(Reason(spec.code), "it", {name: f"<{name}>" for name in fields - {"subject"}})
    for message, template in ((held.message, spec.message), (held.remedy, spec.remedy)):
        assert bool(message) == bool(template) and "?" not in message and "{" not in message


def test_message_and_remedy_of_every_reason(golden: GoldenFiles) -> None:
    golden.check("\n".join(f"{spec.code}\n  {spec.message}\n  -> {spec.remedy}" for spec in SPECS))


@pytest.mark.parametrize("spec", [each for each in SPECS if each.needs_action], ids=lambda spec: spec.code)
def test_reason_that_needs_action_has_a_remedy(spec: ReasonSpec) -> None:
    assert spec.remedy


def test_own_remedy_replaces_the_usual_one() -> None:
    assert Held(Reason.BUDGET, "web/shop", {"advice": "do this"}).remedy == "do this"


def test_reasons_that_time_opens_need_no_action() -> None:
    assert not any(reason.spec.needs_action for reason in BY_TIME)
