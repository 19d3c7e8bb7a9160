"""A controller that is struck by a signal at chosen boundaries of the journal: the real one in all but that.

It signals its own process right before the commit of an append (all statements of the transaction have run), or right
after it (none of what the entries let go has begun).
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property
from multiprocessing import get_context
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any, Literal

from fleet.app.rollouts.run import run
from fleet.app.wiring.home import Home
from fleet.core.records.journal import JournalEntry, JournalRecord
from fleet.store import Store
from fleet.store.db.address import DatabaseAddress
from fleet.store.db.database import SqlDatabase, Transaction
from fleet.store.journal.journal import SqlJournal
from tests.cluster.journal import label

Side = Literal["before", "after"]
Strike = Callable[[Side, Sequence[str]], None]
"""Called at every boundary with the labels of the records that are appended there; may not return."""


class Brink:
    """A database; `edge` is called right before each commit."""

    def __init__(self, database: SqlDatabase) -> None:
        self._database = database
        self.address: DatabaseAddress = database.address
        self.bind, self.tables = database.bind, database.tables
        self.settle, self.close = database.settle, database.close
        self.edge: Callable[[], None] = lambda: None

    def read(self) -> AbstractContextManager[Transaction]:
        return self._database.read()

    @contextmanager
    def write(self, lock: str) -> Iterator[Transaction]:
        with self._database.write(lock) as transaction:
            yield transaction
            self.edge()


class StruckJournal(SqlJournal):
    strike: Strike

    def __init__(self, database: SqlDatabase) -> None:
        self._brink = Brink(database)
        super().__init__(self._brink)

    def append(self, records: Sequence[JournalRecord], **how: Any) -> list[JournalEntry]:
        labels = [label(each.form, each.kind, each.node, each.detail) for each in records]
        self._brink.edge = lambda: self.strike("before", labels)
        entries = super().append(records, **how)
        self.strike("after", labels)
        return entries


class StruckStore(Store):
    def __init__(self, database: SqlDatabase) -> None:
        super().__init__(database)
        self.journal = StruckJournal(database)


class StruckHome(Home):
    def __init__(self, path: Path, strike: Strike) -> None:
        super().__init__(path)
        self._strike = strike

    @cached_property
    def store(self) -> Store:
        store = StruckStore.open(self.database)
        assert isinstance(store.journal, StruckJournal)
        store.journal.strike = self._strike
        return store


class Strikes:
    """Which boundaries were struck so far, in a file: one line a strike, its labels, written right before it."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def done(self) -> list[list[str]]:
        lines = self._file.read_text().splitlines() if self._file.exists() else []
        return [json.loads(line) for line in lines]

    def allow(self) -> None:
        """Allows the signals: no controller is stopped or killed before."""
        self._allowed.touch()

    def await_allowed(self) -> None:
        while not self._allowed.exists():
            time.sleep(0.02)  # noqa: TID251 - between two looks at the condition

    @property
    def _allowed(self) -> Path:
        return self._file.with_suffix(".allowed")

    def add(self, labels: Sequence[str]) -> None:
        with self._file.open("a") as file:
            file.write(json.dumps(list(labels)) + "\n")


def everywhere(wanted: Side, strikes: Strikes) -> Strike:
    """SIGKILL, on that side, of every append with something that was not yet struck: each boundary once."""
    done = {label for labels in strikes.done() for label in labels}

    def strike(side: Side, labels: Sequence[str]) -> None:
        if side == wanted and not done.issuperset(labels):
            strikes.await_allowed()
            strikes.add(labels)
            os.kill(os.getpid(), signal.SIGKILL)

    return strike


def at_first(wanted: str, number: signal.Signals) -> Strike:
    """Right after the commit of the first record whose label begins so."""
    struck = False

    def strike(side: Side, labels: Sequence[str]) -> None:
        nonlocal struck
        if side == "after" and not struck and any(each.startswith(wanted) for each in labels):
            struck = True
            os.kill(os.getpid(), number)

    return strike


def start_everywhere(home: Path, side: Side, strikes: Path, *, until_idle: bool) -> ForkServerProcess:
    """A controller that is killed on that side of the first boundary that none before it was killed at.

    Forked from a server that has imported everything: dozens of them are started. What they say goes into a log
    beside the strikes.
    """
    context = get_context("forkserver")
    # What runs pytest is imported by every child anew, unless the server has it.
    context.set_forkserver_preload(["pytest", __name__])
    process = context.Process(target=_work_until_killed, args=(home, side, strikes, until_idle), daemon=True)
    process.start()
    return process


def _work_until_killed(home: Path, side: Side, strikes: Path, until_idle: bool) -> None:
    with strikes.with_suffix(".log").open("a", buffering=1) as log:
        struck = StruckHome(home, everywhere(side, Strikes(strikes)))
        run(struck, lambda arguments: print(arguments, file=log), until_idle=until_idle)


def main() -> None:
    """python -m tests.cluster.signalled HOME LABEL SIGNAL [--until-idle]"""
    home, wanted, number = Path(sys.argv[1]), sys.argv[2], signal.Signals[sys.argv[3]]
    until_idle = "--until-idle" in sys.argv
    run(
        StruckHome(home, at_first(wanted, number)),
        lambda arguments: print(arguments, flush=True),
        until_idle=until_idle,
    )


if __name__ == "__main__":
    main()
