"""Carries out what users ask for in the objects `Rollout`, as the same commands do on the command line: in the name of the
user whom the API server has identified.

The journal says what was done already: the start of a rollout names its object, and so does a command that was given by one.
So nothing is done twice, whenever the operator stops; and an object of whose rollout the database knows nothing is never
carried out anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple

import msgspec
from msgspec import Struct, UnsetType

from fleet.app.approvals.approve import approve, reject
from fleet.app.operator.statuses import status_before
from fleet.app.planning.approvals_wanted import want_approvals
from fleet.app.planning.effects import PlanState, has_rule, state_of
from fleet.app.planning.plans import plan, stored
from fleet.app.rollouts.commands import send_command
from fleet.app.rollouts.start import start
from fleet.app.wiring.home import Home
from fleet.app.wiring.refresh import refresh
from fleet.core.custom_resources.rollout import RolloutSpec, RolloutStatus, RolloutVote
from fleet.core.planning.plan import Plan, short_id
from fleet.core.records.errors import FleetError, HeldError, UsageError
from fleet.core.records.identity import Identity
from fleet.core.rollout.codec import from_record
from fleet.core.rollout.commands import CommandRecord, PlanApproved, PlanRejected
from fleet.core.rollout.goal import StartObject
from fleet.core.rollout.rollout import Rollout

ORDERS = ("pause", "resume", "abort")
VOTES = ("approve", "reject")


class AskedRollout(Struct, frozen=True):
    """One object `Rollout`."""

    name: str
    uid: str
    generation: int
    spec: RolloutSpec
    before: RolloutStatus

    @property
    def number(self) -> bool:
        """Returns whether the object has the name of a rollout of the database, which fleet gives alone."""
        return self.name.startswith("r-") and self.name[2:].isdigit()


class GivenVote(NamedTuple):
    """Holds what a user has said of a plan."""

    verdict: Literal["Approve", "Reject"]
    override: str
    """The reason for which the rollout may also start in a freeze; empty: it may not."""


class PlannedRollout(Struct, frozen=True):
    """An object whose rollout has not begun: its plan waits for approvals."""

    plan: str
    version: str
    required: int
    given: tuple[str, ...]


def asked_rollout(found: Mapping[str, Any]) -> AskedRollout:
    """Returns the object, as the API has it. Raises UsageError for a spec that cannot be read."""
    meta = found["metadata"]
    try:
        spec = msgspec.convert(found.get("spec") or {}, RolloutSpec)
    except msgspec.ValidationError as error:
        raise UsageError(f"the spec cannot be read: {error}", "kubectl explain rollout.spec") from None
    status = status_before(found, RolloutStatus)
    return AskedRollout(str(meta["name"]), str(meta["uid"]), int(meta.get("generation", 0)), spec, status)


def rollout_of(asked: AskedRollout, rollouts: Iterable[Rollout]) -> Rollout | None:
    """Returns the rollout that was started for the object, or for which fleet has made the object; else None."""
    for rollout in rollouts:
        begun = rollout.start.object
        if isinstance(begun, StartObject) and begun.uid == asked.uid:
            return rollout
        if rollout.id == asked.name and _has_plan(rollout, asked.spec.plan):
            return rollout
    return None


def _has_plan(rollout: Rollout, plan: str | UnsetType) -> bool:
    """Returns whether the rollout may be that of an object which names this plan. After an older copy of the database was
    restored, another rollout gets the id again."""
    return isinstance(plan, UnsetType) or rollout.start.plan.startswith(plan)


class RolloutCommands:
    """Carries out what objects ask for. `cluster`: the one whose API server has identified the users."""

    def __init__(self, home: Home, cluster: str) -> None:
        self._home = home
        self._cluster = cluster

    def begin(self, asked: AskedRollout, pools: list[str]) -> PlannedRollout | str:
        """Brings an object that has no rollout one step on: makes its plan, takes its votes, starts the rollout. Returns
        the plan that waits for approvals, or the id of the rollout that has begun. `pools`: those of its policies.

        Raises FleetError where that is refused.
        """
        self._refuse_unknown(asked)
        user = self._home_of(asked.spec.user)
        made = self._plan(user, asked, pools)
        self._vote(asked, made)
        policy = user.policy()
        snapshots = refresh(user, made.clusters).fresh
        state = state_of(user, made, snapshots, policy) if has_rule(made, policy) else None
        if state is not None and len(state.approvals) < state.rule.required:
            user.store.plans.save(made)
            want_approvals(user, str(user.user), made, state)
            return _waiting(made, state)
        override = asked.spec.override_freeze
        return start(
            user,
            made,
            lambda clusters: refresh(user, clusters).fresh,
            override=None if isinstance(override, UnsetType) else override,
            asked=StartObject(asked.uid, asked.name),
        ).rollout

    def order(self, asked: AskedRollout, rollout: Rollout) -> bool:
        """Pauses, resumes or aborts the rollout as the object says, if it was not told so by the object before; returns
        whether a command was given. Raises FleetError where that is refused."""
        before = self._ordered(asked, rollout)
        kind = ""
        if asked.spec.aborted and before != "abort":
            kind = "abort"
        elif asked.spec.paused and before in ("", "resume"):
            kind = "pause"
        elif not asked.spec.paused and not asked.spec.aborted and before == "pause":
            kind = "resume"
        if not kind or not rollout.active:
            return False
        reason = "" if isinstance(asked.spec.reason, UnsetType) else asked.spec.reason
        send_command(self._home_of(asked.spec.user), kind, rollout.id, reason, asked.uid)
        return True

    def _ordered(self, asked: AskedRollout, rollout: Rollout) -> str:
        """Returns the last command that was given by this object; empty: none was."""
        found = ""
        for entry in self._home.store.journal.entries(rollout=rollout.id, kinds=ORDERS):
            record = from_record(entry.record)
            if isinstance(record, CommandRecord) and record.object_uid == asked.uid:
                found = entry.record.kind
        return found

    def _refuse_unknown(self, asked: AskedRollout) -> None:
        """Raises HeldError for an object that must not be carried out."""
        if isinstance(asked.before.rollout, str):
            raise HeldError(
                f"the database does not know rollout {asked.before.rollout}: it is an older copy, or another one, and "
                "nothing is done for this object",
                "delete it, and make another Rollout for the nodes that are left",
            )
        if asked.number:
            raise HeldError(
                f"there is no rollout {asked.name}, and fleet alone gives such names", "another name"
            )
        if asked.spec.aborted or asked.spec.paused:
            raise HeldError("nothing is planned while it is paused or aborted", "spec.paused: false")

    def _plan(self, user: Home, asked: AskedRollout, pools: list[str]) -> Plan:
        """Returns the plan of the object: the one that it names or was made for it before, or else a new one."""
        for name in (asked.spec.plan, asked.before.plan):
            if isinstance(name, str):
                made = stored(user, name)
                _refuse_other(made, asked, pools)
                return made
        version = asked.spec.version
        return plan(user, pools, "" if isinstance(version, UnsetType) else version)

    def _vote(self, asked: AskedRollout, made: Plan) -> None:
        """Writes the votes about this plan that are not their user's last one in the journal, each in its user's name.
        Raises FleetError for the first one that is refused, after all others are written."""
        refused: FleetError | None = None
        last = self._last_votes(asked, made)
        for vote in asked.spec.votes:
            wanted = GivenVote(vote.verdict, _override_of(vote, asked))
            if not _names(vote.plan, made) or last.get(vote.user) == wanted:
                continue
            try:
                self._give(vote, made, asked)
            except FleetError as error:
                refused = refused or error
        if refused is not None:
            raise refused

    def _give(self, vote: RolloutVote, made: Plan, asked: AskedRollout) -> None:
        voter = self._home_of(vote.user)
        comment = "" if isinstance(vote.comment, UnsetType) else vote.comment
        if vote.verdict == "Reject":
            if not comment.strip():
                raise UsageError(f"the rejection of {vote.user} needs a reason", "give the vote a comment")
            reject(voter, made, comment, asked.uid)
            return
        approve(
            voter,
            made,
            lambda clusters: refresh(voter, clusters).fresh,
            comment,
            _override_of(vote, asked),
            asked.uid,
        )

    def _last_votes(self, asked: AskedRollout, made: Plan) -> dict[str, GivenVote]:
        """Returns the last vote of each user about the plan, by the journal: the one that was given by this object, or else
        one that was given in another way, which the object need not repeat."""
        own: dict[str, GivenVote] = {}
        others: dict[str, GivenVote] = {}
        for entry in self._home.store.journal.entries(kinds=VOTES):
            record = from_record(entry.record)
            if not isinstance(record, PlanApproved | PlanRejected) or record.plan != made.plan_id:
                continue
            vote = (
                GivenVote("Approve", record.override)
                if isinstance(record, PlanApproved)
                else GivenVote("Reject", "")
            )
            (own if record.object_uid == asked.uid else others)[record.by.name] = vote
        return {**others, **own}

    def _home_of(self, user: str) -> Home:
        """Returns the home as it acts for this user."""
        identity = Identity(user, "kubernetes", self._cluster)
        return Home(self._home.path, self._home.database, self._home.warn, user=identity)


def _override_of(vote: RolloutVote, asked: AskedRollout) -> str:
    """Returns the reason for which the vote also allows a start in a freeze; empty: it does not."""
    override = asked.spec.override_freeze
    return (
        override if isinstance(override, str) and vote.override_freeze and vote.verdict == "Approve" else ""
    )


def _refuse_other(made: Plan, asked: AskedRollout, pools: Iterable[str]) -> None:
    """Raises UsageError for a plan of other pools or another version than the object has, which its readers go by."""
    version = asked.spec.version
    if set(made.pools) != set(pools):
        raise UsageError(
            f"plan {short_id(made.plan_id)} is for {', '.join(made.pools)}, not for {', '.join(pools)}",
            "another Rollout, with spec.policies as the plan has them",
        )
    if isinstance(version, str) and made.target.version != version:
        raise UsageError(
            f"plan {short_id(made.plan_id)} is for version {made.target.version}, not {version}",
            "another Rollout, with spec.version as the plan has it, or without",
        )


def _names(name: str, made: Plan) -> bool:
    """Returns whether the name is that of the plan, as its status shows it or longer. A shorter one may be that of a plan
    that nobody has seen."""
    return made.plan_id.startswith(name) and name.startswith(short_id(made.plan_id))


def _waiting(made: Plan, state: PlanState) -> PlannedRollout:
    return PlannedRollout(
        short_id(made.plan_id),
        made.target.version,
        state.rule.required,
        tuple(approval.by.name for approval in state.approvals),
    )
