"""Judges a rollout's hooks by the journal, without any code of the engine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fleet.core.policy.policy import Policy

HookName = tuple[str, str, str]
"""The moment, the node or the stage, and the name of the hook."""


class HookView:
    """The hooks of one rollout."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._state: dict[HookName, str] = {}
        self._attempts: dict[HookName, int] = {}
        self._overruled: set[HookName] = set()

    def hooks(self, moment: str, subject: str = "", pool: str = "") -> list[Any]:
        """Returns the hooks of the policy at this place."""
        owners: dict[str, list[Any]] = {
            "node": [each for each in self._policy.pools if each.name == pool],
            "stage": [each for each in self._policy.stages or () if each.name == subject],
            "rollout": [self._policy],
        }
        when, _, of = moment.partition("_")
        return [hook for owner in owners[of] if owner.hooks for hook in getattr(owner.hooks, when)]

    def open(self, moment: str, subject: str = "", pool: str = "") -> list[str]:
        """Returns the hooks at this place that keep waiting what waits for them."""
        return [
            hook.name
            for hook in self.hooks(moment, subject, pool)
            if not self._is_over(hook, (moment, subject, hook.name))
        ]

    def _is_over(self, hook: Any, name: HookName) -> bool:
        state = self._state.get(name, "")
        if state == "passed" or (name in self._overruled and state != "running"):
            return True
        tried = state == "unknown" or self._attempts.get(name, 0) >= hook.attempts
        return hook.on_failure == "continue" and state in ("failed", "unknown") and tried

    def wrong_start(self, detail: dict[str, Any], node: str, pool: str, state: str) -> str:
        """Returns why the hook must not start now; empty: it may. `state`: the state of the rollout."""
        name = (detail["moment"], node or detail.get("stage", ""), detail["hook"])
        hook = next(each for each in self.hooks(name[0], name[1], pool) if each.name == name[2])
        before = self._state.get(name, "")
        if before in ("running", "passed", "stopped"):
            return f"it was {before}"
        repeatable = hook.idempotent or hook.__struct_config__.tag == "job"
        if before == "unknown" and not repeatable:
            return "nobody knows whether it has run, and it may not run twice"
        if detail["attempt"] > hook.attempts:
            return f"attempt {detail['attempt']} of {hook.attempts}"
        if name[0].startswith("before_") and state in ("paused", "aborted"):
            return f"the rollout is {state}"
        return ""

    def apply(self, kind: str, detail: dict[str, Any], node: str) -> None:
        """Applies an entry of the journal about a hook."""
        name = (detail["moment"], node or detail.get("stage", ""), detail["hook"])
        if kind == "hook-started":
            self._state[name] = "running"
            self._attempts[name] = detail["attempt"]
        elif kind == "hook-ended":
            self._state[name] = detail["result"]
        elif not detail.get("again"):
            self._overruled.add(name)
        elif self._state.get(name) != "running":
            self._state.pop(name, None)

    def forget_failed(self) -> None:
        """Applies that an operator resumes the rollout."""
        for name in [name for name, state in self._state.items() if state == "failed"]:
            if not name[0].endswith("_node") and name not in self._overruled:
                del self._state[name]

    def unknown(self) -> Iterator[HookName]:
        """Yields the hooks of which nobody knows whether they have run."""
        for name, state in list(self._state.items()):
            if state == "unknown" and name not in self._overruled:
                yield name
