"""Finds where the hooks of a policy make Jobs."""

from __future__ import annotations

from collections.abc import Iterator

from fleet.core.policy.hooks.hook import Hooks, JobHook
from fleet.core.policy.policy import Policy


def job_namespaces(policy: Policy, cluster: str) -> tuple[str, ...]:
    """Returns the namespaces of the cluster in which hooks make Jobs, sorted."""
    of_nodes = (pool.hooks for pool in policy.pools if not pool.clusters or cluster in pool.clusters)
    found = {job.namespace for hooks in of_nodes if hooks for job in _jobs(hooks)}
    others = [policy.hooks, *(stage.hooks for stage in policy.stages or ())]
    found |= {job.namespace for hooks in others if hooks for job in _jobs(hooks) if job.cluster == cluster}
    return tuple(sorted(found))


def _jobs(hooks: Hooks) -> Iterator[JobHook]:
    return (hook for hook in (*hooks.before, *hooks.after) if isinstance(hook, JobHook))
