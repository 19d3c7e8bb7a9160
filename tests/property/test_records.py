"""Plans and journals from a database that was changed by hand are refused with a message, and never half
understood."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.app.audit.export_verification import verify_file
from fleet.core.planning.estimates import DurationEstimates
from fleet.core.planning.plan import Plan
from fleet.core.records.audit import JournalExport
from fleet.core.records.errors import FleetError, SchemaError, StoreError, TamperedError, UsageError
from fleet.core.records.journal import GENESIS, JournalEntry
from fleet.core.rollout.replay import rollouts_of
from fleet.lab.simulation.builders import NEW, START, a_budget, a_deployment, a_node, a_policy, a_snapshot
from fleet.planner.planner import make_plan
from fleet.planner.request import PlanRequest
from fleet.store import Store
from fleet.store.journal import chain
from fleet.store.journal.signing import PrivateKey
from fleet.store.plans import id_of
from tests.property.odd_values import anything, bent
from tests.simulated_rollout import SimulatedRollout


def a_plan() -> Plan:
    nodes = [a_node(f"n-{number}") for number in range(3)]
    snapshot = a_snapshot(nodes, a_deployment("shop", 3, nodes), [a_budget("shop", 3, 1)])
    return make_plan(PlanRequest("p-1", [snapshot], a_policy(), ["workers"], NEW, START, DurationEstimates()))


def entries() -> list[JournalEntry]:
    """Of a whole rollout, chained."""
    nodes = [a_node("n-0"), a_node("n-1", unschedulable=True), a_node("n-2", pool="others")]
    story = SimulatedRollout([a_snapshot(nodes, a_deployment("shop", 2, nodes))], a_policy())
    story.start()
    story.run(seconds=600)
    found: list[JournalEntry] = []
    for entry in story.entries:
        reported = msgspec.structs.replace(entry, prev_hash=found[-1].hash if found else GENESIS)
        found.append(msgspec.structs.replace(reported, hash=chain.hash_of(reported)))
    return found


def plain(reported: object) -> Any:
    """As a reader of the JSON has it."""
    return json.loads(msgspec.json.encode(reported))


SAVED = msgspec.structs.replace(a_plan(), plan_id=id_of(a_plan()))
PLAN = plain(SAVED)
ENTRIES = entries()
KEY = PrivateKey.new()
EXPORT = JournalExport(
    "fleet journal",
    START,
    tuple(ENTRIES),
    tuple(
        KEY.sign(entry.seq, entry.hash, entry.seq, entry.at)
        for entry in (ENTRIES[len(ENTRIES) // 2], ENTRIES[-1])
    ),
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    found = Store.open(tmp_path_factory.mktemp("store") / "fleet.db")
    assert found.plans.save(a_plan()) == SAVED
    return found


@settings(deadline=timedelta(seconds=5), max_examples=150)
@given(reported=st.one_of(bent(PLAN), anything))
def test_changed_plan_in_the_database_is_read_or_refused(store: Store, reported: Any) -> None:
    with store.database.write("plan") as transaction:
        transaction.run("UPDATE plan SET body = ?, summary = ?", [json.dumps(reported), json.dumps(reported)])
    for ask in (lambda: store.plans.get(SAVED.plan_id).begin(), lambda: store.plans.list()):
        try:
            ask()
        except StoreError as refused:
            assert "plan" in refused.message and len(refused.message) < 1000


def test_journal_is_read() -> None:
    assert not rollouts_of(ENTRIES)["r-1"].runs.keys() ^ rollouts_of(ENTRIES[:1])["r-1"].runs.keys()
    assert len(ENTRIES) > 20


@settings(deadline=timedelta(seconds=5), max_examples=300)
@given(st.data())
def test_journal_with_an_odd_record_is_replayed_or_refused(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(ENTRIES) - 1))
    reported = data.draw(bent(plain(ENTRIES[at].record)))
    try:
        record = msgspec.convert(reported, type(ENTRIES[at].record))
    except msgspec.ValidationError:
        return
    odd = [*ENTRIES[:at], msgspec.structs.replace(ENTRIES[at], record=record), *ENTRIES[at + 1 :]]
    try:
        rollouts_of(odd)
    except TamperedError as refused:
        assert f"entry {at + 1}" in refused.message or "entry" in refused.message
        assert len(refused.message) < 1000
    except SchemaError as refused:
        # Only another kind may be one of a newer fleet.
        assert record.kind and (record.form, record.kind) != (
            ENTRIES[at].record.form,
            ENTRIES[at].record.kind,
        )
        assert f"entry {at + 1} " in refused.message


def test_entry_without_a_kind_was_written_by_no_fleet() -> None:
    step = next(at for at, entry in enumerate(ENTRIES) if entry.record.kind == "step")
    nameless = msgspec.structs.replace(ENTRIES[step].record, kind="")
    odd = [*ENTRIES[:step], msgspec.structs.replace(ENTRIES[step], record=nameless), *ENTRIES[step + 1 :]]
    with pytest.raises(TamperedError):
        rollouts_of(odd)


def checked(reported: Any) -> list[str]:
    """What is found in a file with that in it; a refusal of the whole file is a finding too."""
    with TemporaryDirectory() as folder:
        file, key = Path(folder) / "export.json", Path(folder) / "key"
        file.write_bytes(reported if isinstance(reported, bytes) else json.dumps(reported).encode())
        key.write_text(KEY.public.pem)
        try:
            return [finding.message for finding in verify_file(file, [key]).findings]
        except UsageError as refused:
            return [refused.message]


def test_valid_export_verifies() -> None:
    assert checked(plain(EXPORT)) == []


@settings(deadline=timedelta(seconds=5), max_examples=300)
@given(st.data())
def test_any_change_of_an_export_is_found(data: st.DataObject) -> None:
    """All of it but the moment of the export, and that a checkpoint before the last is there, is under the signature."""
    good = plain(EXPORT)
    part = data.draw(st.sampled_from(("entries", "checkpoints")))
    reported = data.draw(bent(good[part]))
    if part == "checkpoints":
        message = [each for each in reported if each in good[part]]
        if message == reported and good[part][-1] in reported:
            return
    elif reported == good[part]:
        return
    assert checked({**good, part: reported})


@settings(deadline=timedelta(seconds=5))
@given(st.one_of(st.binary(max_size=200), anything.map(lambda reported: json.dumps(reported).encode())))
def test_any_file_is_handled(content: bytes) -> None:
    assert checked(content)


@settings(deadline=timedelta(seconds=5))
@given(bent(plain(EXPORT)))
def test_any_changed_export_is_handled(reported: Any) -> None:
    try:
        checked(reported)
    except FleetError as refused:
        raise AssertionError("only refusals of the file itself") from refused
