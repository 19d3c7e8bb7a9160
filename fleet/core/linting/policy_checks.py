"""Checks of what the policy alone says: streams without releases, approvals that nobody can give, windows."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime

from msgspec import UnsetType

from fleet.core.approval.exceptions import PatchException
from fleet.core.linting.finding import LintFinding
from fleet.core.planning.estimates import DurationEstimates
from fleet.core.planning.plan_warnings.window_warnings import short_windows, windows_that_never_open
from fleet.core.policy.access import Access, Role
from fleet.core.policy.policy import Policy, Pool
from fleet.core.policy.schedule import Schedules
from fleet.core.text.counts import counted

ANYBODY = ""
"""A user whose name the policy does not have."""


def check_streams(policy: Policy) -> Iterator[LintFinding]:
    """Yields the streams that pools follow and that have no release."""
    for stream in policy.streams:
        pools = [pool.name for pool in policy.pools if pool.stream == stream.name]
        if pools and not stream.releases:
            message = (
                f"has no releases, and {counted(len(pools), 'pool')} {_follow(pools)}: nothing can be planned"
            )
            remedy = "add a release; fleet releases sync says why a feed has none"
            yield LintFinding("", "stream-empty", f"stream {stream.name}", message, remedy)


def _follow(pools: Sequence[str]) -> str:
    return f"({', '.join(pools)}) follow{'s' if len(pools) == 1 else ''} it"


def check_approvals(policy: Policy, access: Access) -> Iterator[LintFinding]:
    """Yields the pools whose plans need more approvals than there are users who may approve them. Members of groups
    cannot be counted: a policy that gives the role to a group has no finding."""
    approvers = _named(access, Role.APPROVER)
    if approvers is None:
        return
    makers = _named(access, Role.OPERATOR)
    for pool in policy.pools:
        rule = pool.approvals
        if isinstance(rule, UnsetType):
            continue
        for key, required in (("required", rule.required), ("override", rule.override)):
            lacking = sorted(maker for maker in (makers or {ANYBODY}) if required > len(approvers - {maker}))
            if lacking:
                yield _too_few(pool, key, required, approvers, lacking)


def _too_few(
    pool: Pool, key: str, required: int, approvers: Collection[str], lacking: Sequence[str]
) -> LintFinding:
    whose = "no plan" if lacking == [ANYBODY] else f"no plan of {', '.join(lacking)}"
    what = "start" if key == "required" else "start in a freeze"
    message = (
        f"approvals.{key} is {required}, and {', '.join(sorted(approvers)) or 'nobody'} may approve, but nobody their "
        f"own plan: {whose} can {what}"
    )
    remedy = f"give more users the role approver (access.approver), or lower approvals.{key}"
    return LintFinding("", f"approvals-{key}", f"pool {pool.name}", message, remedy)


def _named(access: Access, role: Role) -> set[str] | None:
    """Returns the users who have the role. None: not all of them can be named."""
    if access.roles is None:
        return None
    holders = [access.roles[each] for each in (role, Role.ADMIN) if each in access.roles]
    if any(each.groups for each in holders):
        return None
    return {user for each in holders for user in each.users}


def check_exceptions(exceptions: Iterable[PatchException], now: datetime) -> Iterator[LintFinding]:
    """Yields the exceptions that lapse soon, and those that nobody has granted."""
    for each in exceptions:
        subject = f"exception {each.id}"
        until = f"{each.until:%Y-%m-%d}"
        if each.lapses_soon(now):
            message = f"it lapses {until} ({each.owner}): its nodes are overdue then, if they still lack the release"
            remedy = "upgrade the nodes, or ask for another one: fleet exception request"
            yield LintFinding("", "exception-lapsing", subject, message, remedy)
        elif each.state(now) == "requested":
            message = f"{each.author.name} asked for it until {until}, and it is not in force: nobody has granted it"
            remedy = f"another user: fleet exception grant {each.id}, or fleet exception revoke {each.id}"
            yield LintFinding("", "exception-requested", subject, message, remedy)


def check_windows(policy: Policy, now: datetime, without: Collection[str]) -> Iterator[LintFinding]:
    """Yields the windows that never open, or are too short for a run, of pools that are not among `without`: those are
    checked with their nodes' sites and clusters."""
    schedules = Schedules(policy)
    for pool in policy.pools:
        if pool.name in without:
            continue
        schedule = schedules.of(pool.name, "", "")
        for warning in (
            *windows_that_never_open(pool, now, schedule),
            *short_windows(pool, DurationEstimates(), now, schedule),
        ):
            yield LintFinding("", warning.check, warning.subject, warning.message, warning.remedy)
