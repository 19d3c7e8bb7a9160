"""Reads the receivers of messages: the part `notifications`."""

from __future__ import annotations

from collections.abc import Iterable

from fleet.config.document import forms
from fleet.config.document.reader import Reader
from fleet.core.policy.alerting.notification import Notification, NotificationEvent
from fleet.core.policy.policy import Pool
from fleet.core.text.paths import expanded

EVENT = forms.choice({str(event): event for event in NotificationEvent})
VARIABLE = forms.matching(
    "the name of an environment variable that begins with FLEET_, since others reach the programs that fleet starts",
    r"FLEET_[A-Z0-9_]{1,100}",
)
"""Such variables are kept from other programs (`fleet.core.text.environment`)."""


def notifications(reader: Reader, pools: Iterable[Pool]) -> tuple[Notification, ...]:
    """Reads the key `notifications`. URLs are secrets and have no place in the file: it names where they are."""
    pool = forms.one_of([pool.name for pool in pools], "the name of a pool")
    parts = reader.blocks("notifications")
    found = [_notification(part, pool) for part in parts]
    names: set[str] = set()
    for part, notification in zip(parts, found, strict=True):
        if notification.name and notification.name in names:
            part.problem("expected each name once, found it again", "name")
        names.add(notification.name)
    return tuple(found)


def _notification(reader: Reader, pool: forms.ValueForm[str]) -> Notification:
    given = [key for key in ("url_file", "url_env") if reader.has(key)]
    if len(given) != 1:
        reader.problem(f"expected one of url_file and url_env, found {' and '.join(given) or 'none'}")
    file = reader.value("url_file", forms.FILE, "")
    return Notification(
        name=reader.required("name", forms.NAME, ""),
        url_file=str(reader.folder / expanded(file)) if file else "",
        url_env=reader.value("url_env", VARIABLE, ""),
        on=frozenset(reader.values("on", EVENT)) or frozenset(NotificationEvent),
        pools=reader.values("pools", pool),
        remind_seconds=reader.value("remind", forms.seconds(60), 86400),
    )
