"""Tests of PostgreSQL alone: synchronous commit, standbys, poolers, servers that are slow."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import pytest

from fleet.cli.main import run
from fleet.core.records.errors import ReadOnlyError, StoreError
from fleet.core.records.journal import JournalRecord
from fleet.lab.simulation.builders import START
from fleet.store import Store
from fleet.store.db.postgres.connection import cancel
from tests.store.postgres import server, unprivileged
from tests.store.processes import wait
from tests.store.standby import NAME, Pair, pair

PGBOUNCER = "/usr/sbin/pgbouncer"
RECORD = JournalRecord(form="decision", kind="halt", rollout="r-1")


@pytest.fixture(scope="module")
def replicated(postgres_programs: Path) -> Iterator[Pair]:
    with pair(postgres_programs, synchronous=True) as found:
        Store.open(found.url).close()
        yield found


def test_commit_without_a_synchronous_standby_is_an_error(replicated: Pair) -> None:
    """PostgreSQL reports such a commit as done, with a warning, when a time-out ends the wait."""
    with closing(Store.open(replicated.url)) as store:
        store.journal.append([RECORD], at=START, actor="ann@c")
        replicated.standby.stop()
        with pytest.raises(StoreError, match="no synchronous standby"):
            store.journal.append([RECORD], at=START, actor="ann@c")
        replicated.standby.start()
        store.journal.append([RECORD], at=START, actor="ann@c")
        assert store.journal.verify() == []


def test_server_that_is_gone_need_not_be_asked_to_end_a_commit(postgres_programs: Path) -> None:
    """The request is sent by a thread of its own, whose error would be a traceback on stderr."""
    with server(postgres_programs) as url:
        connection = psycopg.connect(url.format("postgres"), autocommit=True)
    cancel(connection)
    with pytest.raises(psycopg.OperationalError):
        connection.execute("SELECT 1")


@pytest.mark.parametrize("weak", ["off", "local", "remote_write"])
def test_commits_are_durable_whatever_the_server_has_as_its_default(replicated: Pair, weak: str) -> None:
    replicated.primary.query(f"ALTER ROLE fleet SET synchronous_commit = {weak}")
    try:
        with closing(Store.open(replicated.url)) as store, store.database.write("test") as transaction:
            assert transaction.one("SHOW synchronous_commit") == ("on",)
    finally:
        replicated.primary.query("ALTER ROLE fleet RESET synchronous_commit")


def test_stronger_commits_stay(replicated: Pair) -> None:
    replicated.primary.query("ALTER ROLE fleet SET synchronous_commit = remote_apply")
    try:
        with closing(Store.open(replicated.url)) as store, store.database.write("test") as transaction:
            assert transaction.one("SHOW synchronous_commit") == ("remote_apply",)
    finally:
        replicated.primary.query("ALTER ROLE fleet RESET synchronous_commit")


def test_of_several_hosts_the_primary_is_used(replicated: Pair) -> None:
    first, second = replicated.primary.folder, replicated.standby.folder
    with closing(Store.open(f"postgresql://fleet@/fleet?host={second},{first}")) as store:
        store.journal.append([RECORD], at=START, actor="ann@c")


def test_standby_answers_and_refuses_what_is_written(
    replicated: Pair, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(Store.open(replicated.standby.url)) as store, pytest.raises(ReadOnlyError) as caught:
        store.journal.append([RECORD], at=START, actor="ann@c")
    assert "primary" in caught.value.hint
    where = ["--home", str(tmp_path), "--database", replicated.standby.url]
    assert run([*where, "rollout", "list"]) == 0
    assert run([*where, "status"]) == 0
    assert "Traceback" not in capsys.readouterr().err


def test_asynchronous_standby_is_reported(replicated: Pair) -> None:
    with closing(Store.open(replicated.url)) as store:
        assert not any("asynchronously" in risk for risk in store.risks())
        replicated.primary.query("ALTER SYSTEM SET synchronous_standby_names = ''")
        replicated.primary.query("SELECT pg_reload_conf()")
        try:
            wait(lambda: any("asynchronously" in risk for risk in store.risks()), lambda: str(store.risks()))
        finally:
            replicated.primary.query(f"ALTER SYSTEM SET synchronous_standby_names = '{NAME}'")
            replicated.primary.query("SELECT pg_reload_conf()")


def test_stopped_process_does_not_hold_up_the_others_for_long(replicated: Pair) -> None:
    with closing(Store.open(replicated.url)) as store, store.database.write("test") as transaction:
        assert transaction.one("SHOW idle_in_transaction_session_timeout") == ("30s",)
        assert transaction.one("SHOW lock_timeout") == ("10s",)


@pytest.mark.parametrize("mode", ["transaction", "session"])
def test_pooler(postgres_server: str, postgres_template: Callable[[str], str], mode: str) -> None:
    """Another program uses the same sessions, and leaves settings behind in them."""
    name = f"pooled_{mode}"
    postgres_template(name)
    with pooler(postgres_server, mode) as url, closing(Store.open(url.format(name))) as store:
        for number in range(1, 21):
            with psycopg.connect(url.format(name)) as other:
                other.execute("SET synchronous_commit = off; SET TIME ZONE 'Asia/Tokyo'")
            store.journal.append([RECORD], at=START, actor="ann@c")
            assert store.journal.count() == number
            with store.database.write("test") as transaction:
                assert transaction.one("SHOW lock_timeout") == ("10s",)
        assert [entry.at for entry in store.journal.entries()] == [START] * 20
        assert store.journal.verify() == []


def test_pooler_without_transactions_is_refused_by_name(
    postgres_server: str, postgres_template: Callable[[str], str]
) -> None:
    postgres_template("pooled_statement")
    with pooler(postgres_server, "statement") as url, pytest.raises(StoreError) as caught:
        Store.open(url.format("pooled_statement"))
    assert "pool_mode = transaction" in caught.value.hint


@contextmanager
def pooler(server: str, mode: str) -> Iterator[str]:
    """PgBouncer before the server, with two sessions for all of its clients."""
    if not Path(PGBOUNCER).exists():
        why = "PgBouncer is not installed (Debian: apt-get install pgbouncer)"
        if os.environ.get("CI") == "true":
            pytest.fail(why)
        pytest.skip(why)
    host = server.partition("host=")[2]
    with tempfile.TemporaryDirectory(prefix="fleet-pgb-") as place:
        folder = Path(place)
        user = unprivileged(folder)
        (folder / "users").write_text('"fleet" ""\n')
        (folder / "pgbouncer.ini").write_text(
            f"[databases]\n* = host={host} user=fleet\n[pgbouncer]\nunix_socket_dir = {place}\nlisten_addr =\n"
            f"auth_type = any\nauth_file = {place}/users\npool_mode = {mode}\ndefault_pool_size = 2\n"
            f"logfile = {place}/log\npidfile = {place}/pid\nlisten_port = 6432\n"
        )
        process = subprocess.Popen(
            [PGBOUNCER, "-q", str(folder / "pgbouncer.ini")],
            user=user,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            wait(
                lambda: (folder / ".s.PGSQL.6432").exists(),
                lambda: (folder / "log").read_text() if (folder / "log").exists() else "no log",
            )
            yield f"postgresql://fleet@/{{}}?host={place}&port=6432"
        finally:
            process.terminate()
            process.wait(30)
