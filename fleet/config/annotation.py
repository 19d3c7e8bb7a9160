"""A quorum group that a workload declares by an annotation: a kind, or a mapping with the keys of the policy."""

from __future__ import annotations

import re
from contextlib import suppress

from msgspec.structs import replace

from fleet.config.document import forms
from fleet.config.document.findings import Findings, SourcePlace, TooMany
from fleet.config.document.fragment import Block, KeyEntry, Scalar, compose
from fleet.config.document.reader import Reader
from fleet.config.quorum import KINDS, probe, rule, spread, voters
from fleet.core.objects.selector import Selector
from fleet.core.objects.workload import QUORUM_ANNOTATION, Workload
from fleet.core.quorum.groups import GroupMembers, QuorumGroup, QuorumKind
from fleet.core.quorum.probe import ExecProbe

KIND: forms.ValueForm[QuorumKind] = forms.choice(
    {name: kind for name, kind in KINDS.items() if kind != "etcd"}
)
"""The kinds that an annotation may name. An etcd needs files on the computer that asks it, so only the policy can
declare one."""
LINE = re.compile(r"^1: ")
MOST_CHARACTERS = 8192
"""The most characters that are read: the annotation is read again with each change of its workload, and any user with
access to the workload may write the annotation."""
MOST_TOLD = 3
"""The most mistakes in one message, which is one line for the operator."""


def declared_by(workload: Workload, cluster: str) -> QuorumGroup:
    """Returns the quorum group that a workload declares by annotation, named CLUSTER/NAMESPACE/NAME. Where the
    annotation is invalid, `wrong` has the reason; the workload's pods are the members even so."""
    source = f"{workload.kind} {workload.ref}"
    place, findings = f"{source}, annotation {QUORUM_ANNOTATION}", Findings()
    pods = QuorumGroup(
        f"{cluster}/{workload.ref}",
        cluster,
        "pods",
        members=GroupMembers(workload.namespace, workload.selector or Selector()),
        source=source,
    )
    group = pods
    with suppress(TooMany):
        group = _read(pods, workload, place, findings)
    if workload.selector is None:
        return replace(
            pods, wrong=f"{place}: {workload.kind} has no selector, so its pods cannot be determined"
        )
    if not findings.problems:
        return group
    messages = [LINE.sub("", problem.removeprefix(f"{place}:")).strip() for problem in findings.problems]
    more = [f"and {len(messages) - MOST_TOLD} more"] if len(messages) > MOST_TOLD else []
    return replace(pods, wrong=f"{place}: {'; '.join(messages[:MOST_TOLD] + more)}")


def _read(pods: QuorumGroup, workload: Workload, place: str, findings: Findings) -> QuorumGroup:
    written = workload.quorum or ""
    if len(written) > MOST_CHARACTERS:
        findings.problem(
            SourcePlace(place, 1), f"expected at most {MOST_CHARACTERS} characters, found {len(written)}"
        )
        return pods
    document = compose(written, place, findings)
    if isinstance(document, Scalar):
        document = Block(document.line, {"kind": KeyEntry(document.line, document)})
    reader = Reader(document if isinstance(document, Block) else Block(1), place, findings)
    if not isinstance(document, Block) and not findings.problems:
        reader.problem(f"expected {KIND.expected}, or a mapping with the key kind, found neither")
    return _written(pods, workload, reader)


def _written(pods: QuorumGroup, workload: Workload, reader: Reader) -> QuorumGroup:
    kind: QuorumKind = reader.value("kind", KIND, "pods")
    name = reader.value("name", forms.NAME, workload.name)
    assert pods.members is not None
    members = replace(pods.members, voters=voters(reader), probe=probe(reader, kind), owner=workload.uid)
    found = replace(
        pods,
        name=f"{pods.cluster}/{workload.namespace}/{name}",
        kind=kind,
        rule=rule(reader, kind),
        spread=spread(reader),
        members=members,
    )
    if (
        members.probe is not None
        and isinstance(members.probe.ask, ExecProbe)
        and workload.kind == "Deployment"
    ):
        reader.problem(
            "expected http of a Deployment (its pods are not its own, but a ReplicaSet's), found exec"
        )
    reader.close()
    return found
