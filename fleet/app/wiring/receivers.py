"""The receivers of messages, as the policy has them now."""

from __future__ import annotations

from collections.abc import Sequence

from fleet.app.wiring.home import Home
from fleet.core.policy.alerting.notification import Notification


def receivers(home: Home) -> Sequence[Notification]:
    """Returns the receivers; without a policy there are none. Raises ConfigError with all mistakes of the policy, and
    UsageError where it cannot be read."""
    from fleet.config.policy import load_file

    return load_file(home.policy_file)[0].notifications if home.has_policy else ()


class PolicyReceivers:
    """Reads the policy again when its file has changed. While it has mistakes, the receivers before them stay."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._read: tuple[int, int] | None = None
        self._receivers: Sequence[Notification] = ()

    def current(self) -> Sequence[Notification]:
        """Returns the receivers. Raises ConfigError or UsageError, once for each state of the file."""
        try:
            stat = self._home.policy_file.stat()
        except OSError:
            return self._receivers
        state = stat.st_mtime_ns, stat.st_size
        if state != self._read:
            self._read = state
            self._receivers = receivers(self._home)
        return self._receivers
