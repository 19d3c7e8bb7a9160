"""Feeds in the forms of their publishers, and what cannot be in them."""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import UNSET

from fleet.core.releases.feed import CincinnatiFeed, FedoraCoreosFeed, FlatcarFeed
from fleet.core.releases.phasing import Phasing
from fleet.core.releases.release import Release, Stream
from fleet.core.releases.upgrade_path import UpgradePaths
from fleet.feeds import cincinnati, fedora_coreos, flatcar
from fleet.feeds.documents import Documents
from fleet.feeds.errors import FeedError
from tests.unit.feeds.server import FeedServer

RECORDED = Path(__file__).parent / "recorded"
STABLE = (RECORDED / "fcos-updates-stable-2026-07.json").read_bytes()
NEXT = (RECORDED / "fcos-updates-next-2026-07.json").read_bytes()


def checksum(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def index_of(versions: list[str], images: bool = False) -> bytes:
    """A release index in the form of Fedora's, with made-up payloads."""
    names = ("aarch64", "x86_64")
    return msgspec.json.encode(
        {
            "stream": "stable",
            "metadata": {"last-modified": "2026-07-21T14:07:12Z"},
            "releases": [
                {
                    "version": version,
                    "metadata": "https://builds.example.org/release.json",
                    "commits": [
                        {"architecture": name, "checksum": checksum(version + name)} for name in names
                    ],
                    **(
                        {
                            "oci-images": [
                                {
                                    "architecture": name,
                                    "image": "quay.io/fedora/fedora-coreos",
                                    "digest-ref": f"quay.io/fedora/fedora-coreos@sha256:{checksum('oci' + version)}",
                                }
                                for name in names
                            ]
                        }
                        if images
                        else {}
                    ),
                }
                for version in versions
            ],
        }
    )


def versions_in(updates: bytes) -> list[str]:
    return [release["version"] for release in msgspec.json.decode(updates)["releases"]]


def coreos(server: FeedServer, updates: bytes, stream: str = "stable", **changes: Any) -> tuple[Release, ...]:
    server.documents[f"/updates/{stream}.json"] = updates
    server.documents.setdefault(f"/prod/streams/{stream}/releases.json", index_of(versions_in(updates)))
    return fedora_coreos.read(FedoraCoreosFeed(stream, server.url, **changes), Documents({}))


def test_stream_of_fedora_coreos_as_it_was_published(server: FeedServer) -> None:
    found = coreos(server, STABLE)
    by_version = {release.version: release for release in found}
    last = found[-1]
    assert last.version == "44.20260707.3.1"
    assert last.rollout == Phasing(datetime(2026, 7, 22, 14, tzinfo=UTC), 0.0, 2880)
    assert last.released == datetime(2026, 7, 22, 14, tzinfo=UTC)
    assert dict(last.digests).keys() == {"amd64", "arm64"}
    assert dict(last.digests)["amd64"] == f"sha256:{checksum('44.20260707.3.1x86_64')}"
    before = by_version["44.20260621.3.1"]
    assert before.rollout == Phasing(share=1.0) and before.released is UNSET
    assert before.barrier is UNSET
    assert (
        by_version["43.20260217.3.1"].barrier == "https://github.com/coreos/fedora-coreos-tracker/issues/2112"
    )


def test_order_of_the_index_counts_and_not_that_of_version_numbers(server: FeedServer) -> None:
    """38.20230310.1.0 was published before 37.20230303.1.1, and is a dead end."""
    found = coreos(server, NEXT, "next")
    stream = Stream("next", found)
    assert stream.newest is not None and stream.newest.version == "44.20260720.1.1"
    paths = UpgradePaths(stream, stream.newest)
    dead = paths.obstacle(Release("38.20230310.1.0"))
    assert dead is not None and dead.why.endswith("/issues/1441")
    hops = [release.version for release in paths.route(Release("37.20221111.1.0"))]
    assert hops[0] == "37.20230303.1.1" and hops[-1] == "44.20260720.1.1"
    barriers = {release.version for release in found if release.barrier is not UNSET}
    assert set(hops[:-1]) <= barriers


def test_architecture_for_which_a_release_was_not_built_has_no_digest(server: FeedServer) -> None:
    index = index_of(["44.1"]).replace(checksum("44.1aarch64").encode(), b"")
    server.documents["/prod/streams/stable/releases.json"] = index.replace(
        b'"commits"', b'"oci-images":null,"commits"'
    )
    (found,) = coreos(server, STABLE)
    assert [name for name, _ in found.digests] == ["amd64"]


def test_payloads_may_be_container_images(server: FeedServer) -> None:
    server.documents["/prod/streams/stable/releases.json"] = index_of(["44.20260707.3.1"], images=True)
    (found,) = coreos(server, STABLE, payload="oci")
    assert dict(found.digests)["arm64"] == f"sha256:{checksum('oci44.20260707.3.1')}"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"stream": "stable"', b'"stream": "next"'),
        (b'"start_percentage": 1.0', b'"start_percentage": 100.0'),
        (b'"start_epoch": 1784728800', b'"start_epoch": 99999999999999'),
        (b'"start_epoch": 1784728800', b'"start_epoch": 253402300799'),
        (b'"duration_minutes": 2880', b'"duration_minutes": -1'),
        (b'"version": "44', b'"versions": "44'),
        (b'"releases": [', b'"releases": 7, "x": ['),
        (b"{", b"<html>"),
    ],
)
def test_update_metadata_that_cannot_be_are_no_feed(server: FeedServer, old: bytes, new: bytes) -> None:
    assert old in STABLE
    server.documents["/prod/streams/stable/releases.json"] = index_of(versions_in(STABLE))
    with pytest.raises(FeedError):
        server.documents["/updates/stable.json"] = STABLE.replace(old, new)
        fedora_coreos.read(FedoraCoreosFeed("stable", server.url), Documents({}))


def test_payload_that_is_no_checksum_is_no_feed(server: FeedServer) -> None:
    server.documents["/prod/streams/stable/releases.json"] = index_of(["44.1"]).replace(
        checksum("44.1x86_64").encode(), b"../../etc/passwd"
    )
    with pytest.raises(FeedError, match="SHA-256"):
        coreos(server, STABLE)


def test_graph_of_a_cincinnati_server(server: FeedServer) -> None:
    server.documents["/v1/graph"] = (RECORDED / "fcos-graph-example.json").read_bytes()
    feed = CincinnatiFeed((("amd64", f"{server.url}/v1/graph?stream=next&basearch=x86_64"),))
    first, second, third = cincinnati.read(feed, Documents({}))
    assert [release.version for release in (first, second, third)] == [
        "32.20200517.1.0",
        "32.20200601.1.0",
        "32.20200601.1.1",
    ]
    assert third.upgrades_from == ("32.20200517.1.0", "32.20200601.1.0") and second.upgrades_from == ()
    assert third.rollout == Phasing(datetime(2020, 6, 4, 14, tzinfo=UTC), 0.0, 2880)
    assert third.digests[0][1].startswith("sha256:08040beb")
    (asked,) = server.take()
    assert "rollout_wariness=0.0" in asked.path and "basearch=x86_64" in asked.path


def test_graphs_of_two_architectures_are_one_stream(server: FeedServer) -> None:
    graph = msgspec.json.decode((RECORDED / "fcos-graph-example.json").read_bytes())
    server.documents["/amd64"] = msgspec.json.encode(graph)
    arm = {
        "nodes": [{**node, "payload": checksum(node["payload"])} for node in reversed(graph["nodes"])],
        "edges": [[1, 0]],
    }
    server.documents["/arm64"] = msgspec.json.encode(arm)
    feed = CincinnatiFeed((("amd64", f"{server.url}/amd64"), ("arm64", f"{server.url}/arm64")))
    found = cincinnati.read(feed, Documents({}))
    assert [release.version for release in found] == [node["version"] for node in graph["nodes"]]
    # Only one of them leads there on both.
    assert found[-1].upgrades_from == ("32.20200601.1.0",)
    assert [name for name, _ in found[0].digests] == ["amd64", "arm64"]


@pytest.mark.parametrize("edge", [[2, 0], [0, 9], [1, 1], [-1, 2]])
def test_graph_whose_edges_lead_back_is_no_feed(server: FeedServer, edge: list[int]) -> None:
    graph = msgspec.json.decode((RECORDED / "fcos-graph-example.json").read_bytes())
    server.documents["/g"] = msgspec.json.encode({**graph, "edges": [edge]})
    with pytest.raises(FeedError):
        cincinnati.read(CincinnatiFeed((("amd64", f"{server.url}/g"),)), Documents({}))


@pytest.mark.parametrize("key", ["start_epoch", "start_value", "duration_minutes", "age_index"])
@pytest.mark.parametrize("value", ["nan", "inf", "1e400", "x", ""])
def test_numbers_of_a_graph_that_are_none(server: FeedServer, key: str, value: str) -> None:
    graph = msgspec.json.decode((RECORDED / "fcos-graph-example.json").read_bytes())
    metadata = graph["nodes"][2]["metadata"]
    (name,) = [each for each in metadata if each.endswith(f".{key}")]
    metadata[name] = value
    server.documents["/g"] = msgspec.json.encode(graph)
    with pytest.raises(FeedError):
        cincinnati.read(CincinnatiFeed((("amd64", f"{server.url}/g"),)), Documents({}))


FLATCAR = {
    version: {
        "channel": "stable",
        "architectures": ["amd64", "arm64"],
        "release_date": f"{date} 14:36:41 +0000",
        "major_software": {"docker": ["28.0.4"], "kernel": [kernel]},
        "release_notes": "text",
    }
    for version, date, kernel in (
        ("4230.2.10", "2026-10-01", "6.6.110"),
        ("4230.2.9", "2026-09-01", "6.6.100"),
        ("4459.1.0", "2026-11-01", "6.12.51"),
        ("current", "2026-11-01", "6.12.51"),
    )
}


def flatcar_feed(server: FeedServer, keyring: str = "") -> FlatcarFeed:
    """The feed of a server, with its list of releases."""
    server.documents["/releases-stable.json"] = msgspec.json.encode(FLATCAR)
    return FlatcarFeed("stable", server.url, keyring, server.url)


def test_channel_of_flatcar_is_ordered_by_its_numbers(server: FeedServer) -> None:
    found = flatcar.read(flatcar_feed(server), Documents({}))
    assert [release.version for release in found] == ["4230.2.9", "4230.2.10", "4459.1.0"]
    assert (found[-1].kernel, found[-1].released) == (
        "6.12.51",
        datetime(2026, 11, 1, 14, 36, 41, tzinfo=UTC),
    )
