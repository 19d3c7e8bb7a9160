"""Judges whether one more node may go out of service, by the limits of the policy."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from fleet.core.objects.node import ZONE_LABEL
from fleet.core.policy.policy import Amount, Limits
from fleet.lab.simulation.checker.facts import (
    most_out,
)
from fleet.lab.simulation.checker.ground_truth import GroundTruth, NodeName
from fleet.lab.simulation.checker.journal_view import ENDED, JournalView, RunView


class LimitCheck:
    """The limits of all rollouts on the nodes that are truly out. `sites`: the site of each cluster."""

    def __init__(self, sites: dict[str, str], rollouts: dict[str, JournalView], truth: GroundTruth) -> None:
        self._sites = sites
        self._rollouts = rollouts
        self._truth = truth

    def exceeded(self, at: float, told: JournalView, run: RunView) -> Iterator[str]:
        """Yields each limit that does not let the node of the run go out of service now. `at`: the true time."""
        name = (run.cluster, run.name)
        if self._truth.unsettled(at) or self._truth.known_out(at, name):
            return
        pool = next(each for each in told.policy.pools if each.name == run.pool)
        for limits, owner in ((told.policy.limits, ""), (pool.limits, pool.name)):
            names = {owner} if owner else {each.name for each in told.policy.pools}
            out = {each for each in self._out(at) if names & self._pools(each)}
            members = {each for each in self._truth.nodes if names & self._shares(each)} | out | {name}
            for words, amount, place in self._scopes(limits, name):
                here = {each for each in out if place(each)}
                limit = most_out(amount, sum(map(place, members)))
                if len(here | {name}) > limit:
                    there = ", ".join(sorted(each[1] for each in here))
                    yield f"{run.name} begins, out are {there}; {limit} of {owner} {words}"

    def _scopes(
        self, limits: Limits, name: NodeName
    ) -> Iterator[tuple[str, Amount, Callable[[NodeName], bool]]]:
        """Yields each limit that is set: its description, the amount, and which nodes belong to its scope."""
        site, zone = self._sites[name[0]], (name[0], self._zone(name))
        for words, amount, place in (
            ("in all", limits.max_unavailable, lambda each: True),
            (f"in zone {zone[1]}", limits.per_zone, lambda each: (each[0], self._zone(each)) == zone),
            (f"in site {site}", limits.per_site, lambda each: self._sites[each[0]] == site),
            (f"in cluster {name[0]}", limits.per_cluster, lambda each: each[0] == name[0]),
        ):
            if amount is not None:
                yield words, amount, place

    def _out(self, at: float) -> set[NodeName]:
        """Returns the nodes of pools that hold a slot by the journal, or are known to be out of service."""
        runs = [run for told in self._rollouts.values() for run in told.runs.values()]
        kept = {(run.cluster, run.name) for run in runs if run.keeps}
        named = {(run.cluster, run.name) for run in runs} | set(self._truth.nodes)
        return kept | {name for name in named if self._truth.known_out(at, name)}

    def _runs(self, name: NodeName) -> list[RunView]:
        key = f"{name[0]}/{name[1]}"
        return [told.runs[key] for told in self._rollouts.values() if key in told.runs]

    def _pools(self, name: NodeName) -> set[str]:
        node = self._truth.nodes.get(name)
        now = {node.labels.get("pool", "")} if node is not None else set()
        return now | {run.pool for run in self._runs(name) if run.keeps or node is None}

    def _shares(self, name: NodeName) -> set[str]:
        """Returns the pools whose percentages count the node: its own, and the pool of its open run."""
        return self._pools(name) | {run.pool for run in self._runs(name) if run.step not in ENDED}

    def _zone(self, name: NodeName) -> str:
        node = self._truth.nodes.get(name)
        if node is not None:
            return node.labels.get(ZONE_LABEL, "")
        return next((run.zone for run in self._runs(name)), "")
