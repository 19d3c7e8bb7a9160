"""Estimates how long the parts of a run take: measured where the journal has past runs, assumed where it has none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from math import ceil
from statistics import median

from msgspec import Struct
from msgspec.structs import replace

from fleet.core.objects.node import NodeRef
from fleet.core.objects.pod import Pod
from fleet.core.policy.hooks.hook import AnyHook, HookMoment
from fleet.core.records.journal import JournalEntry
from fleet.core.rollout.codec import Journaled, from_record
from fleet.core.rollout.commands import RolloutStarted
from fleet.core.rollout.decisions import HookEnded, HookStarted, StepFinished
from fleet.core.rollout.hooks.hook_state import HookPlace, HookResult
from fleet.core.rollout.record import PodsTimed
from fleet.core.rollout.steps import Step

NODE_PARTS = ("stage", "reboot", "verify")
POD_PARTS = ("pod_stop", "pod_start")
PARTS = ("stage", "reboot", "pod_stop", "pod_start")
ENOUGH = 5
"""The number of runs or pods that must have been measured before their times replace the defaults."""
ENOUGH_OF_APP = 3
ENOUGH_TO_SPREAD = 20
"""From this number of runs or pods on, the measurements show how slow the slowest 5 % are."""
QUICK: Mapping[str, float] = {"stage": 1.0, "reboot": 5.0, "pod_stop": 1.0, "pod_start": 1.0}
"""Seconds, where nothing is measured, in a fast environment: small images on fast disks, virtual machines, pods that
stop at once."""
SLOW: Mapping[str, float] = {"stage": 600.0, "reboot": 600.0, "pod_stop": 30.0, "pod_start": 120.0}
"""Seconds, where nothing is measured, in a slow environment: large images over slow lines, servers that test their
memory at boot, pods that use their whole grace period."""
TIMED_KINDS = ("start", "step", "timed", "hook-started", "hook-ended")
"""The kinds of journal records that durations are measured from. Most kinds contain no durations."""
LEAST = 0.1
"""Seconds. A part that was measured to take less than this is taken to need this long."""


class Estimate(Struct, frozen=True):
    """Says how long one part of a run takes, in seconds: measured from the journal, or assumed."""

    part: str
    """`stage`: writing the image. `reboot`: from the request until the new boot is proven. `verify`: the last part of
    `reboot`, from the first report of the new boot id until the new boot is proven. `pod_stop`: from an eviction until
    the pod is gone. `pod_start`: from being bound to a node until Ready."""
    p50: float
    p95: float
    samples: int
    """The number of runs or pods that were measured. 0: none was measured, and the values are the defaults."""
    pool: str = ""
    """Empty: the estimate is for all pools."""
    os: str = ""
    """Empty: the estimate is for all operating systems."""


EstimateKey = tuple[str, str]
"""A pool and an operating system. An empty string stands for all pools or all operating systems."""
HookName = tuple[HookMoment, str]
RunKey = tuple[str, NodeRef]
"""A rollout and a node."""
Ratios = tuple[float, ...]
"""Measured durations, each divided by the expected one, in ascending order."""


class DurationEstimates(Struct, frozen=True):
    """The expected durations of the parts of a run, in seconds. `groups` and `apps` take precedence over the plain
    fields."""

    stage: float = 60.0
    """Writing the image."""
    reboot: float = 90.0
    """From the moment the machine goes down until the node is Ready on its new boot."""
    pod_stop: float = 5.0
    """From an eviction until the pod is gone. A pod never takes longer than its grace period."""
    pod_start: float = 10.0
    """From being bound to a node until Ready."""
    apps: dict[str, float] = {}
    """`pod_start` of the pods of one controller (named by `app_of`), where it was measured."""
    agent: float = 1.0
    """From a request until the machine's agent takes up the request, and from the boot of the machine until its agent
    reports."""
    status: float = 0.2
    """From a change of pods until the status of their PodDisruptionBudget counts the change."""
    p95: float = 1.25
    """The factor by which a slow run (95th percentile) takes longer than a usual one, where nothing is measured."""
    hooks: dict[HookName, float] = {}
    """How long the hooks that were measured take until they pass, by moment and name."""
    measured: dict[str, dict[EstimateKey, Estimate]] = {}
    """The estimates from the journal by part: for one pool and operating system, for one operating system in all pools, and
    for all nodes."""
    spreads: dict[str, dict[EstimateKey, Ratios]] = {}
    """The same for groups with enough measurements to know how slow the slowest 5 % are. A pod is compared with what is
    expected of its own app."""

    def hook_seconds(self, moment: HookMoment, hook: AnyHook) -> float:
        """Returns how long the hook is expected to take; its timeout, where it was not measured."""
        return min(self.hooks.get((moment, hook.name), hook.timeout_seconds), hook.timeout_seconds)

    def start_of(self, pod: Pod) -> float:
        """Returns the expected seconds from being bound to a node until the pod is Ready."""
        return self.apps.get(app_of(pod), self.pod_start) if self.apps else self.pod_start

    def estimate(self, part: str, pool: str = "", os: str = "") -> Estimate:
        """Returns the estimate for the pool's machines with that operating system, else the one for such machines in
        any pool, else the default. Where the operating system is not known, the estimate is for all machines."""
        by_group = self.measured.get(part, {})
        match = by_group.get((pool, os)) or by_group.get(("", os))
        if match is not None:
            return match
        default = self.agent if part == "verify" else getattr(self, part)
        return Estimate(part, default, default * self.p95, 0)

    def spread(self, part: str, pool: str = "", os: str = "") -> Ratios:
        """Returns the ratios of measured to expected durations, chosen as `estimate` chooses. Returns none if too
        little was measured."""
        by_group = self.spreads.get(part, {})
        return by_group.get((pool, os)) or by_group.get(("", os)) or ()

    def stage_of(self, pool: str, os: str) -> float:
        """Returns the seconds to write the image, from the moment at which the agent begins."""
        estimate = self.estimate("stage", pool, os)
        return max(LEAST, estimate.p50 - self.agent) if estimate.samples else self.stage

    def reboot_of(self, pool: str, os: str) -> float:
        """Returns the seconds from the moment the machine goes down until the node is Ready on its new boot. The
        measured time also contains how long the agent took to take up the request and to report after the boot, so both
        are subtracted."""
        estimate = self.estimate("reboot", pool, os)
        return max(LEAST, estimate.p50 - 2 * self.agent) if estimate.samples else self.reboot

    def of_groups(self, groups: Iterable[EstimateKey]) -> Iterator[Estimate]:
        """Yields the estimate of every part for these pools and operating systems. A plan shows them."""
        ordered = sorted(set(groups))
        for part in NODE_PARTS:
            for pool, os in ordered:
                yield replace(self.estimate(part, pool, os), pool=pool, os=os)
        for part in POD_PARTS:
            yield self.estimate(part)


def app_of(pod: Pod) -> str:
    """Returns `namespace/name` of the pod's controller, or of the pod itself where it has no controller. All revisions
    of a Deployment have the same name."""
    if pod.owner is None:
        return f"{pod.namespace}/{pod.name}"
    name = pod.owner.name
    if revision := pod.labels.get("pod-template-hash"):
        name = name.removesuffix(f"-{revision}")
    return f"{pod.namespace}/{name}"


def origin(estimates: Iterable[Estimate]) -> dict[str, str]:
    """Returns by part where its estimate comes from: `default`, `measured: 31 runs`, or measured with the pools for
    which the default is used."""
    parts: dict[str, list[Estimate]] = {}
    for estimate in estimates:
        parts.setdefault(estimate.part, []).append(estimate)
    texts = {}
    for part in PARTS:
        sampled = [estimate for estimate in parts.get(part, ()) if estimate.samples]
        noun = "pods" if part in POD_PARTS else "runs"
        if not sampled:
            texts[part] = "default"
        else:
            texts[part] = f"measured: {max(estimate.samples for estimate in sampled)} {noun}"
            if defaulted := [estimate.pool for estimate in parts[part] if not estimate.samples]:
                texts[part] += f"; default for {', '.join(dict.fromkeys(defaulted))}"
    return texts


def measured(entries: Iterable[JournalEntry], systems: Mapping[NodeRef, str] = {}) -> DurationEstimates:
    """Returns the estimates that result from all past runs. `entries`: in the journal's order; those of the kinds
    `TIMED_KINDS` are enough. `systems`: the operating system of each node, where it is known."""
    samples = _Samples(systems)
    for entry in entries:
        samples.apply(from_record(entry.record), entry.at)
    return samples.times()


class _Samples:
    def __init__(self, systems: Mapping[NodeRef, str]) -> None:
        self._systems = systems
        self._pools: dict[RunKey, str] = {}
        """The pool, by rollout and node."""
        self._begun: dict[RunKey, tuple[Step, datetime, datetime]] = {}
        """The step that a run is in, when that step began, and when the step before it began."""
        self._seconds: dict[str, dict[EstimateKey, list[float]]] = {}
        self._apps: dict[str, list[float]] = {}
        self._hooks_begun: dict[tuple[str, HookPlace, str], datetime] = {}
        self._hooks: dict[HookName, list[float]] = {}

    def apply(self, record: Journaled, at: datetime) -> None:
        match record:
            case RolloutStarted():
                for goal in record.start.goals:
                    self._pools[record.rollout, goal.node] = goal.pool
            case StepFinished():
                self._step(record, at)
            case PodsTimed():
                self._timed(record)
            case HookStarted() | HookEnded():
                self._hook(record, at)

    def _step(self, ended: StepFinished, at: datetime) -> None:
        run = (ended.rollout, ended.node)
        step, since, before = self._begun.get(run, (Step.PENDING, at, at))
        if ended.to is Step.STAGED and step is Step.STAGE:
            self._note("stage", run, (at - since).total_seconds())
        elif ended.to is Step.UNCORDON and step is Step.VERIFY:
            self._note("verify", run, (at - since).total_seconds())
            self._note("reboot", run, (at - before).total_seconds())
        self._begun[run] = (ended.to, at, since)

    def _hook(self, record: HookStarted | HookEnded, at: datetime) -> None:
        key = (record.rollout, record.place, record.hook)
        if isinstance(record, HookStarted):
            self._hooks_begun[key] = at
        elif (begun := self._hooks_begun.pop(key, None)) and record.result is HookResult.PASSED:
            self._hooks.setdefault((record.moment, record.hook), []).append((at - begun).total_seconds())

    def _timed(self, timed: PodsTimed) -> None:
        for milliseconds in timed.stop:
            self._add("pod_stop", ("", ""), milliseconds / 1000)
        for app, lengths in timed.start.items():
            for milliseconds in lengths:
                self._add("pod_start", ("", ""), milliseconds / 1000)
                self._apps.setdefault(app, []).append(milliseconds / 1000)

    def _note(self, part: str, run: RunKey, seconds: float) -> None:
        os = self._systems.get(run[1], "")
        for group in {(self._pools.get(run, ""), os), ("", os), ("", "")}:
            self._add(part, group, seconds)

    def _add(self, part: str, group: EstimateKey, seconds: float) -> None:
        self._seconds.setdefault(part, {}).setdefault(group, []).append(seconds)

    def times(self) -> DurationEstimates:
        estimates = {
            part: {
                group: _estimate(part, group, seconds)
                for group, seconds in groups.items()
                if len(seconds) >= ENOUGH
            }
            for part, groups in self._seconds.items()
        }
        usual = {
            part: max(LEAST, estimates[part]["", ""].p50)
            for part in POD_PARTS
            if ("", "") in estimates.get(part, {})
        }
        apps = {app: median(seconds) for app, seconds in self._apps.items() if len(seconds) >= ENOUGH_OF_APP}
        hooks = {
            name: median(seconds) for name, seconds in self._hooks.items() if len(seconds) >= ENOUGH_OF_APP
        }
        times = DurationEstimates(
            hooks=hooks, measured=estimates, apps=apps, spreads=self._spreads(estimates, apps), **usual
        )
        reboots = [
            reboot for reboot in estimates.get("reboot", {}).values() if not reboot.pool and reboot.p50 > 0
        ]
        return replace(times, p95=max((reboot.p95 / reboot.p50 for reboot in reboots), default=times.p95))

    def _spreads(
        self, estimates: Mapping[str, Mapping[EstimateKey, Estimate]], apps: Mapping[str, float]
    ) -> dict[str, dict[EstimateKey, Ratios]]:
        ratios = {
            part: {
                group: _ratios((seconds, estimate.p50) for seconds in self._seconds[part][group])
                for group, estimate in groups.items()
                if estimate.samples >= ENOUGH_TO_SPREAD
            }
            for part, groups in estimates.items()
        }
        if ratios.get("pod_start"):
            expected = estimates["pod_start"]["", ""].p50
            starts = (
                (seconds, apps.get(app, expected))
                for app, measured_starts in self._apps.items()
                for seconds in measured_starts
            )
            ratios["pod_start"] = {("", ""): _ratios(starts)}
        return ratios


def _ratios(pairs: Iterable[tuple[float, float]]) -> Ratios:
    """Returns measured seconds divided by expected seconds, in ascending order. `pairs`: measured and expected
    seconds."""
    return tuple(sorted(seconds / max(LEAST, usual) for seconds, usual in pairs))


def _estimate(part: str, group: EstimateKey, seconds: list[float]) -> Estimate:
    ordered = sorted(seconds)
    p95 = ordered[ceil(len(ordered) * 0.95) - 1]
    return Estimate(part, round(median(ordered), 3), round(p95, 3), len(ordered), *group)
