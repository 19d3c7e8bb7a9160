"""Feeds with any content: they are releases, or no feed; nothing else comes of them."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UnsetType

from fleet.core.releases.feed import CincinnatiFeed, FedoraCoreosFeed, FlatcarFeed, refusal
from fleet.core.releases.release import Release, Stream
from fleet.core.releases.upgrade_path import UpgradePaths
from fleet.feeds.documents import Document, Documents
from fleet.feeds.errors import FeedError
from fleet.feeds.feeds import PublishedFeed, read_feed

RECORDED = Path(__file__).parents[1] / "unit" / "feeds" / "recorded"
NOW = datetime(2026, 11, 3, tzinfo=UTC)
UPDATES = msgspec.json.decode((RECORDED / "fcos-updates-stable-2026-07.json").read_bytes())
GRAPH = msgspec.json.decode((RECORDED / "fcos-graph-example.json").read_bytes())
INDEX = {
    "releases": [
        {"version": each["version"], "commits": [{"architecture": "x86_64", "checksum": f"{number:064x}"}]}
        for number, each in enumerate(UPDATES["releases"])
    ]
}
LIST = {
    "4230.2.9": {"release_date": "2026-09-01 14:36:41 +0000", "major_software": {"kernel": ["6.6.100"]}},
    "4459.1.0": {"release_date": "2026-11-01 14:36:41 +0000", "major_software": {"kernel": ["6.12.51"]}},
}
FEEDS: Mapping[str, tuple[PublishedFeed, dict[str, Any]]] = {
    "coreos": (
        FedoraCoreosFeed("stable", "https://x"),
        {"https://x/updates/stable.json": UPDATES, "https://x/prod/streams/stable/releases.json": INDEX},
    ),
    "cincinnati": (
        CincinnatiFeed((("amd64", "https://x/graph"),)),
        {"https://x/graph?rollout_wariness=0.0": GRAPH},
    ),
    "flatcar": (FlatcarFeed("stable", "https://x"), {"https://x/releases-stable.json": LIST}),
}
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=20),
    st.sampled_from(
        ["", "true", "-1", "1e999", "9" * 400, "\x1b[2J", 10**15, -1, [], {}, [[]], {"version": "1"}]
    ),
)


def places(thing: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a document, by its keys and indexes."""
    found = [path] if path else []
    for key, value in (
        thing.items() if isinstance(thing, dict) else enumerate(thing) if isinstance(thing, list) else ()
    ):
        found += places(value, (*path, key))
    return found


@st.composite
def changed(draw: st.DrawFn) -> tuple[PublishedFeed, dict[str, Any]]:
    feed, documents = FEEDS[draw(st.sampled_from(sorted(FEEDS)))]
    documents = copy.deepcopy(documents)
    for _ in range(draw(st.integers(0, 3))):
        url = draw(st.sampled_from(sorted(documents)))
        path = draw(st.sampled_from(places(documents[url]) or [()]))
        inner = documents[url]
        for step in path[:-1]:
            inner = inner[step]
        if path and draw(st.booleans()):
            inner[path[-1]] = copy.deepcopy(draw(ODD))
        elif path:
            del inner[path[-1]]
    return feed, documents


@given(changed())
def test_any_content_is_releases_or_no_feed(case: tuple[PublishedFeed, dict[str, Any]]) -> None:
    feed, contents = case
    documents = Documents({})
    documents.read = {url: Document(msgspec.json.encode(content)) for url, content in contents.items()}
    try:
        releases = read_feed(feed, documents)
    except FeedError as error:
        assert str(error)
        return
    if refusal((), releases):
        return
    stream = Stream("s", releases)
    for release in releases:
        if not isinstance(release.rollout, UnsetType):
            assert 0.0 <= release.rollout.offered(NOW) <= 1.0
            release.rollout.opens(1.0)
        UpgradePaths(stream, release).route(releases[0])
    assert msgspec.json.decode(msgspec.json.encode(releases), type=tuple[Release, ...]) == releases
