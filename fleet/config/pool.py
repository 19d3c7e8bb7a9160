"""Reads pools: which nodes they select, and the rules for them."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import UNSET, UnsetType
from msgspec.structs import fields, replace

from fleet.config.alerting.silence import needs_cluster, silences
from fleet.config.document import forms, network_forms
from fleet.config.document.reader import Reader
from fleet.config.document.rule import read_rule
from fleet.config.gate import gates
from fleet.config.hook import hooks
from fleet.config.pool_rules.drain_rule import rules
from fleet.config.pool_rules.playbook import mistake_in
from fleet.config.pool_rules.upgrade import SoakNames, check, upgrade
from fleet.config.selector import hidden, selector
from fleet.config.times.window import windows
from fleet.core.policy.gate import WorkloadsGate
from fleet.core.policy.hooks.hook import PlaybookHook
from fleet.core.policy.policy import PLAYBOOKS, ApprovalRule, DrainRule, Limits, Pool
from fleet.core.releases.release import Stream
from fleet.core.text.paths import expanded


class KnownStreams:
    """The streams that a pool may name, and their versions."""

    def __init__(self, streams: Sequence[Stream]) -> None:
        names = [stream.name for stream in streams]
        self.stream = forms.one_of(names, f"one of the streams ({', '.join(names[:8]) or 'there are none'})")
        self._versions = {
            stream.name: forms.one_of(
                (release.version for release in stream.releases), f"a version of stream {stream.name}"
            )
            for stream in streams
            if stream.releases
        }

    def version(self, stream: str) -> forms.ValueForm[str]:
        """Returns the form of a version of the stream: any text where the stream has problems of its own."""
        return self._versions.get(stream, forms.TEXT)


def pools(reader: Reader, streams: Sequence[Stream]) -> tuple[Pool, ...]:
    """Reads the pools. A rule that a pool does not give comes from `defaults`, or else from the defaults of `Pool`."""
    known = KnownStreams(streams)
    names = SoakNames(reader)
    base = _rules(reader.block("defaults"), Pool(""), known, names)
    # In a cluster, policies may come after fleet.
    parts = reader.blocks("pools", required=not reader.spelling.in_objects)
    found = [_pool(part, base, known, names) for part in parts]
    seen: set[str] = set()
    for part, pool in zip(parts, found, strict=True):
        if pool.name and pool.name in seen:
            part.problem("expected each name once, found it again", "name")
        seen.add(pool.name)
        check(part, pool)
    for earlier, later in hidden(found):
        line = parts[earlier].place().line
        place = f" (line {line})" if line else ""
        message = f"every node that it selects goes to pool {found[earlier].name}{place}, which comes first"
        parts[later].caution(message)
    return tuple(found)


def _pool(reader: Reader, base: Pool, known: KnownStreams, names: SoakNames) -> Pool:
    name = reader.required("name", forms.NAME, "")
    rules = _rules(reader, base, known, names)
    if reader.has("version") and not rules.stream and not reader.has("stream"):
        reader.problem("expected a stream that has this version, found none", "version")
    if reader.has("playbooks") and rules.reach != "playbook":
        reader.caution(
            f"none of them is used: its nodes are reached by {rules.reach}, not by playbook", "playbooks"
        )
    compares = [gate.name for gate in rules.gates or () if isinstance(gate, WorkloadsGate)]
    if compares and not rules.canaries:
        reader.caution(f"gate {compares[0]} compares nothing: the pool has no canaries", "gates")
    clusters = reader.values("clusters", forms.NAME)
    for rule in rules.silences or ():
        if len(clusters) != 1 and needs_cluster(rule):
            reader.caution(
                f"silence {rule.name} silences nodes of the same name in all clusters: neither its alertmanager nor its "
                "matchers have {cluster}"
            )
    hooks_of_nodes = rules.hooks.before + rules.hooks.after if rules.hooks else ()
    if rules.reach == "agent" and any(isinstance(hook, PlaybookHook) for hook in hooks_of_nodes):
        message = "expected no hook with a playbook, since no node is reached by ssh or playbook, found one"
        reader.problem(message, "hooks")
    return replace(
        rules,
        name=name,
        selector=selector(reader.block("selector")),
        clusters=clusters,
        version=reader.value("version", known.version(rules.stream), ""),
    )


def _rules(reader: Reader, base: Pool, known: KnownStreams, names: SoakNames) -> Pool:
    """Reads the rules that both `defaults` and a pool may give."""
    given = windows(reader)
    return replace(
        read_rule(reader, base),
        stream=reader.value("stream", known.stream, base.stream),
        limits=limits(reader.block("limits"), base.limits),
        drain=_drain(reader.block("drain"), base.drain),
        stage=read_rule(reader.block("stage"), base.stage),
        reboot=read_rule(reader.block("reboot"), base.reboot),
        gates=gates(reader, base.gates or ()) or UNSET,
        silences=silences(reader, base.silences or ()) or UNSET,
        windows=given.weekly if reader.has("windows") else base.windows,
        recurring=(given.recurring or UNSET) if reader.has("windows") else base.recurring,
        unread=(given.unread or UNSET) if reader.has("windows") else base.unread,
        source=reader.value("source", network_forms.SOURCE, base.source),
        playbooks=playbooks(reader, base.playbooks),
        patch_within_seconds=_patch_within(reader, base.patch_within_seconds),
        hooks=hooks(reader, "node", base.hooks),
        approvals=_approvals(reader, base.approvals),
        upgrade=upgrade(reader, base.upgrade, names),
        rollout_wariness=reader.value("rollout_wariness", forms.WARINESS, base.rollout_wariness),
    )


def playbooks(reader: Reader, base: dict[str, str]) -> dict[str, str]:
    """Returns the playbooks by step, each with an absolute path; in the file the paths are relative to its folder."""
    part = reader.block("playbooks")
    found = dict(base)
    for step in PLAYBOOKS:
        text = part.value(step, forms.FILE, "")
        if not text:
            continue
        path = reader.folder / expanded(text)
        if mistake := mistake_in(path):
            part.problem(f"expected a playbook, {mistake}", step)
        found[step] = str(path)
    return found


def limits(reader: Reader, base: Limits) -> Limits:
    """Reads how many nodes may be unavailable at once, and warns of a limit that allows no node to start."""
    found = read_rule(reader, base)
    for field in fields(found):
        amount = getattr(found, field.name)
        if reader.has(field.name) and amount is not None and amount.number == 0:
            reader.caution(f"{amount} allows no node to start", field.name)
    return found


def _patch_within(reader: Reader, base: int | UnsetType) -> int | UnsetType:
    seconds = reader.value("patch_within", forms.seconds(1), 0)
    return seconds or base


def _approvals(reader: Reader, base: ApprovalRule | UnsetType) -> ApprovalRule | UnsetType:
    """Returns the rule; UNSET where neither this mapping nor `base` has one."""
    part = reader.block("approvals")
    found = read_rule(part, base if isinstance(base, ApprovalRule) else ApprovalRule())
    return found if reader.has("approvals") else base


def _drain(reader: Reader, base: DrainRule) -> DrainRule:
    return replace(read_rule(reader, base), rules=rules(reader, base.rules))
