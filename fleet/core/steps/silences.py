"""Has the alerts of a node silenced before fleet touches the node."""

from __future__ import annotations

from fleet.core.records.held import Held
from fleet.core.records.reasons.reason import Reason
from fleet.core.rollout.action import Silence
from fleet.core.steps.context import StepContext


def silence(context: StepContext) -> Held | None:
    """Returns what the cordon waits for; None: all alerts are silenced, or may stay loud.

    A rule that is not required is tried once here. The driver goes on trying for as long as the run lasts.
    """
    actions = context.state.actions
    for rule in context.rollout.pool(context.run).silences or ():
        key = context.key("silence", rule.name)
        if key in actions.done_for_groups:
            continue
        why = actions.last_error(key)
        if why and not rule.required:
            continue
        if context.may_issue("silence", rule.name):
            context.issue(Silence, rule=rule)
        if why:
            return Held(Reason.NOT_SILENCED, rule.name, {"node": context.node.name, "why": why})
        return Held(Reason.SILENCE, rule.name, {"node": context.node.name})
    return None
