"""The table of messages to operators. A migration creates it, as all others (`fleet.store.db.tables`)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Index, Text
from sqlmodel import Field

from fleet.store.db.table import MOMENT, Table


class MessageTable(Table, table=True):
    """Messages to operators, and how far each has been delivered to a receiver."""

    __tablename__ = "message"
    __table_args__ = (Index("message_state", "state"),)

    receiver: str = Field(primary_key=True)
    """The name of the receiver in the policy. Its URL, a secret, is not in the database."""
    key: str = Field(primary_key=True)
    """The object, its release and the outcome: a receiver gets one message a key."""
    seq: int = Field(sa_type=BigInteger)
    """The journal entry that the message is about; `at` is the entry's time."""
    at: datetime = Field(sa_type=MOMENT)
    important: int
    waits: int
    """1: it waits for an operator, and is sent again after a while."""
    title: str = Field(sa_type=Text)
    body: str = Field(sa_type=Text)
    state: str
    """A `fleet.core.notifications.delivery.DeliveryState`."""
    queued_at: datetime = Field(sa_type=MOMENT)
    attempts: int
    reminders: int
    unknown: int
    """How often a controller ended while it was sending the message."""
    error: str = Field(sa_type=Text)
