"""The releases of streams as text."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from fleet.app.releases.sync import SyncedFeed
from fleet.cli.views.releases.feed_lines import sync_text
from fleet.cli.views.releases.release_table import release_text
from fleet.core.releases.phasing import Phasing
from fleet.core.releases.release import Release, Stream
from fleet.core.releases.release_list import FeedState, ReleaseList, release_list
from tests.golden import GoldenFiles
from tests.releases import AMD, ARM, INDEX, sha

NOW = datetime(2026, 11, 3, 12, tzinfo=UTC)
OLD = tuple(Release(f"43.{number}") for number in range(6))
STREAM = Stream(
    "stable",
    (
        *OLD,
        Release("44.1", barrier="new keys", released=NOW - timedelta(days=40)),
        Release("44.2", dead_end="wrong keys"),
        Release("44.3", INDEX, "6.12.9", "v1.36.3", digests=(("amd64", AMD), ("arm64", ARM))),
        Release("44.4", sha("7"), rollout=Phasing(NOW - timedelta(hours=12), 0.0, 2880)),
    ),
)
BOOTED = [Release("43.2"), Release("43.2"), Release("", ARM), Release("9.9"), Release("44.2"), None]


def listed() -> ReleaseList:
    feed = FeedState(
        "url at example.org", NOW - timedelta(hours=1), NOW - timedelta(days=2), "the server answers 503"
    )
    streams = [STREAM, Stream("empty")]
    return release_list(streams, {"stable": BOOTED}, {"stable": feed}, NOW)


def test_nodes_are_counted_by_release_and_by_what_the_stream_lacks() -> None:
    stable, empty = listed().streams
    assert {each.version: each.nodes for each in stable.releases if each.nodes} == {
        "43.2": 2,
        "44.2": 1,
        "44.3": 1,
    }
    assert (stable.others, stable.unknown, stable.target) == ({"9.9": 1}, 1, "44.4")
    assert [each.version for each in stable.releases][:2] == ["44.4", "44.3"]
    newest = stable.releases[0]
    assert newest.offered == 0.25 and newest.offered_to_all == NOW + timedelta(hours=36)
    routes = {each.version: each.route for each in stable.releases}
    assert routes["43.2"] == ("44.1", "44.4") and routes["44.2"] == () and routes["44.4"] == ()
    assert (empty.releases, empty.target, empty.feed) == ((), "", "")


def test_releases_as_text(golden: GoldenFiles) -> None:
    golden.check(release_text(listed()).plain, "some")
    golden.check(release_text(listed(), every=True).plain, "all")
    golden.check(release_text(ReleaseList(NOW, ())).plain, "none")


def test_feeds_that_were_read_as_text(golden: GoldenFiles) -> None:
    feeds = [
        SyncedFeed("new", 3, ("1", "2", "3"), read_at=NOW),
        SyncedFeed("same", 3, read_at=NOW),
        SyncedFeed("away", 3, problem="the server answers 503", read_at=NOW - timedelta(days=2)),
        SyncedFeed("never", 0, problem="the server answers 404"),
    ]
    golden.check(sync_text(feeds, NOW).plain, "feeds")
    golden.check(sync_text([], NOW).plain, "none")
