"""Makes the report of a rollout, with the verdict on the journal that the report is made from."""

from __future__ import annotations

from msgspec.structs import replace

from fleet.app.audit import signing, verification
from fleet.app.rollouts.rollouts import Rollouts
from fleet.app.rollouts.standstill import standstill
from fleet.app.wiring.home import Home
from fleet.core.objects.node import NodeRef
from fleet.core.records.errors import StoreError
from fleet.core.records.requests import counts_of_rollout
from fleet.core.reporting.report import Report, Verdict
from fleet.core.reporting.reporter import make_report
from fleet.store.db.database import TAMPERED


def report(home: Home, ident: str = "") -> Report:
    """Reports on the named rollout; without a name on the active one, or else on the newest. Raises UsageError, and
    StoreError for entries that fleet cannot have written."""
    store = home.store
    rollout = Rollouts.load(store).last(ident)
    findings = verification.wrong(home)
    verdict = Verdict(
        not findings, store.journal.count(), "; ".join(finding.message for finding in findings[:3])
    )
    plan = store.plans.find(rollout.start.plan)
    entries = store.journal.entries(rollout=rollout.id)
    try:
        held = {NodeRef.parse(node): waiting.held for node, waiting in store.held.of(rollout.id).items()}
        made = make_report(rollout.id, entries, home.now(), verdict, plan, held)
    except (LookupError, ValueError, TypeError) as error:
        raise StoreError(f"the entries of {rollout.id} make no rollout: {error}", TAMPERED) from error
    sent = counts_of_rollout(rollout.id, store.requests.of(rollout.id), len(rollout.acted))
    against = made.against
    if against is not None and standstill(home, [rollout]) is not None:
        # No controller works on the rollout.
        against = replace(against, eta=None)
    return replace(made, requests=sent, against=against)


def with_evidence(home: Home, made: Report) -> Report:
    """Adds everything that is needed to verify the report elsewhere (`fleet audit verify --file`): the checkpoints at
    or after its entries, the other entries up to the first checkpoint that vouches for all of them, and, where the
    home has a signing key and the journal is intact, the signature over the report. Raises TamperedError."""
    key = signing.sign_end(home) if made.journal.verdict.verified else None
    signed = home.store.checkpoints.all()
    first, last = made.journal.first_seq, made.journal.last_seq
    cover = next((checkpoint.seq for checkpoint in signed if checkpoint.seq >= last), last)
    between = home.store.journal.entries(after=first, limit=cover - first)
    proven = replace(
        made,
        others=tuple(entry for entry in between if entry.record.rollout != made.rollout),
        checkpoints=tuple(checkpoint for checkpoint in signed if first <= checkpoint.seq <= cover),
    )
    return key.sign_report(proven) if key is not None else proven
