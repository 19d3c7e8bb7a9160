"""The user in an actor of the journal, for tables; the whole actor stands where there is room."""

from __future__ import annotations

import re

IDENTIFIED = re.compile(r"(.+?) \((?:token|kubernetes)[^()]*\) as .+")
"""`ada (token, key 4254, token f67f) as root@desk`: who proved an identity, by what, and on which account of a computer."""


def person(actor: str) -> str:
    """Returns `ada` for a user with an identity of their own, and any other actor as it is: `ada@desk`,
    `root@desk (login ada)`, `policy/workers`."""
    found = IDENTIFIED.fullmatch(actor)
    return found[1] if found is not None else actor
