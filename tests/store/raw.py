"""The database as any program with a driver reaches it, without the store."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

import psycopg


def raw(place: str) -> Any:
    return psycopg.connect(place) if place.startswith("postgresql") else sqlite3.connect(place)


def rows(place: str, sql: str) -> list[tuple[Any, ...]]:
    with closing(raw(place)) as connection:
        cursor = connection.cursor()
        cursor.execute(sql)
        return list(cursor.fetchall())
