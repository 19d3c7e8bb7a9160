"""Makes the report of a span from the journal, the policy and the inventory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from msgspec.structs import replace

from fleet.app.audit import signing, verification
from fleet.app.reporting.status import known_in
from fleet.app.reporting.unseen import unseen
from fleet.app.wiring.home import Home
from fleet.app.wiring.names import pool_named
from fleet.core.objects.node import NodeRef
from fleet.core.policy.policy import Policy
from fleet.core.records.errors import StoreError, UsageError
from fleet.core.reporting.node_state import KnownNode
from fleet.core.reporting.period.deadline import Deadline
from fleet.core.reporting.period.history import KINDS, FleetHistory, NodeHistory, Sighting
from fleet.core.reporting.period.measure import in_pools, measure
from fleet.core.reporting.period.period_report import PeriodJournal, PeriodReport
from fleet.core.reporting.period.period_reporter import merged, period_report, report_of_rollout
from fleet.core.reporting.period.span import ReportSpan
from fleet.core.reporting.report import Report, Verdict
from fleet.core.rollout.commands import COMMANDS
from fleet.store.db.database import TAMPERED

COMMAND_KINDS = tuple(str(each.__struct_config__.tag) for each in COMMANDS)


def report_of_span(home: Home, span: ReportSpan, pools: Sequence[str], deadline: Deadline) -> PeriodReport:
    """Reports on all rollouts of the span. `pools`: empty for the whole fleet. Raises UsageError for a pool that
    neither the policy nor a rollout has, and for a span that has not begun; StoreError for entries that fleet cannot
    have written."""
    now = home.now()
    if span.begin >= now:
        raise UsageError(f"{span.name} has not begun", "name an earlier span: --quarter, or --from and --to")
    journal = home.store.journal
    verdict = _verdict(home)
    policy = home.policy_if_any()
    last = journal.last()
    history = FleetHistory(span.end)
    history.apply(journal.entries(kinds=KINDS))
    _refuse_unknown(pools, policy, history)
    reports = list(_reports(home, history, span, now, pools))
    # A past span is measured with what the inventory has of that moment.
    at = span.end if span.end < now else None
    known = known_in(home, home.clusters(), at)
    nodes = _histories(history, known, policy, home)
    policies = [*history.policies, *([policy] if policy.pools else [])]
    return period_report(
        span,
        now,
        pools,
        reports,
        measure(in_pools(nodes.values(), pools), policies, span, deadline, now),
        journal.entries(kinds=COMMAND_KINDS),
        unseen(home, span, pools, [report for report, _ in reports], nodes, known, now),
        PeriodJournal(last.seq if last else 0, last.seq if last else 0, last.hash if last else "", verdict),
    )


def with_signature(home: Home, made: PeriodReport) -> PeriodReport:
    """Adds the checkpoint that vouches for the journal, and the signature over the report, where the home has a signing
    key and the journal is intact. Raises TamperedError."""
    key = signing.sign_end(home) if made.journal.verdict.verified else None
    signed = [each for each in home.store.checkpoints.all() if each.seq >= made.journal.last_seq]
    proven = replace(made, checkpoint=signed[0] if signed else None)
    return key.sign_report(proven) if key is not None else proven


def _verdict(home: Home) -> Verdict:
    findings = verification.wrong(home)
    return Verdict(not findings, home.store.journal.count(), "; ".join(each.message for each in findings[:3]))


def _refuse_unknown(pools: Sequence[str], policy: Policy, history: FleetHistory) -> None:
    known = {name for rollout in history.rollouts.values() for name in rollout.pools}
    for name in pools:
        if name not in known:
            pool_named(policy, name)


def _reports(
    home: Home, history: FleetHistory, span: ReportSpan, now: datetime, pools: Sequence[str]
) -> Iterator[tuple[Report, Policy]]:
    """Yields the reports of the rollouts that were active in the span, one in memory as it is read."""
    for rollout in history.within(span.begin):
        if pools and rollout.pools.isdisjoint(pools):
            continue
        entries = home.store.journal.entries(rollout=rollout.rollout)
        try:
            yield report_of_rollout(rollout.rollout, entries, span, now, pools)
        except (LookupError, ValueError, TypeError) as error:
            raise StoreError(
                f"the entries of {rollout.rollout} tell no rollout: {error}", TAMPERED
            ) from error


def _histories(
    history: FleetHistory, known: Sequence[KnownNode], policy: Policy, home: Home
) -> dict[NodeRef, NodeHistory]:
    """Returns the nodes of journal and inventory. A node that the inventory no longer has is gone since the end of its
    last interval."""
    found = merged(
        history.nodes, [_seen(each, policy, history.end) for each in known if each.node is not None]
    )
    here, ends = {each.ref for each in known}, home.store.inventory.ends()
    for ref, node in found.items():
        gone = ends.get((ref.cluster, ref.name))
        if ref not in here and gone is not None and gone < history.end:
            found[ref] = replace(node, gone=gone)
    return found


def _seen(known: KnownNode, policy: Policy, end: datetime) -> tuple[NodeRef, str, Sighting | None]:
    """Returns the node's pool, and since when it runs what its agent reports."""
    pool = policy.pool_of(known.cluster, known.node) if known.node is not None else None
    version = policy.version_of(known.machine.booted if known.machine is not None else None)
    seen = (
        Sighting(known.since, version) if version and known.since is not None and known.since < end else None
    )
    return known.ref, pool.name if pool is not None else "", seen
