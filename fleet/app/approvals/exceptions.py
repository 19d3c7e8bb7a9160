"""Asks for exceptions, grants and revokes them. Each is a record in the journal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from fleet.app.access.allowed import allowed
from fleet.app.access.caller import Caller
from fleet.app.wiring.home import Home
from fleet.app.wiring.names import pool_named, there_is
from fleet.core.approval.exceptions import Exceptions, PatchException
from fleet.core.policy.access import Role
from fleet.core.records.errors import HeldError, JournalMovedError, NotAllowedError, UsageError
from fleet.core.rollout.codec import to_record
from fleet.core.rollout.commands import ExceptionGranted, ExceptionRequested, ExceptionRevoked
from fleet.drivers.journal.approvals import exceptions_of

LONGEST = timedelta(days=366)
"""The longest exception: whoever accepts a risk looks at it again at least once a year."""
ExceptionRecord = ExceptionRequested | ExceptionGranted | ExceptionRevoked


def exceptions(home: Home) -> Exceptions:
    """Returns all exceptions, oldest first."""
    return exceptions_of(home.store.journal)


def request(
    home: Home,
    nodes: Sequence[str],
    pools: Sequence[str],
    version: str,
    until: datetime,
    owner: str,
    reason: str,
) -> PatchException:
    """Asks for an exception. Raises NotAllowedError without the role, and UsageError for what cannot be: a node or a
    pool that is not known, no reason, a time that is over or too far away."""
    caller = allowed(home, Role.OPERATOR, "ask for exceptions")
    _refuse(home, nodes, pools, version, until, owner, reason)
    ident = ""

    def record(known: Exceptions) -> ExceptionRecord:
        nonlocal ident
        ident = f"x-{len(known) + 1}"
        return ExceptionRequested(
            id=ident,
            nodes=tuple(nodes),
            pools=tuple(pools),
            version=version,
            until=until,
            owner=owner.strip(),
            reason=reason.strip(),
            by=caller.identity,
        )

    return _commit(home, caller, record)[ident]


def grant(home: Home, ident: str, comment: str = "") -> PatchException:
    """Grants an exception, which is in force from now on. Raises NotAllowedError without the role, and for its author;
    UsageError for one that is not known, HeldError for one that is granted, revoked or lapsed already."""
    caller = allowed(home, Role.APPROVER, "grant exceptions")

    def record(known: Exceptions) -> ExceptionRecord:
        found = _named(known, ident)
        if found.author.name == caller.identity.name:
            raise NotAllowedError(
                f"{caller.identity.name} asked for exception {ident}: nobody grants their own",
                "another user with the role approver grants it: fleet access show lists them",
            )
        state = found.state(home.now())
        if state != "requested":
            by = f", granted by {found.approver.name}" if found.approver is not None else ""
            raise HeldError(f"exception {ident} is {state} already{by}", "fleet exception list")
        return ExceptionGranted(id=ident, by=caller.identity, reason=comment)

    return _commit(home, caller, record)[ident]


def revoke(home: Home, ident: str, reason: str) -> PatchException:
    """Revokes an exception from now on. Raises NotAllowedError without the role, UsageError without a reason and for one
    that is not known, HeldError for one that is over already."""
    caller = allowed(home, Role.OPERATOR, "revoke exceptions")
    if not reason.strip():
        raise UsageError("a revocation needs a reason", "--reason TEXT")

    def record(known: Exceptions) -> ExceptionRecord:
        state = _named(known, ident).state(home.now())
        if state in ("revoked", "lapsed"):
            raise HeldError(f"exception {ident} is {state} already", "fleet exception list")
        return ExceptionRevoked(id=ident, by=caller.identity, reason=reason.strip())

    return _commit(home, caller, record)[ident]


def _refuse(
    home: Home,
    nodes: Sequence[str],
    pools: Sequence[str],
    version: str,
    until: datetime,
    owner: str,
    reason: str,
) -> None:
    now = home.now()
    if not nodes and not pools:
        raise UsageError("an exception is for nodes or for pools", "--node CLUSTER/NODE, or --pool POOL")
    if not owner.strip() or not reason.strip():
        raise UsageError("an exception needs an owner and a reason", "--owner TEXT --reason TEXT")
    if not now < until <= now + LONGEST:
        raise UsageError(
            f"an exception lapses after now and within {LONGEST.days} days, not on {until:%Y-%m-%d}",
            f"--until {now + timedelta(days=30):%Y-%m-%d}",
        )
    policy = home.policy()
    for pool in pools:
        pool_named(policy, pool)
    here = [f"{row.cluster}/{row.name}" for row in home.store.inventory.nodes()] if nodes else []
    for node in nodes:
        if node not in here:
            raise UsageError(f"{node} is no node that fleet knows, as CLUSTER/NODE", there_is(here, node))
    if version and policy.find_release(version) is None:
        raise UsageError(
            f"no stream of the policy has the release {version}", "leave out --release for every release"
        )


def _named(known: Exceptions, ident: str) -> PatchException:
    found = known.get(ident)
    if found is None:
        raise UsageError(f"there is no exception {ident}", "fleet exception list")
    return found


def _commit(home: Home, caller: Caller, record: Callable[[Exceptions], ExceptionRecord]) -> Exceptions:
    """Writes the record that `record` makes of the exceptions as they are at that moment, and returns them with it."""
    journal = home.store.journal
    while True:
        newest = journal.last()
        made = to_record(record(exceptions(home)))
        seen = newest.seq if newest is not None else 0
        try:
            journal.append([made], at=home.now(), actor=caller.actor, last=seen)
        except JournalMovedError:
            continue
        return exceptions(home)
