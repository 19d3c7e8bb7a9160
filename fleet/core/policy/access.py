"""Access to a fleet: the roles of users and groups, and how users are identified."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum

from msgspec import Struct

from fleet.core.records.identity import Identity, UserMethod


class Role(StrEnum):
    """The permissions of a user."""

    VIEWER = "viewer"
    """May read. Whoever can open the database can read it, so this role restricts nothing."""
    OPERATOR = "operator"
    """May keep plans, start, pause, resume and abort rollouts, release nodes, and run a controller."""
    APPROVER = "approver"
    """May approve and reject plans of other users."""
    ADMIN = "admin"
    """May do all of this, and add, remove and install clusters and make signing keys."""


class Holders(Struct, frozen=True):
    """The users and groups that have a role."""

    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()

    def __str__(self) -> str:
        named = [*self.users, *(f"group {group}" for group in self.groups)]
        return ", ".join(named) or "nobody"

    def has(self, user: str, groups: Collection[str]) -> bool:
        return user in self.users or any(group in self.groups for group in groups)


class Access(Struct, frozen=True):
    """The part `access` of the policy. It does not act on nodes, so plans do not contain it."""

    method: UserMethod = "os"
    """The only way in which users of this fleet are identified: a name from two sources could be two persons."""
    token_key: str = ""
    """Path of the public key (Ed25519, PEM) that tokens are signed with."""
    cluster: str = ""
    """The cluster whose API server says who a user is."""
    roles: dict[Role, Holders] | None = None
    """None: everybody who can open the database may do everything."""

    def may(self, role: Role, user: str, groups: Collection[str]) -> bool:
        """Returns whether the user has the role, by name or by a group. An admin has every role."""
        if self.roles is None or role is Role.VIEWER:
            return True
        holders = (self.roles.get(granting, Holders()) for granting in (role, Role.ADMIN))
        return any(some.has(user, groups) for some in holders)

    def holders(self, role: Role) -> str:
        """Returns who has the role, for messages."""
        return str((self.roles or {}).get(role, Holders()))


class OwnAccess(Struct, frozen=True):
    """The output of `fleet access show` (`-o json`)."""

    identity: Identity
    groups: tuple[str, ...]
    roles: tuple[Role, ...]
    """The roles of this user."""
    holders: dict[Role, Holders] | None
    """The holders of each role. None: the policy has no `access`, and everybody has every role."""
