"""Pools: which nodes, and the rules for them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from msgspec.structs import replace

from fleet.config import forms
from fleet.config.drain_rule import rules
from fleet.config.playbook import mistake_in
from fleet.config.reader import Reader
from fleet.config.selector import hidden, selector
from fleet.config.window import window
from fleet.core.policy.policy import PLAYBOOKS, DrainRule, Limits, MachineReach, Pool, RebootRule, StageRule
from fleet.core.releases.release import Stream
from fleet.core.text.paths import expanded

WAYS: dict[str, MachineReach] = {"agent": "agent", "ssh": "ssh", "playbook": "playbook"}
WAIT_OR_IGNORE: dict[str, Literal["wait", "ignore"]] = {"wait": "wait", "ignore": "ignore"}
HOLD_OR_EVICT: dict[str, Literal["hold", "evict"]] = {"hold": "hold", "evict": "evict"}


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
        """Any text where the stream has problems of its own."""
        return self._versions.get(stream, forms.TEXT)


def pools(reader: Reader, streams: Sequence[Stream]) -> tuple[Pool, ...]:
    """Rules that a pool does not give are those under `defaults`, or else those of `Pool`."""
    known = KnownStreams(streams)
    base = _rules(reader.block("defaults"), Pool(""), known)
    parts = reader.blocks("pools", some=True)
    found = [_pool(part, base, known) for part in parts]
    names: set[str] = set()
    for part, pool in zip(parts, found, strict=True):
        if pool.name and pool.name in names:
            part.problem("expected each name once, found it again", "name")
        names.add(pool.name)
    for earlier, later in hidden(found):
        line = parts[earlier].place().line
        words = (
            f"every node that it selects goes to pool {found[earlier].name} (line {line}), which comes first"
        )
        parts[later].caution(words)
    return tuple(found)


def _pool(reader: Reader, base: Pool, known: KnownStreams) -> Pool:
    name = reader.required("name", forms.NAME, "")
    rules = _rules(reader, base, known)
    if reader.has("version") and not rules.stream and not reader.has("stream"):
        reader.problem("expected a stream that has this version, found none", "version")
    if reader.has("playbooks") and rules.reach != "playbook":
        reader.caution(
            f"none of them is run: its nodes are reached by {rules.reach}, not by playbook", "playbooks"
        )
    return replace(
        rules,
        name=name,
        selector=selector(reader.block("selector")),
        clusters=reader.values("clusters", forms.NAME),
        version=reader.value("version", known.version(rules.stream), ""),
    )


def _rules(reader: Reader, base: Pool, known: KnownStreams) -> Pool:
    """What `defaults` and a pool may both say."""
    windows = tuple(window(each) for each in reader.blocks("windows"))
    return replace(
        base,
        stream=reader.value("stream", known.stream, base.stream),
        limits=limits(reader.block("limits"), base.limits),
        drain=_drain(reader.block("drain"), base.drain),
        stage=_stage(reader.block("stage"), base.stage),
        reboot=_reboot(reader.block("reboot"), base.reboot),
        soak_seconds=reader.value("soak", forms.seconds(0), base.soak_seconds),
        canaries=reader.value("canaries", forms.count(0), base.canaries),
        failure_limit=reader.value("failure_limit", forms.FAILURES, base.failure_limit),
        windows=windows if reader.has("windows") else base.windows,
        reach=reader.value("reach", forms.choice(WAYS), base.reach),
        source=reader.value("source", forms.SOURCE, base.source),
        playbooks=playbooks(reader, base.playbooks),
    )


def playbooks(reader: Reader, base: dict[str, str]) -> dict[str, str]:
    """By step, each an absolute path; in the file they are relative to its folder."""
    part = reader.block("playbooks")
    found = dict(base)
    for step in PLAYBOOKS:
        text = part.value(step, forms.TEXT, "")
        if not text:
            continue
        path = Path(reader.file).absolute().parent / expanded(text)
        if mistake := mistake_in(path):
            part.problem(f"expected a playbook, {mistake}", step)
        found[step] = str(path)
    return found


def limits(reader: Reader, base: Limits) -> Limits:
    found = Limits(
        max_unavailable=reader.value("max_unavailable", forms.AMOUNT, base.max_unavailable),
        per_zone=reader.value("per_zone", forms.AMOUNT, base.per_zone),
        per_site=reader.value("per_site", forms.AMOUNT, base.per_site),
        per_cluster=reader.value("per_cluster", forms.AMOUNT, base.per_cluster),
    )
    for key in ("max_unavailable", "per_zone", "per_site", "per_cluster"):
        amount = getattr(found, key)
        if reader.has(key) and amount is not None and amount.number == 0:
            reader.caution(f"{amount} lets no node start", key)
    return found


def _drain(reader: Reader, base: DrainRule) -> DrainRule:
    choice = forms.choice(HOLD_OR_EVICT)
    return DrainRule(
        unmanaged=reader.value("unmanaged", choice, base.unmanaged),
        local_data=reader.value("local_data", choice, base.local_data),
        host_path=reader.value("host_path", choice, base.host_path),
        no_room=reader.value("no_room", choice, base.no_room),
        volumes=reader.value("volumes", forms.choice(WAIT_OR_IGNORE), base.volumes),
        grace_seconds=reader.value("grace", forms.GRACE, base.grace_seconds),
        timeout_seconds=reader.value("timeout", forms.seconds(1), base.timeout_seconds),
        rules=rules(reader, base.rules),
    )


def _stage(reader: Reader, base: StageRule) -> StageRule:
    return StageRule(
        concurrency=reader.value("concurrency", forms.count(1), base.concurrency),
        timeout_seconds=reader.value("timeout", forms.seconds(1), base.timeout_seconds),
    )


def _reboot(reader: Reader, base: RebootRule) -> RebootRule:
    return RebootRule(timeout_seconds=reader.value("timeout", forms.seconds(1), base.timeout_seconds))
