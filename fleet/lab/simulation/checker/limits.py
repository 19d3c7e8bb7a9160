"""Checks by the limits of the policy whether one more node may go out of service."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from fleet.core.objects.node import ZONE_LABEL
from fleet.core.policy.policy import Amount, Limits
from fleet.lab.simulation.checker.facts import most_out
from fleet.lab.simulation.checker.ground_truth import GroundTruth, NodeName
from fleet.lab.simulation.checker.journal_view import ENDED, JournalView, RunView


class LimitCheck:
    """The limits of all rollouts on the nodes that are truly out. `sites`: the site of each cluster."""

    def __init__(self, sites: dict[str, str], rollouts: dict[str, JournalView], truth: GroundTruth) -> None:
        self._sites = sites
        self._rollouts = rollouts
        self._truth = truth

    def exceeded(self, at: float, rollout: JournalView, run: RunView) -> Iterator[str]:
        """Yields each limit that does not let the node of the run go out of service now. `at`: the true time."""
        name = (run.cluster, run.name)
        if self._truth.unsettled(at) or self._truth.known_out(at, name):
            return
        pool = next(candidate for candidate in rollout.policy.pools if candidate.name == run.pool)
        for limits, owner in ((rollout.policy.limits, ""), (pool.limits, pool.name)):
            names = {owner} if owner else {candidate.name for candidate in rollout.policy.pools}
            out = {node for node in self._out(at) if names & self._pools(node)}
            members = {node for node in self._truth.nodes if names & self._shares(node)} | out | {name}
            for description, amount, belongs in self._scopes(limits, name):
                in_scope = {node for node in out if belongs(node)}
                limit = most_out(amount, sum(map(belongs, members)))
                if len(in_scope | {name}) > limit:
                    names_out = ", ".join(sorted(node_name for _, node_name in in_scope))
                    yield f"{run.name} begins, out are {names_out}; {limit} of {owner} {description}"

    def _scopes(
        self, limits: Limits, name: NodeName
    ) -> Iterator[tuple[str, Amount, Callable[[NodeName], bool]]]:
        """Yields each limit that is set: its description, the amount, and which nodes belong to its scope."""
        site, zone = self._sites[name[0]], (name[0], self._zone(name))
        for description, amount, belongs in (
            ("in all", limits.max_unavailable, lambda node: True),
            (f"in zone {zone[1]}", limits.per_zone, lambda node: (node[0], self._zone(node)) == zone),
            (f"in site {site}", limits.per_site, lambda node: self._sites[node[0]] == site),
            (f"in cluster {name[0]}", limits.per_cluster, lambda node: node[0] == name[0]),
        ):
            if amount is not None:
                yield description, amount, belongs

    def _out(self, at: float) -> set[NodeName]:
        """Returns the nodes of pools that hold a slot by the journal, or are known to be out of service."""
        runs = [run for rollout in self._rollouts.values() for run in rollout.runs.values()]
        with_slot = {(run.cluster, run.name) for run in runs if run.keeps}
        known = {(run.cluster, run.name) for run in runs} | set(self._truth.nodes)
        return with_slot | {name for name in known if self._truth.known_out(at, name)}

    def _runs(self, name: NodeName) -> list[RunView]:
        key = f"{name[0]}/{name[1]}"
        return [rollout.runs[key] for rollout in self._rollouts.values() if key in rollout.runs]

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
