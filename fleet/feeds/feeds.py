"""Every kind of feed, with the function that reads it."""

from __future__ import annotations

from fleet.core.releases.feed import (
    CincinnatiFeed,
    FedoraCoreosFeed,
    FlatcarFeed,
    ImageFeed,
)
from fleet.core.releases.release import Release
from fleet.feeds import cincinnati, fedora_coreos, flatcar, image
from fleet.feeds.documents import Documents

PublishedFeed = FedoraCoreosFeed | CincinnatiFeed | FlatcarFeed | ImageFeed


def read_feed(feed: PublishedFeed, documents: Documents) -> tuple[Release, ...]:
    """Returns the releases of a feed in the form of its publisher, oldest first. Raises FeedError."""
    match feed:
        case FedoraCoreosFeed():
            return fedora_coreos.read(feed, documents)
        case CincinnatiFeed():
            return cincinnati.read(feed, documents)
        case FlatcarFeed():
            return flatcar.read(feed, documents)
        case ImageFeed():
            return image.read(feed, documents)
