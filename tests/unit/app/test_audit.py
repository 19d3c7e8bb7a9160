"""Keys, checkpoints, and files that prove themselves: whatever is done to them is found, and named."""

from __future__ import annotations

import copy
import json
import logging
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fleet.app.audit import notary, signing, verification
from fleet.app.audit.export_verification import verify_file
from fleet.app.audit.keys import keys_of
from fleet.app.reporting.report import report, with_evidence
from fleet.app.rollouts.run import run as work
from fleet.app.wiring.home import Home
from fleet.cli.main import run
from fleet.core.records.errors import TamperedError, UsageError
from fleet.core.records.journal import GENESIS, JournalEntry, JournalRecord
from fleet.core.records.requests import RequestKind
from fleet.core.reporting.report import Report
from fleet.drivers.journal.checkpoints import keep
from fleet.lab.simulation.builders import NEW, OLD
from fleet.store.journal import chain
from fleet.store.journal.signing import PrivateKey
from tests.store.raw import raw
from tests.unit.app.finished import a_fast_home, carried_out
from tests.unit.app.homes import a_home, a_started_rollout

Told = dict[str, Any]
Tampering = Callable[[Told], None]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Its key was made before the rollout; the controller has signed."""
    found = a_fast_home(tmp_path_factory.mktemp("audit") / "home")
    signing.keygen(found)
    carried_out(found)
    return found


@pytest.fixture(scope="module")
def exported(home: Home) -> bytes:
    return msgspec.json.encode(verification.export(home))


@pytest.fixture(scope="module")
def signed_report(home: Home) -> bytes:
    return msgspec.json.encode(with_evidence(home, report(home, "r-1")))


def found(path: Path, home: Home, content: bytes | Told) -> list[tuple[int, str]]:
    file = path / "file.json"
    file.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return [(each.seq, each.what) for each in verify_file(file, [keys_of(home).public]).findings]


def test_keys_are_generated_once_and_the_private_key_is_private(tmp_path: Path) -> None:
    home = a_home(tmp_path / "home")
    a_started_rollout(home)
    keys, public, signed = signing.keygen(home)
    assert stat.S_IMODE(keys.private.stat().st_mode) == 0o600
    assert keys.public.read_text() == public.pem
    assert signed is not None and signed.seq == 1
    before = keys.private.read_bytes()
    with pytest.raises(UsageError, match="a key exists already"):
        signing.keygen(home)
    keys.private.unlink()
    with pytest.raises(UsageError, match="a key exists already"):
        signing.keygen(home)
    assert b"PRIVATE" in before and not keys.private.exists()


def test_missing_private_key_stops_the_signing(tmp_path: Path) -> None:
    home = a_home(tmp_path / "home")
    a_started_rollout(home)
    keys, _, _ = signing.keygen(home)
    made = report(home, "r-1")
    keys.private.unlink()
    for dangles in (False, True):
        if dangles:
            keys.private.symlink_to(tmp_path / "nowhere")
        for refused in (
            signing.checkpoint,
            verification.export,
            lambda home: with_evidence(home, made),
            a_notary,
        ):
            with pytest.raises(UsageError, match=str(keys.private)):
                refused(home)
    assert verification.verify(home).findings == ()


def a_notary(home: Home) -> notary.HomeNotary | None:
    return notary.notary_of(home)


def test_interrupted_keygen_is_completed_by_the_next(tmp_path: Path) -> None:
    home = a_home(tmp_path / "home")
    a_started_rollout(home)
    keys, public, _ = signing.keygen(home)
    private = keys.private.read_bytes()
    keys.public.unlink()
    for refused in (verification.verify, signing.checkpoint, verification.export):
        with pytest.raises(UsageError, match="public half of"):
            refused(home)
    again, same, _ = signing.keygen(home)
    assert (same.id, again.private.read_bytes()) == (public.id, private)
    assert verification.verify(home).signatures
    assert [path.name for path in keys.private.parent.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("half", ["private", "public"])
def test_empty_key_file_never_counts_as_verified(tmp_path: Path, half: str) -> None:
    home = a_home(tmp_path / "home")
    a_started_rollout(home)
    keys, _, _ = signing.keygen(home)
    path: Path = getattr(keys, half)
    path.write_bytes(b"")
    calls = [signing.checkpoint, verification.export, *([verification.verify] if half == "public" else [])]
    for refused in calls:
        with pytest.raises(UsageError, match=f"{path} has no {half} key"):
            refused(home)


def test_checkpoints_without_a_public_key_are_an_error(tmp_path: Path) -> None:
    home = a_home(tmp_path / "home")
    a_started_rollout(home)
    keys, _, _ = signing.keygen(home)
    elsewhere = keys.public.rename(tmp_path / "kept.pem")
    keys.private.unlink()
    with pytest.raises(UsageError) as refused:
        verification.verify(home)
    assert "--key" in (refused.value.hint or "")
    assert verification.verify(home, [elsewhere]).findings == ()


def test_public_key_of_another_pair_signs_nothing(tmp_path: Path) -> None:
    home = a_home(tmp_path / "home")
    a_started_rollout(home)
    keys, _, _ = signing.keygen(home)
    keys.public.write_text(PrivateKey.new().public.pem)
    with pytest.raises(UsageError, match="is not the public half"):
        signing.checkpoint(home)


def test_without_a_key_nothing_is_signed_and_the_remedy_is_shown(tmp_path: Path) -> None:
    home = a_home(tmp_path / "home")
    with pytest.raises(UsageError) as refused:
        signing.checkpoint(home)
    assert refused.value.hint == "fleet audit keygen creates a key"
    signing.keygen(home)
    with pytest.raises(UsageError, match="nothing to sign"):
        signing.checkpoint(home)


def test_controller_signs_when_a_rollout_has_ended(home: Home) -> None:
    (finish,) = [entry for entry in home.store.journal.entries() if entry.record.kind == "finish"]
    newest = home.store.checkpoints.newest()
    assert newest is not None and newest.seq >= finish.seq
    checked = verification.verify(home)
    assert (checked.findings, checked.signatures) == ((), True)
    assert checked.proven == home.store.journal.count()
    lines = keys_of(home).copies.read_bytes().splitlines()
    assert [msgspec.json.decode(line, type=type(newest)) for line in lines] == home.store.checkpoints.all()


def warnings(caplog: pytest.LogCaptureFixture, arguments: str) -> list[str]:
    """What a controller has warned of, whatever it logs beside that."""
    found = [each for each in caplog.records if each.levelno == logging.WARNING]
    return [each.getMessage() for each in found if arguments in each.getMessage()]


def test_controller_warns_once_about_a_tampered_journal_and_continues(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    home = a_fast_home(tmp_path / "home")
    a_started_rollout(home)
    signing.keygen(home)
    with raw(home.database) as database:
        database.execute("UPDATE journal SET actor = 'nobody@nowhere'")
        # Another one, whatever it begins with.
        database.execute("UPDATE journal SET hash = iif(hash LIKE 'f%', '0', 'f') || substr(hash, 2)")
    work(home, print, until_idle=True)
    assert len(warnings(caplog, "tampered with: it is not signed")) == 1
    assert "finish" in [entry.record.kind for entry in home.store.journal.entries()]


def test_controller_continues_when_the_checkpoint_copies_cannot_be_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    home = a_fast_home(tmp_path / "home")
    a_started_rollout(home)
    signing.keygen(home)
    copies = keys_of(home).copies
    copies.unlink()
    copies.mkdir()
    work(home, print, until_idle=True)
    assert len(warnings(caplog, str(copies))) == 1
    assert "finish" in [entry.record.kind for entry in home.store.journal.entries()]


def test_truncated_database_is_found_by_the_checkpoint_copy_beside_the_key(
    tmp_path: Path,
) -> None:
    home = a_home(tmp_path / "home")
    a_started_rollout(home)
    signing.keygen(home)
    home.store.journal.append([JournalRecord("command", "pause", "r-1")], at=home.now(), actor="ada@desk")
    kept = tmp_path / "kept.jsonl"
    kept.write_bytes(msgspec.json.encode(signing.checkpoint(home)) + b"\n")
    with raw(home.database) as database:
        database.execute("DELETE FROM journal WHERE seq = 2")
        database.execute("DELETE FROM signed_checkpoint WHERE seq = 2")
        database.execute("UPDATE checkpoint SET seq = 1, count = 1, hash = (SELECT hash FROM journal)")
    expected = [(2, "removed"), (2, "truncated")]
    assert [(each.seq, each.what) for each in verification.verify(home).findings] == expected
    keys_of(home).copies.unlink()
    assert verification.verify(home).findings == (), "nobody has kept anything"
    assert [(each.seq, each.what) for each in verification.verify(home, kept=[kept]).findings] == expected


def test_journal_rewritten_with_its_checkpoints_is_not_signed_again(tmp_path: Path) -> None:
    """Everything in the database is of another fleet and consistent; the copy beside the key is not."""
    home = a_fast_home(tmp_path / "home")
    signing.keygen(home)
    carried_out(home)
    assert report(home, "r-1").journal.verdict.verified
    results = msgspec.to_builtins({"entries": list(home.store.journal.entries())})
    written_anew(results)
    with raw(home.database) as database:
        for each in results["entries"]:
            arguments = [each["actor"], each["prev_hash"], each["hash"], each["seq"]]
            database.execute("UPDATE journal SET actor = ?, prev_hash = ?, hash = ? WHERE seq = ?", arguments)
        database.execute("UPDATE checkpoint SET hash = ?", [results["entries"][-1]["hash"]])
        database.execute("DELETE FROM signed_checkpoint")
    for refused in (signing.checkpoint, verification.export):
        with pytest.raises(TamperedError):
            refused(home)
    made = with_evidence(home, report(home, "r-1"))
    assert (made.journal.verdict.verified, made.signature, made.checkpoints) == (False, None, ())
    assert home.store.checkpoints.all() == []


def test_restored_database_is_signed_once_a_user_has_moved_the_later_checkpoints_away(
    tmp_path: Path,
) -> None:
    home = a_home(tmp_path / "home")
    signing.keygen(home)
    a_started_rollout(home)
    signing.checkpoint(home)
    with raw(home.database) as database:
        for table in ("journal", "checkpoint", "signed_checkpoint"):
            database.execute(f"DELETE FROM {table}")
    home.store.journal.append([JournalRecord("decision", "note", "r-0")], at=home.now(), actor="ada@desk")
    with pytest.raises(TamperedError) as refused:
        signing.checkpoint(home)
    copies = keys_of(home).copies
    assert str(copies) in (refused.value.hint or "")
    kept = copies.rename(tmp_path / "kept.jsonl")
    assert signing.checkpoint(home).seq == 1
    assert [each.what for each in verification.verify(home, kept=[kept]).findings] == ["removed", "rewritten"]


@pytest.mark.parametrize("what", ["detail = '[]'", "at = 'x'", "seq = 'x'", "actor = x'ff'", "hash = 7"])
def test_entry_that_fleet_did_not_write_is_found_and_hides_no_other_finding(
    tmp_path: Path, what: str
) -> None:
    home = a_home(tmp_path / "home")
    signing.keygen(home)
    a_started_rollout(home)
    for number in range(3):
        note = JournalRecord("decision", "note", "r-1", detail={"number": number})
        home.store.journal.append([note], at=home.now(), actor="ada@desk")
    signing.checkpoint(home)
    with raw(home.database) as database:
        database.execute("UPDATE journal SET actor = 'nobody@nowhere' WHERE seq = 2")
        database.execute(f"UPDATE journal SET {what} WHERE seq = 4")
    found = verification.verify(home).findings
    assert (2, "changed") in [(each.seq, each.what) for each in found] and len(found) > 1
    assert run(["--home", str(home.path), "audit", "verify"]) == 4


@pytest.mark.parametrize(
    ("change", "arguments"),
    [
        ("UPDATE journal SET node = 'x' WHERE seq = (SELECT max(seq) FROM journal)", ["report"]),
        ("UPDATE journal SET node = 'x' WHERE seq = (SELECT max(seq) FROM journal)", ["explain", "n-1"]),
        ("UPDATE fleet_schema SET version_num = '-1'", ["status"]),
        ("UPDATE cluster SET name = x'00ff'", ["status"]),
        ("UPDATE cluster SET name = x'00ff'", ["cluster", "list"]),
    ],
)
def test_row_that_fleet_did_not_write_is_no_bug_of_fleet(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], change: str, arguments: list[str]
) -> None:
    home = a_fast_home(tmp_path / "home")
    carried_out(home)
    with raw(home.database) as database:
        database.execute(change)
    run(["--home", str(home.path), *arguments])
    message = "".join(capsys.readouterr())
    assert message and "bug in fleet" not in message


def test_edited_state_of_a_rollout_is_found(tmp_path: Path) -> None:
    home = a_fast_home(tmp_path / "home")
    carried_out(home)
    keep(home.store.journal, home.store.folds, home.now(), "ada@desk", enough=1)
    assert verification.verify(home).findings == ()
    with raw(home.database) as database:
        database.execute(
            'UPDATE fold SET body = replace(body, \'"state":"finished"\', \'"state":"running"\')'
        )
    (finding,) = [each for each in verification.verify(home).findings if each.what == "changed"]
    assert finding.seq == home.store.journal.count() - 1


def test_unsigned_journal_proves_nothing_for_a_key(tmp_path: Path) -> None:
    home = a_home(tmp_path / "home")
    a_started_rollout(home)
    key = tmp_path / "key"
    key.write_text(PrivateKey.new().public.pem)
    assert verification.verify(home).findings == ()
    assert [(each.seq, each.what) for each in verification.verify(home, [key]).findings] == [(1, "unsigned")]


def test_emptied_database_proves_nothing_for_a_key(tmp_path: Path) -> None:
    home = a_home(tmp_path / "home")
    key = tmp_path / "key"
    key.write_text(PrivateKey.new().public.pem)
    assert verification.verify(home).findings == ()
    assert [(each.seq, each.what) for each in verification.verify(home, [key]).findings] == [(0, "unsigned")]


def test_export_is_verified_with_itself_and_the_public_key_alone(
    tmp_path: Path, home: Home, exported: bytes
) -> None:
    """Another process, an empty home, no database: as on another machine."""
    (tmp_path / "export.json").write_bytes(exported)
    (tmp_path / "key.pub").write_text(keys_of(home).public.read_text())
    arguments = [
        "audit",
        "verify",
        "--file",
        "export.json",
        "--key",
        "key.pub",
        "--home",
        str(tmp_path / "none"),
    ]
    done = subprocess.run(
        [sys.executable, "-m", "fleet.cli", *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert f"The journal is intact and signed: entries 1 to {home.store.journal.count()}." in done.stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == ["export.json", "key.pub"]


def test_export_moves_no_cursor_and_still_verifies(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = a_home(tmp_path / "home")
    keys, _, _ = signing.keygen(home)
    odd = JournalRecord(
        "outcome", "drain", "r-1", detail={"detail": "refused\u202e\x9b2J by \U000e0041a webhook"}
    )
    home.store.journal.append([odd], at=home.now(), actor="ada@desk")
    for arguments, file in ((["audit", "export"], "out"), (["audit", "export", "-o", "file"], "file")):
        assert (
            run(
                [
                    "--home",
                    str(home.path),
                    *(str(tmp_path / each) if each == "file" else each for each in arguments),
                ]
            )
            == 0
        )
        results = capsys.readouterr().out or (tmp_path / file).read_text()
        assert all(each.isprintable() or each == "\n" for each in results)
        (tmp_path / file).write_text(results)
        assert verify_file(tmp_path / file, [keys.public]).findings == ()


def test_truncated_export_is_verified_up_to_its_end(tmp_path: Path) -> None:
    """A file that is cut back to an earlier checkpoint is a true journal of that moment, and no later one."""
    home = a_home(tmp_path / "home")
    keys, _, _ = signing.keygen(home)
    home.store.journal.append([JournalRecord("decision", "note", "r-0")], at=home.now(), actor="ada@desk")
    first = signing.checkpoint(home)
    results = msgspec.to_builtins(verification.export(home)) | {"at": "2036-01-01T00:00:00Z"}
    (tmp_path / "file").write_text(json.dumps(results))
    evidence = verify_file(tmp_path / "file", [keys.public])
    assert (evidence.findings, evidence.last, evidence.signed_at) == ((), 1, first.at)


def test_exported_journal_and_report_verify(
    tmp_path: Path, home: Home, exported: bytes, signed_report: bytes
) -> None:
    assert found(tmp_path, home, exported) == []
    assert found(tmp_path, home, signed_report) == []


def test_other_notation_of_numbers_is_the_same_file(tmp_path: Path, home: Home, signed_report: bytes) -> None:
    assert found(tmp_path, home, json.loads(signed_report)) == []


def test_another_key_proves_nothing(tmp_path: Path, exported: bytes, signed_report: bytes) -> None:
    stranger = tmp_path / "key"
    stranger.write_text(PrivateKey.new().public.pem)
    for content in (exported, signed_report):
        (tmp_path / "file").write_bytes(content)
        kinds = {each.what for each in verify_file(tmp_path / "file", [stranger]).findings}
        assert kinds == {"forged", "unsigned"}


def an_entry(results: Told, kind: str) -> Told:
    return next(each for each in results["entries"] if each["record"]["kind"] == kind)


def forged_on(results: Told) -> None:
    """One entry more, chained as fleet does it."""
    last = msgspec.convert(results["entries"][-1], JournalEntry)
    more = JournalEntry(
        last.seq + 1, last.at, last.actor, last.epoch, JournalRecord("command", "abort", "r-1"), last.hash, ""
    )
    results["entries"].append(msgspec.to_builtins(msgspec.structs.replace(more, hash=chain.hash_of(more))))


def written_anew(results: Told) -> None:
    """The whole chain, under another user's name."""
    prev = results["entries"][0]["prev_hash"]
    for each in results["entries"]:
        each["actor"], each["prev_hash"] = "nobody@nowhere", prev
        prev = each["hash"] = chain.hash_of(msgspec.convert(each, JournalEntry))


def signed_by_a_stranger(results: Told) -> None:
    written_anew(results)
    last = results["entries"][-1]
    key = PrivateKey.new()
    signed = key.sign(last["seq"], last["hash"], last["seq"], msgspec.convert(last, JournalEntry).at)
    results["checkpoints"] = [msgspec.to_builtins(signed)]


def swap(results: Told) -> None:
    entries = results["entries"]
    entries[1]["seq"], entries[2]["seq"] = entries[2]["seq"], entries[1]["seq"]
    entries[1], entries[2] = entries[2], entries[1]


def renumbered(results: Told) -> None:
    del results["entries"][1]
    for seq, each in enumerate(results["entries"], start=1):
        each["seq"] = seq


ON_THE_EXPORT: dict[str, tuple[Tampering, set[str]]] = {
    "an actor": (lambda results: results["entries"][1].update(actor="nobody@nowhere"), {"changed"}),
    "a time": (lambda results: results["entries"][1].update(at="2020-01-01T00:00:00Z"), {"changed"}),
    "a time written otherwise": (
        lambda results: results["entries"][1].update(at=results["entries"][1]["at"].replace("Z", "+00:00")),
        {"changed"},
    ),
    "a detail": (
        lambda results: an_entry(results, "start")["record"]["detail"].update(plan="p-0"),
        {"changed"},
    ),
    "a key more in an entry": (lambda results: results["entries"][1].update(approved="yes"), {"changed"}),
    "a key more in a record": (
        lambda results: results["entries"][1]["record"].update(approved="yes"),
        {"changed"},
    ),
    "a key more": (lambda results: results.update(approved_by="somebody"), {"unlike"}),
    "an entry that is none": (lambda results: results["entries"].__setitem__(1, "x"), {"changed", "removed"}),
    "a hash": (lambda results: results["entries"][1].update(hash="f" * 64), {"changed"}),
    "an entry gone": (lambda results: results["entries"].pop(1), {"removed"}),
    "an entry gone and counted anew": (renumbered, {"removed"}),
    "the first gone": (lambda results: results["entries"].pop(0), {"removed"}),
    "the end gone": (lambda results: results["entries"].pop(), {"truncated"}),
    "all gone": (lambda results: results["entries"].clear(), {"removed", "truncated"}),
    "two swapped": (swap, {"swapped"}),
    "one twice": (lambda results: results["entries"].insert(1, results["entries"][1]), {"inserted"}),
    "one more": (forged_on, {"unsigned"}),
    "all written anew": (written_anew, {"rewritten", "unsigned"}),
    "all written anew and signed": (signed_by_a_stranger, {"forged", "unsigned"}),
    "a signature": (
        lambda results: results["checkpoints"][-1].update(signature="AAAA"),
        {"forged", "unsigned"},
    ),
    "a checkpoint's entry": (
        lambda results: results["checkpoints"][-1].update(seq=1),
        {"forged", "unsigned"},
    ),
    "the checkpoints gone": (lambda results: results["checkpoints"].clear(), {"unsigned"}),
    "the checkpoints none": (lambda results: results.update(checkpoints=7), {"changed", "unsigned"}),
}


@pytest.mark.parametrize("name", ON_THE_EXPORT)
def test_any_change_of_an_export_is_found(tmp_path: Path, home: Home, exported: bytes, name: str) -> None:
    tampering, kinds = ON_THE_EXPORT[name]
    results = json.loads(exported)
    tampering(results)
    assert {what for _, what in found(tmp_path, home, results)} >= kinds


def test_changed_entry_of_an_export_is_named(tmp_path: Path, home: Home, exported: bytes) -> None:
    results = json.loads(exported)
    results["entries"][4]["actor"] = "nobody@nowhere"
    assert found(tmp_path, home, results) == [(5, "changed")]


def moved_to_others(results: Told) -> None:
    """The chain stays whole, since others are read with the rollout's own."""
    moved = [each for each in results["entries"] if each["record"]["form"] == "outcome"]
    results["entries"] = [each for each in results["entries"] if each not in moved]
    results["others"] = moved


def report_signed_by_a_stranger(results: Told) -> None:
    signed = PrivateKey.new().sign_report(msgspec.convert(results, Report))
    results["signature"] = msgspec.to_builtins(signed.signature)


ON_THE_REPORT: dict[str, tuple[Tampering, set[str]]] = {
    "who": (lambda results: results.update(by="nobody@nowhere"), {"unlike"}),
    "the state": (lambda results: results.update(state="aborted"), {"unlike"}),
    "the target": (lambda results: results["target"].update(version=OLD.version), {"unlike"}),
    "a count": (lambda results: results["counts"].update(failed=1), {"unlike"}),
    "a node's ending": (lambda results: results["runs"][0].update(ending="failed"), {"unlike"}),
    "a node's proof": (lambda results: results["runs"][0]["proof"].update(kernel="9.9.9"), {"unlike"}),
    "a node's name": (lambda results: results["runs"][0].update(node="n-9"), {"unlike"}),
    "a node gone": (lambda results: results["runs"].pop(), {"unlike"}),
    "a node more": (lambda results: results["runs"].append(copy.deepcopy(results["runs"][0])), {"unlike"}),
    "a command gone": (lambda results: results["commands"].clear(), {"unlike"}),
    "a controller": (lambda results: results["controllers"][0].update(epoch=99), {"unlike"}),
    "a word more": (lambda results: results["runs"][0].update(approved="yes"), {"unlike"}),
    "no number where one was": (lambda results: results.update(peak="many"), {"unlike"}),
    "an entry": (lambda results: results["entries"][3].update(actor="nobody@nowhere"), {"changed"}),
    "an entry gone": (lambda results: results["entries"].pop(3), {"removed"}),
    "the start gone": (lambda results: results["entries"].pop(0), {"unlike"}),
    "the end gone": (lambda results: results["entries"].pop(), {"truncated", "unlike"}),
    "one more": (forged_on, {"unsigned"}),
    "the checkpoints gone": (lambda results: results["checkpoints"].clear(), {"unsigned"}),
    "a refusal hidden among the others": (moved_to_others, {"unlike", "forged"}),
    "the counts of requests": (
        lambda results: results.update(
            requests=[{"verb": "patch", "resource": "nodes", "count": 1, "per_node": 0.1}]
        ),
        {"forged"},
    ),
    "what nodes wait for": (
        lambda results: results["runs"][0].update(held=["the window is shut"]),
        {"forged"},
    ),
    "the planned time": (lambda results: results.update(against=None), {"forged"}),
    "the moment": (lambda results: results.update(at="2020-01-01T00:00:00Z"), {"forged"}),
    "the verdict": (lambda results: results["journal"]["verdict"].update(entries=9), {"forged"}),
    "what is outside the journal": (lambda results: results.update(outside_journal=[]), {"unlike", "forged"}),
    "the signature gone": (lambda results: results.update(signature=None), {"unsigned"}),
    "the signature never there": (lambda results: results.pop("signature"), {"unsigned"}),
    "the signature nonsense": (lambda results: results.update(signature={"key": 1}), {"forged"}),
    "a stranger's signature": (report_signed_by_a_stranger, {"forged"}),
    "another rollout's name": (lambda results: results.update(rollout="r-2"), {"unlike"}),
}


@pytest.mark.parametrize("name", ON_THE_REPORT)
def test_any_change_of_a_report_is_found(tmp_path: Path, home: Home, signed_report: bytes, name: str) -> None:
    tampering, kinds = ON_THE_REPORT[name]
    results = json.loads(signed_report)
    tampering(results)
    assert {what for _, what in found(tmp_path, home, results)} >= kinds


def test_report_of_a_cluster_that_was_asked_verifies(tmp_path: Path) -> None:
    """Controllers count the requests to API servers outside the journal; the report's signature vouches for them."""
    home = a_fast_home(tmp_path / "home")
    signing.keygen(home)
    carried_out(home)
    home.store.requests.add("lab", {RequestKind("r-1", "patch", "nodes"): 7})
    made = with_evidence(home, report(home, "r-1"))
    assert [(each.verb, each.count) for each in made.requests] == [("patch", 7)]
    assert found(tmp_path, home, msgspec.json.encode(made)) == []


def test_report_of_a_broken_journal_is_not_signed(tmp_path: Path) -> None:
    home = a_fast_home(tmp_path / "home")
    signing.keygen(home)
    carried_out(home)
    with raw(home.database) as database:
        database.execute("UPDATE journal SET actor = 'nobody@nowhere' WHERE seq = 2")
    made = with_evidence(home, report(home, "r-1"))
    assert (made.journal.verdict.verified, made.signature) == (False, None)
    assert {what for _, what in found(tmp_path, home, msgspec.json.encode(made))} >= {"unsigned", "changed"}


def test_report_beside_other_rollouts_has_the_entries_between(tmp_path: Path) -> None:
    home = a_fast_home(tmp_path / "home")
    signing.keygen(home)
    home.store.journal.append([JournalRecord("decision", "note", "r-0")], at=home.now(), actor="ada@desk")
    carried_out(home)
    home.store.journal.append([JournalRecord("decision", "note", "r-9")], at=home.now(), actor="ada@desk")
    signing.checkpoint(home)
    made = with_evidence(home, report(home, "r-1"))
    assert made.journal.first_seq == 2 and made.checkpoints
    assert found(tmp_path, home, msgspec.json.encode(made)) == []
    # Without the controller's checkpoint the next one vouches, behind an entry of another rollout.
    with raw(home.database) as database:
        database.execute("DELETE FROM signed_checkpoint WHERE seq < (SELECT max(seq) FROM journal)")
    again = with_evidence(home, report(home, "r-1"))
    assert [entry.record.rollout for entry in again.others] == ["r-9"]
    assert found(tmp_path, home, msgspec.json.encode(again)) == []
    results = json.loads(msgspec.json.encode(again))
    results["others"][0]["actor"] = "nobody@nowhere"
    assert "changed" in {what for _, what in found(tmp_path, home, results)}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b"null",
        b"\xff",
        b'{"kind": "x"}',
        b'{"kind": "fleet journal", "kind": "fleet journal"}',
        b"[" * 100_000,
    ],
)
def test_file_that_is_no_export_is_refused_with_a_message(tmp_path: Path, home: Home, content: bytes) -> None:
    with pytest.raises(UsageError):
        found(tmp_path, home, content)


def test_unpaired_surrogate_is_a_finding(tmp_path: Path, home: Home, signed_report: bytes) -> None:
    """JSON can write one (\\ud800), and no text in UTF-8 has it."""
    results = json.loads(signed_report)
    results["entries"][0]["record"]["form"] = "\ud800"
    assert "changed" in {what for _, what in found(tmp_path, home, results)}


def test_empty_export_has_nothing_to_verify(tmp_path: Path, home: Home) -> None:
    assert found(tmp_path, home, {"kind": "fleet journal", "entries": [], "checkpoints": []}) == [
        (0, "removed")
    ]


def test_from_and_to_are_those_of_the_rollout(home: Home) -> None:
    """Guards the fixture: the reports that the tests above change are of nodes that were upgraded and proven."""
    made = report(home, "r-1")
    assert {(run.from_version, run.to_version, run.ending) for run in made.runs} == {
        (OLD.version, NEW.version, "done")
    }
    assert made.entries[0].prev_hash == GENESIS
