"""Defines what all tables share. Migrations create the tables (`migrations/`), and a test compares the two."""

from __future__ import annotations

from sqlalchemy import DateTime, MetaData, String
from sqlmodel import SQLModel

MOMENT = DateTime(timezone=True).with_variant(String(32), "sqlite")
"""`timestamptz` on PostgreSQL; on SQLite text of one length, in UTC (see `SqliteDatabase.bind`)."""


class Table(SQLModel):
    metadata = MetaData()
