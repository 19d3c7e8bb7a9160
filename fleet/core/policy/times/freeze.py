"""Freezes: times in which no run may start, in the whole fleet or in a part."""

from __future__ import annotations

from datetime import datetime

from msgspec import UNSET, Struct, UnsetType

from fleet.core.policy.times.window import RecurringWindow


class FreezeScope(Struct, frozen=True):
    """The part of the fleet in which a freeze holds. Of each list that is not empty a node must be in one: a pool and a
    site together mean the nodes of that pool at that site."""

    sites: tuple[str, ...] = ()
    clusters: tuple[str, ...] = ()
    pools: tuple[str, ...] = ()

    def covers(self, pool: str, cluster: str, site: str) -> bool:
        """Returns whether nodes of this pool, cluster and site are inside. An empty name may be any: nodes of it may be
        inside."""
        lists = ((self.pools, pool), (self.clusters, cluster), (self.sites, site))
        return all(not names or not name or name in names for names, name in lists)

    def __str__(self) -> str:
        """Returns the part for users: `pool web in site fra`, `sites ams, fra`."""
        lists = (("pool", self.pools), ("cluster", self.clusters), ("site", self.sites))
        return " in ".join(
            f"{noun}{'s' * (len(names) > 1)} {', '.join(names)}" for noun, names in lists if names
        )


class Freeze(Struct, frozen=True):
    """A time [begin, until) in which no run may start, even inside a window."""

    name: str
    begin: datetime
    until: datetime
    scope: FreezeScope | UnsetType = UNSET
    """UNSET: it holds in the whole fleet."""

    @property
    def where(self) -> str:
        """Returns where it holds, to be put behind its name: ` (site fra)`; empty for the whole fleet."""
        return f" ({self.scope})" if self.scope else ""

    def covers(self, pool: str, cluster: str = "", site: str = "") -> bool:
        """Returns whether nodes of this pool, cluster and site may not start runs. An empty cluster or site may be any."""
        return not self.scope or self.scope.covers(pool, cluster, site)


class FreezeCalendar(Struct, frozen=True):
    """Freezes that come from a calendar."""

    name: str
    events: tuple[tuple[str, RecurringWindow], ...] = ()
    """Each event with its title."""
    unread: tuple[str, ...] = ()
    """The calendar, if it was never read. Until it is, no run starts."""
    scope: FreezeScope | UnsetType = UNSET
    """UNSET: they hold in the whole fleet."""
