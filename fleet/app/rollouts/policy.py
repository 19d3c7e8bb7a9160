"""Follows the policy while a controller leads: what has changed there and counts at once reaches the rollouts that are under
way, and the readers of quorum groups."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from fleet.app.rollouts.freezes import PolicyOfNow, freezes_for, policy_of_now
from fleet.app.wiring.home import Home
from fleet.core.quorum.groups import QuorumGroup
from fleet.core.records.errors import FleetError
from fleet.core.rollout.codec import to_record
from fleet.core.rollout.commands import FreezesChanged
from fleet.core.rollout.rollout import Rollout
from fleet.drivers.journal.log import LOG
from fleet.drivers.ports import ClustersChanged

if TYPE_CHECKING:
    from fleet.drivers.pipeline import ClusterPipeline


class PolicyFollower:
    """Journals for each rollout under way that the policy has other freezes now, and asks for the clusters to be opened
    again where it has other quorum groups.

    While the policy has mistakes, cannot be read, or is gone, all stays as it was."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._read: object = None
        self._found: PolicyOfNow | None = None
        """The last policy without mistakes."""
        self._opened: tuple[QuorumGroup, ...] = ()
        """The quorum groups for which the clusters were opened."""
        self._written: dict[str, FreezesChanged] = {}
        """The last record for each rollout, which the controller may not have read yet."""

    async def connect(
        self, open_clusters: Callable[[], Awaitable[Mapping[str, ClusterPipeline]]]
    ) -> Mapping[str, ClusterPipeline]:
        """Opens the clusters by the policy of now."""
        self._opened = self._home.policy_if_any().quorums
        return await open_clusters()

    def look(self, rollouts: Iterable[Rollout], identity: str, epoch: int) -> None:
        """Does what has changed since the last look. Raises StaleEpochError where another controller leads, StoreError, and
        ClustersChanged."""
        self._read_again()
        if self._found is None:
            return
        if self._found.policy.quorums != self._opened:
            raise ClustersChanged("the quorum groups have changed")
        now = self._home.now()
        records = [
            record
            for rollout in rollouts
            if (record := freezes_for(rollout, self._found, now)) is not None
            and record != self._written.get(rollout.id)
        ]
        if not records:
            return
        self._home.store.journal.append([*map(to_record, records)], at=now, actor=identity, epoch=epoch)
        for record in records:
            self._written[record.rollout] = record

    def _read_again(self) -> None:
        try:
            found = self._home.policy_file.stat()
        except FileNotFoundError:
            return
        except OSError as error:
            state: object = error.errno
        else:
            state = (found.st_mtime_ns, found.st_size, found.st_ino)
        if state == self._read:
            return
        self._read = state
        try:
            self._found = policy_of_now(self._home)
        except FleetError as error:
            LOG.warning("the policy that rollouts go by stays as it was: %s", error.full_message)
