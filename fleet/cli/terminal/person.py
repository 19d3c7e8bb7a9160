"""The user in an actor of the journal, for tables; the whole actor stands where there is room."""

from __future__ import annotations

import re

IDENTIFIED_WITHIN = re.compile(
    r" \((?:token|kubernetes)[^()]*\) as [^\s:,;()]+@[^\s:,;()]+(?: \(login [^()]*\))?"
)
IDENTIFIED = re.compile(r"(.+?) \((?:token|kubernetes)[^()]*\) as .+")
"""`ada (token, key 4254, token f67f) as root@desk`: who proved an identity, by what, and on which account of a computer."""


def person(actor: str) -> str:
    """Returns `ada` for a user with an identity of their own, and any other actor as it is: `ada@desk`,
    `root@desk (login ada)`, `policy/workers`."""
    found = IDENTIFIED.fullmatch(actor)
    return found[1] if found is not None else actor


def persons_within(text: str) -> str:
    """Returns a text such as `aborted by ada (token, ...) as root@desk` with the users' names alone."""
    return IDENTIFIED_WITHIN.sub("", text)
