"""Makes the report of a span from the journal, the policy and the inventory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from fleet.app.audit import signing, verification
from fleet.app.reporting.status import known_in
from fleet.app.reporting.unseen import unseen
from fleet.app.wiring.home import Home
from fleet.app.wiring.names import pool_named
from fleet.core.objects.known_node import KnownNode
from fleet.core.objects.node import NodeRef
from fleet.core.policy.policy import Policy
from fleet.core.records.errors import StoreError, UsageError
from fleet.core.reporting.period.assembly import EntriesUpTo, assemble, fleet_history, place_of
from fleet.core.reporting.period.deadline import Deadline
from fleet.core.reporting.period.evidence import PeriodEvidence, SeenNode, read_by_compliance
from fleet.core.reporting.period.history import FleetHistory, NodeHistory
from fleet.core.reporting.period.period_report import PeriodReport, UnseenParts
from fleet.core.reporting.period.span import ReportSpan
from fleet.core.reporting.report import Report, Verdict
from fleet.store.db.database import TAMPERED


def report_of_span(home: Home, span: ReportSpan, pools: Sequence[str], deadline: Deadline) -> PeriodReport:
    """Reports on all rollouts of the span. `pools`: empty for the whole fleet. Raises UsageError for a pool that
    neither the policy nor a rollout has, and for a span that has not begun; StoreError for entries that fleet cannot
    have written."""
    now = home.now()
    if span.begin >= now:
        raise UsageError(f"{span.name} has not begun", "name an earlier span: --quarter, or --from and --to")
    verdict = _verdict(home)
    policy = home.policy_if_any()
    last = home.store.journal.last()
    journal = EntriesUpTo(home.store.journal, last.seq if last is not None else 0)
    history = fleet_history(journal, span.end)
    _refuse_unknown(pools, policy, history)
    # A past span is measured with what the inventory has of that moment.
    known = known_in(home, home.clusters(), span.end if span.end < now else None)

    def gaps(reports: Sequence[Report], nodes: Mapping[NodeRef, NodeHistory]) -> UnseenParts:
        return unseen(home, span, pools, reports, nodes, known, now)

    evidence = _evidence(home, known, history, policy)
    place = place_of(last, verdict)
    try:
        return assemble(journal, history, evidence, span, now, pools, deadline, gaps, place)
    except ValueError as error:
        raise StoreError(str(error), TAMPERED) from error


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


def _evidence(
    home: Home, known: Sequence[KnownNode], history: FleetHistory, policy: Policy
) -> PeriodEvidence:
    """Returns what the inventory has of the nodes. A node of the journal that the inventory no longer has is gone since
    the end of its last interval."""
    here, ends = {each.ref for each in known}, home.store.inventory.ends()
    gone = (
        SeenNode(ref.cluster, ref.name, gone=ends[ref.cluster, ref.name])
        for ref in history.nodes
        if ref not in here and (ref.cluster, ref.name) in ends
    )
    seen = (_seen(each, policy) for each in known if each.node is not None)
    return PeriodEvidence((*seen, *gone), read_by_compliance(policy) if policy.pools else None)


def _seen(known: KnownNode, policy: Policy) -> SeenNode:
    pool = policy.pool_of(known.cluster, known.node) if known.node is not None else None
    version = policy.version_of(known.machine.booted if known.machine is not None else None)
    return SeenNode(
        known.cluster,
        known.name,
        pool.name if pool is not None else "",
        version,
        known.since if version else None,
    )
