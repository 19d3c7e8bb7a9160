#!/usr/bin/env bash
# PostgreSQL 16.2 (the servers in the package pgserver 0.1.4), psycopg 3.3.9.
#
# What is done: a server that names a synchronous standby, of which none is connected, as after the loss of a standby. A
# client sets statement_timeout, lock_timeout and idle_in_transaction_session_timeout to one second and inserts a row, once in
# a transaction with COMMIT, once with autocommit, where the INSERT is the statement that commits. After four seconds its wait
# is ended by pg_cancel_backend, as an operator or a pooler would.
#
# One would expect: an error after a second, since statement_timeout "aborts any statement" that takes longer; and after the
# cancel an error, as any other canceled statement has.
#
# What is seen: none of the timeouts ends the wait (wait_event SyncRep). After the cancel the client is told COMMIT, and
# INSERT 0 1: success. That no standby has the row is only in a WARNING (SQLSTATE 01000), which most programs never look at;
# its SQLSTATE is that of every warning.
#
# So a program that relies on "synchronous_commit = on, and a timeout" hangs for as long as the standby is away, and then takes
# for replicated what a failover would lose. It has to bound the wait itself, and look at notices.
#
# Needs bash, Python 3.11 or newer with venv, and the package index; as root also the user nobody, because the server does not
# run as root. Exits 0 while it is so, and 1 where the behaviour has changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
chmod 755 "$folder"

python3 -m venv venv > log 2>&1 || { cat log >&2; exit 2; }
venv/bin/pip install --quiet pgserver==0.1.4 "psycopg[binary]==3.3.9" > log 2>&1 || { cat log >&2; exit 2; }

cat > wait.py <<'PYTHON'
import importlib.util
import os
import pwd
import signal
import subprocess
import sys
import threading
from pathlib import Path

import psycopg

programs = Path(importlib.util.find_spec("pgserver").origin).parent / "pginstall" / "bin"
folder = Path(sys.argv[1])
user = {}
if os.geteuid() == 0:
    nobody = pwd.getpwnam("nobody")
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder}
subprocess.run(
    [programs / "initdb", "-D", "data", "-U", "postgres", "-A", "trust", "--no-sync"], check=True, **quiet, **user
)
server = subprocess.Popen(
    [programs / "postgres", "-D", "data", "-k", folder]
    + ["-c", "listen_addresses=", "-c", "synchronous_standby_names=standby1"],
    **quiet,
    **user,
)
url = f"host={folder} user=postgres dbname=postgres"
timeouts = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")


def connected():
    while True:
        try:
            return psycopg.connect(url, autocommit=True)
        except psycopg.OperationalError:
            if server.poll() is not None:
                sys.exit("the server did not start")


def committed(operator, autocommit):
    """Returns the wait event after four seconds, what the client was told, and the warnings that it got."""
    notices, told = [], []
    with psycopg.connect(url, autocommit=autocommit) as client:
        client.add_notice_handler(lambda notice: notices.append((notice.severity, notice.sqlstate)))
        for name in timeouts:
            client.execute(f"SET {name} = '1s'")
        if not autocommit:
            client.commit()
            client.execute("INSERT INTO entry VALUES (1)")
        last = "INSERT INTO entry VALUES (1)" if autocommit else "COMMIT"

        def commit():
            try:
                told.append(client.execute(last).statusmessage)
            except psycopg.Error as error:
                told.append(type(error).__name__)

        work = threading.Thread(target=commit)
        work.start()
        work.join(4)
        backend = [client.info.backend_pid]
        event = operator.execute("SELECT wait_event FROM pg_stat_activity WHERE pid = %s", backend).fetchone()[0]
        if work.is_alive():
            operator.execute("SELECT pg_cancel_backend(%s)", backend)
        work.join()
    return event, told[0], notices


try:
    operator = connected()
    print("server", operator.info.parameter_status("server_version"))
    operator.execute("SET synchronous_commit = local")
    operator.execute("CREATE TABLE entry (n int)")
    for autocommit in (False, True):
        print("autocommit" if autocommit else "transaction", *committed(operator, autocommit))
    print("rows", operator.execute("SELECT count(*) FROM entry").fetchone()[0])
finally:
    server.send_signal(signal.SIGINT)  # a fast shutdown: with SIGTERM it would wait for the connections
    server.wait()
PYTHON

mkdir server
cat > expected <<'TEXT'
server 16.2
transaction SyncRep COMMIT [('WARNING', '01000')]
autocommit SyncRep INSERT 0 1 [('WARNING', '01000')]
rows 2
TEXT
venv/bin/python wait.py "$folder/server" > seen
cat seen
diff expected seen
