"""Says what a hook is told about its rollout, stage or node."""

from __future__ import annotations

from fleet.core.policy.hooks.hook import AnyHook
from fleet.core.rollout.hooks.hook_state import HookPlace
from fleet.core.rollout.rollout import Rollout
from fleet.core.rollout.steps import Step


def facts_of(rollout: Rollout, place: HookPlace, hook: AnyHook, attempt: int) -> dict[str, str]:
    """Returns the facts by the names of environment variables. The values come from the policy and from clusters: they are
    data, and nothing may take them for a part of a command."""
    facts = {
        "FLEET_ROLLOUT": rollout.id,
        "FLEET_PLAN": rollout.start.plan,
        "FLEET_STEP": str(place.moment),
        "FLEET_HOOK": hook.name,
        "FLEET_ATTEMPT": str(attempt),
        "FLEET_TO": rollout.release.version,
        "FLEET_DIGEST": rollout.release.digest,
    }
    ref = place.node
    if ref is not None:
        goal = rollout.runs[ref].goal
        facts |= {
            "FLEET_NODE": ref.name,
            "FLEET_CLUSTER": ref.cluster,
            "FLEET_POOL": goal.pool,
            "FLEET_SITE": goal.site,
            "FLEET_ZONE": goal.zone,
            "FLEET_FROM": goal.from_version,
        }
        return facts
    if place.subject:
        facts["FLEET_STAGE"] = place.subject
    done, failed = rollout.counts[Step.DONE], rollout.counts[Step.FAILED]
    return facts | {
        "FLEET_STATE": str(rollout.state),
        "FLEET_NODES": str(len(rollout.runs)),
        "FLEET_NODES_DONE": str(done),
        "FLEET_NODES_FAILED": str(failed),
    }
