"""Checks the role of a user before a command writes anything."""

from __future__ import annotations

from fleet.app.access.caller import Caller, caller_of
from fleet.app.wiring.home import Home
from fleet.core.policy.access import Role
from fleet.core.records.errors import NotAllowedError


def allowed(home: Home, role: Role, what: str) -> Caller:
    """Returns the user of the command, who has the role. `what` completes the sentence `ada may not ...`.

    Raises NotAllowedError with the role and who has it, and the errors of `caller_of` and of a policy with mistakes.
    """
    access = home.access()
    caller = caller_of(home, access)
    name = caller.identity.name
    if not access.may(role, name, caller.groups):
        raise NotAllowedError(
            f"{name} may not {what}: that needs the role {role}",
            f"{access.holders(role)} can (admins: {access.holders(Role.ADMIN)}); "
            f"access.{role} in {home.policy_file.name} says who",
        )
    return caller
