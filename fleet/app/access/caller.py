"""Identifies the user of a command, by the one method that the policy names."""

from __future__ import annotations

import grp
import os
import pwd
import socket
from collections.abc import Collection

from msgspec import Struct

from fleet.app.wiring.actor import actor, actor_person
from fleet.app.wiring.home import Home
from fleet.core.policy.access import Access
from fleet.core.records.errors import NotAllowedError
from fleet.core.records.identity import Identity


class Caller(Struct, frozen=True):
    """The user of a command."""

    identity: Identity
    groups: tuple[str, ...]
    actor: str
    """How the journal names the user: as always by the operating system, preceded by another method's name."""

    @property
    def key(self) -> str:
        """Returns a name that stays the same from one command to the next, also with a new token."""
        return (
            self.actor if self.identity.method == "os" else f"{self.identity.name} ({self.identity.method})"
        )


def caller_of(home: Home, access: Access) -> Caller:
    """Identifies the user. Raises UsageError for a token or kubeconfig that cannot be used, and AuthenticationError
    where a token is not valid or an API server refuses the credentials."""
    if home.user is not None:
        return _of_home(home.user, access)
    match access.method:
        case "os":
            name = actor_person()
            return Caller(Identity(name, "os", socket.gethostname()), groups_of(name), actor())
        case "token":
            from fleet.app.access.signed_token import identify

            return _named(*identify(access.token_key, os.environ, home.now()))
        case "kubernetes":
            from fleet.app.access.kubernetes import identify as ask

            return _named(*ask(home, access.cluster))


def _of_home(user: Identity, access: Access) -> Caller:
    """Returns the user for whom the home acts. Raises NotAllowedError where the policy's roles are those of users that are
    identified in another way."""
    if access.roles is not None and access.method != user.method:
        raise NotAllowedError(
            f"{user} is not known to the policy, which identifies users by {access.method}",
            f"access: {{identity: {user.method}}} in the policy",
        )
    return Caller(user, (), str(user))


def _named(identity: Identity, groups: Collection[str]) -> Caller:
    return Caller(identity, tuple(groups), f"{identity} as {actor()}")


def groups_of(user: str) -> tuple[str, ...]:
    """Returns the names of a user's groups, as the system has them; empty for a user that the system does not know."""
    try:
        found = os.getgrouplist(user, pwd.getpwnam(user).pw_gid)
    except KeyError:
        return ()
    return tuple(_group_name(each) for each in found)


def _group_name(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return f"gid-{gid}"
