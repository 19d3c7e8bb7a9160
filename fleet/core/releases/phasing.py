"""A phased rollout of a publisher: a release that is offered to more and more machines over time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from math import ceil

from msgspec import Struct

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Phasing(Struct, frozen=True, gc=False):
    """Says how a release is offered to more and more machines, as the update metadata of Fedora CoreOS describe it
    (`start_epoch`, `start_percentage`, `duration_minutes`).

    Nobody is offered the release before the start; then a share of the machines is, which grows evenly to all of them
    (https://github.com/coreos/fedora-coreos-cincinnati, `throttle_rollouts`).
    """

    start: datetime = EPOCH
    """When the rollout begins."""
    share: float = 0.0
    """The share of the machines, from 0.0 to 1.0, that are offered the release at the start."""
    minutes: int | None = None
    """How long it takes until all machines are offered the release, at least one minute. None: the share stays as it is
    at the start."""

    def offered(self, now: datetime) -> float:
        """Returns the share of the machines, from 0.0 to 1.0, that are offered the release now."""
        if now < self.start:
            return 0.0
        if self.minutes is None:
            return self.share
        return min(1.0, self.share + (1.0 - self.share) * ((now - self.start) / self._length))

    def opens(self, wariness: float) -> datetime | None:
        """Returns when a machine of this wariness is offered the release, to the next whole second; None: never, as
        things are. The wariness of a machine, from 0.0 (at once) to 1.0 (last), is its place in every rollout."""
        if wariness <= self.share:
            return self.start
        if self.minutes is None:
            return None
        part = (wariness - self.share) / (1.0 - self.share)
        return self.start + timedelta(seconds=ceil(part * self._length.total_seconds()))

    def includes(self, wariness: float, now: datetime) -> bool:
        """Returns whether a machine of this wariness is offered the release now."""
        opens = self.opens(wariness)
        return opens is not None and opens <= now

    @property
    def _length(self) -> timedelta:
        return timedelta(minutes=max(1, self.minutes or 0))
