"""Lists the releases of all streams, with what runs where."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from fleet.app.wiring.home import Home
from fleet.app.wiring.names import there_is
from fleet.config.feed import copy_of, host_of, problem_of, read_copy
from fleet.core.policy.policy import Policy
from fleet.core.records.errors import UsageError
from fleet.core.releases.feed import StreamFeed
from fleet.core.releases.release import Release
from fleet.core.releases.release_list import FeedState, ReleaseList, release_list


def releases(home: Home, stream: str = "") -> ReleaseList:
    """Returns all streams; with `stream` only the one of that name. Raises UsageError for a name that the policy does not
    have, and ConfigError for a policy with mistakes."""
    policy = home.policy()
    streams = [each for each in policy.streams if stream in ("", each.name)]
    if stream and not streams:
        raise UsageError(
            f"the policy has no stream {stream}", there_is((each.name for each in policy.streams), stream)
        )
    return release_list(streams, _booted(home, policy), feed_states(home), home.now())


def feed_states(home: Home) -> Mapping[str, FeedState]:
    """Returns when the feed of each stream was read last, and why it cannot be read now, by stream; without a policy none.
    Raises ConfigError for a policy with mistakes."""
    folder = home.policy_file.absolute().parent
    return {feed.stream: _state(folder, feed) for feed in home.whole_policy().release_feeds}


def _booted(home: Home, policy: Policy) -> Mapping[str, list[Release | None]]:
    """Returns what the nodes of each stream's pools report, by stream."""
    found: dict[str, list[Release | None]] = {}
    store = home.store_if_any
    for row in store.inventory.nodes() if store is not None else ():
        if row.node is None:
            continue
        pool = policy.pool_of(row.cluster, row.node)
        if pool is not None and pool.stream:
            found.setdefault(pool.stream, []).append(row.machine.booted if row.machine is not None else None)
    return found


def _state(folder: Path, feed: StreamFeed) -> FeedState:
    files = copy_of(folder, feed.stream)
    copy = read_copy(files.copy, feed.source)
    problem = problem_of(files)
    where = f"{feed.source.__struct_config__.tag} at {host_of(feed.source)}"
    if copy is None:
        return FeedState(where, problem=problem)
    return FeedState(where, copy.read_at, copy.changed_at, problem)
