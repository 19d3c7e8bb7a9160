"""Describes the user of a command, and which users have which role."""

from __future__ import annotations

from fleet.app.access.caller import caller_of
from fleet.app.wiring.home import Home
from fleet.core.policy.access import OwnAccess, Role


def own_access(home: Home) -> OwnAccess:
    """Returns who the user is and what they may do. Raises as `caller_of` does."""
    # A folder without a fleet is refused.
    _ = home.store
    access = home.access()
    caller = caller_of(home, access)
    roles = tuple(role for role in Role if access.may(role, caller.identity.name, caller.groups))
    return OwnAccess(caller.identity, caller.groups, roles, access.roles)
