"""Reports what a playbook is about to change, for --check and --diff, which the module raw does not support."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):  # type: ignore[misc]
    """Arguments: `what` changes, `before` and `after`. Does nothing on the host."""

    TRANSFERS_FILES = False
    _VALID_ARGS = frozenset({"what", "before", "after"})

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        what, before, after = (str(self._task.args[name]) for name in ("what", "before", "after"))
        header = {"before_header": what, "after_header": what}
        return result | {
            "changed": before != after,
            "msg": f"{what}: {before} -> {after}",
            "diff": {"before": f"{before}\n", "after": f"{after}\n", **header},
        }
