"""Every test that asks for `place` or `store` runs on SQLite and on PostgreSQL."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path

import psycopg
import pytest

from fleet.store import Store
from tests.store import postgres
from tests.store.raw import raw

Fresh = Callable[[], str]
"""Makes one more database, with the tables and nothing in them; answers its path or URL."""


@pytest.fixture(scope="session")
def postgres_programs() -> Path:
    return postgres.required()


@pytest.fixture(scope="session")
def postgres_server(postgres_programs: Path) -> Iterator[str]:
    with postgres.server(postgres_programs) as url:
        yield url


@pytest.fixture(scope="session")
def postgres_template(postgres_server: str) -> Callable[[str], str]:
    """Makes a database from one that has the tables, which is quicker than migrating each."""
    with _admin(postgres_server) as admin:
        admin.execute("CREATE DATABASE template_of_fleet")
    Store.open(postgres_server.format("template_of_fleet")).close()

    def made(name: str) -> str:
        with _admin(postgres_server) as admin:
            admin.execute(f"CREATE DATABASE {name} TEMPLATE template_of_fleet")
        return postgres_server.format(name)

    return made


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "fleet.db"
    Store.open(path).close()
    return path


NUMBERS = count()


@pytest.fixture(scope="session")
def numbered() -> Callable[[], str]:
    """A database's name that was not used before."""
    return lambda: f"fleet_{next(NUMBERS)}"


@pytest.fixture(params=["sqlite", "postgresql"])
def fresh(request: pytest.FixtureRequest, tmp_path: Path, numbered: Callable[[], str]) -> Fresh:
    if request.param == "postgresql":
        made: Callable[[str], str] = request.getfixturevalue("postgres_template")
        return lambda: made(numbered())
    template: Path = request.getfixturevalue("sqlite_template")
    return lambda: str(shutil.copy(template, tmp_path / f"{numbered()}.db"))


@pytest.fixture
def place(fresh: Fresh) -> str:
    return fresh()


@pytest.fixture
def store(place: str) -> Iterator[Store]:
    with Store.open(place, create=False) as found:
        yield found


@pytest.fixture
def tamper(place: str) -> Callable[..., None]:
    """Runs SQL on the database behind the store's back."""

    def run(*statements: str) -> None:
        with closing(raw(place)) as connection:
            for statement in statements:
                connection.cursor().execute(statement)
            connection.commit()

    return run


@contextmanager
def _admin(server: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(server.format("postgres"), autocommit=True) as connection:
        yield connection
