"""Evidence is read and verified where nothing may be written: on a read-only mount, by a user who may only read."""

from __future__ import annotations

import gc
import os
import shutil
import subprocess
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from fleet.app.audit import signing, verification
from fleet.app.audit.export_verification import verify_file
from fleet.app.planning.plans import plan
from fleet.app.reporting.report import report, with_evidence
from fleet.app.wiring.home import Home
from fleet.core.records.errors import ReadOnlyError, StoreError
from fleet.core.records.journal import JournalRecord
from fleet.store import Store
from tests.store.raw import raw
from tests.unit.app.finished import a_fast_home, carried_out

START = datetime(2026, 11, 2, 9, tzinfo=UTC)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """The folder, mounted read-only on itself. Skips where nothing may be mounted."""
    bind = ["mount", "--bind", str(folder), str(folder)]
    done = subprocess.run(bind, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("needs to mount a file system, which root may")
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", str(folder)], check=True)
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose rollout has ended, with entries that are not signed yet."""
    home = a_fast_home(tmp_path_factory.mktemp("home") / "home")
    signing.keygen(home)
    carried_out(home)
    home.store.journal.append([JournalRecord("decision", "note", "r-9")], at=home.now(), actor="ada@desk")
    home.store.close()
    with closing(raw(str(home.path / "fleet.db"))) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return home.path


def test_home_on_a_read_only_mount_reports_and_exports_what_was_signed(
    finished: Path, tmp_path: Path
) -> None:
    home = Home(finished)
    with read_only(finished), closing(home.store):
        found = verification.verify(home)
        assert found.findings == () and 0 < found.proven < found.entries
        # What came after the last checkpoint cannot be signed here; nothing else is wrong.
        for made, kinds in (
            (verification.export(home), ["unsigned"]),
            (with_evidence(home, report(home, "r-1")), []),
        ):
            (tmp_path / "evidence").write_bytes(msgspec.json.encode(made))
            findings = verify_file(tmp_path / "evidence", [finished / "audit" / "public-key.pem"]).findings
            assert [each.what for each in findings] == kinds
        with pytest.raises(ReadOnlyError):
            home.store.journal.append([JournalRecord("command", "pause", "r-1")], at=START, actor="ada@desk")


def test_plan_is_shown_on_a_read_only_mount_and_not_stored(finished: Path) -> None:
    reported: list[str] = []
    home = Home(finished, show=reported.append)
    with read_only(finished), closing(home.store):
        made = plan(home, ["workers"], "")
        assert made.plan_id and home.store.plans.find(made.plan_id) is None
        assert len([arguments for arguments in reported if "cannot be started" in arguments]) == 1
        with pytest.raises(ReadOnlyError):
            plan(home, ["workers"], "", keep=True)


def test_unreadable_commits_on_a_read_only_mount_are_reported(tmp_path: Path) -> None:
    folder = tmp_path / "home"
    folder.mkdir()
    with Store.open(folder / "fleet.db") as store:
        store.journal.append([JournalRecord("command", "pause", "r-1")], at=START, actor="ada@desk")
        copied = [(path.name, path.read_bytes()) for path in folder.iterdir()]
    other = tmp_path / "copy"
    other.mkdir()
    for name, content in copied:
        if not name.endswith("-shm"):
            (other / name).write_bytes(content)
    with read_only(other), pytest.raises(StoreError, match=r"fleet\.db-wal"):
        Store.open(other / "fleet.db", create=False)


@pytest.mark.parametrize("fresh", ["postgresql"], indirect=True)
def test_read_only_database_user(place: str) -> None:
    with Store.open(place) as store:
        store.journal.append([JournalRecord("command", "pause", "r-1")], at=START, actor="ada@desk")
    with closing(raw(place)) as admin:
        admin.execute("DROP ROLE IF EXISTS auditor")
        admin.execute("CREATE ROLE auditor LOGIN")
        admin.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO auditor")
        admin.commit()
    with Store.open(place.replace("fleet@", "auditor@"), create=False) as store:
        assert store.journal.verify() == [] and store.journal.count() == 1
        with pytest.raises(ReadOnlyError):
            store.journal.append([JournalRecord("command", "pause", "r-1")], at=START, actor="ada@desk")


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A folder that every user may enter: those of pytest are private."""
    with tempfile.TemporaryDirectory(prefix="fleet-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be somebody else")
def test_user_with_read_permission_on_the_file_alone(finished: Path, public_folder: Path) -> None:
    """A process of its own for the other user, forked when all modules are loaded: the modules may not be that user's.

    The files of WAL mode are not there: the last connection that is closed takes them away.
    """
    gc.collect()
    assert not list(finished.glob("fleet.db-*"))
    home = Path(shutil.copytree(finished, public_folder / "home"))
    child = os.fork()
    if not child:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
        try:
            theirs = Home(home)
            good = verification.verify(theirs, [home / "audit" / "public-key.pem"]).findings == ()
            good = good and verification.export(theirs).checkpoints != ()
            good = good and with_evidence(theirs, report(theirs, "r-1")).signature is None
        except BaseException:
            traceback.print_exc()
            good = False
        os._exit(0 if good else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be somebody else")
def test_read_only_user_sees_later_writes(public_folder: Path) -> None:
    """The reader was told that the database is damaged: the file changes under a reader that expects no writer."""
    record = JournalRecord("decision", "note", "r-9", detail={"words": "x" * 500})
    place = public_folder / "fleet.db"
    with Store.open(place) as store:
        store.journal.append([record], at=START, actor="ada@desk")
    asks, answers = os.pipe(), os.pipe()
    child = os.fork()
    if not child:
        os.close(asks[1])
        os.close(answers[0])
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
        try:
            with Store.open(place, create=False) as store:
                for _ in range(3):
                    os.write(answers[1], b"%d %d\n" % (store.journal.count(), len(store.journal.verify())))
                    os.read(asks[0], 1)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    os.close(asks[0])
    os.close(answers[1])
    # Where an assertion fails, both are closed, and the child ends.
    with os.fdopen(answers[0], "rb") as reported, os.fdopen(asks[1], "wb", buffering=0) as ask:
        assert reported.readline() == b"1 0\n"
        with Store.open(place) as store:
            store.journal.append([record] * 2000, at=START, actor="ada@desk")
        ask.write(b".")
        assert reported.readline() == b"2001 0\n"
        with Store.open(place) as store:
            store.journal.append([record], at=START, actor="ada@desk")
            ask.write(b".")
            assert reported.readline() == b"2002 0\n"
            ask.write(b".")
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
