"""Reads the update graph of a Cincinnati server, as Fedora CoreOS serves it (`/v1/graph`).

Edges are the ways that the server offers at present: those to a release that is being rolled out are there for a client of
wariness 0 alone, so that is what fleet asks for, and it honours the rollout itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite, nan
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from fleet.core.releases.feed import CincinnatiFeed
from fleet.core.releases.phasing import Phasing
from fleet.core.releases.release import Release
from fleet.feeds.documents import Documents
from fleet.feeds.errors import FeedError
from fleet.feeds.fedora_coreos import UpdateRollout, phasing
from fleet.feeds.payload import digest_in, sha256

PREFIX = "org.fedoraproject.coreos"


class GraphNode(Struct, frozen=True):
    """A release of the graph."""

    version: str
    payload: str
    metadata: dict[str, str] = {}


class Graph(Struct, frozen=True):
    """The answer of the server. An edge leads from a node to a node, by their places."""

    nodes: tuple[GraphNode, ...]
    edges: tuple[tuple[int, int], ...]


def read(feed: CincinnatiFeed, documents: Documents) -> tuple[Release, ...]:
    """Returns the releases of all graphs, oldest first. The graphs must agree about everything but payloads. Raises
    FeedError."""
    found: dict[str, Release] = {}
    ages: dict[str, int] = {}
    for architecture, url in feed.graphs:
        for age, release in releases_of(documents.decode(eager(url), Graph), architecture):
            known = found.get(release.version)
            found[release.version] = release if known is None else _joined(known, release)
            ages[release.version] = age
    return tuple(sorted(found.values(), key=lambda release: ages[release.version]))


def eager(url: str) -> str:
    """Returns the URL with which a client asks that wants everything at once."""
    scheme, host, path, query, _ = urlsplit(url)
    parameters = {name: values[-1] for name, values in parse_qs(query).items()}
    return urlunsplit((scheme, host, path, urlencode({**parameters, "rollout_wariness": "0.0"}), ""))


def releases_of(graph: Graph, architecture: str) -> list[tuple[int, Release]]:
    """Returns the releases of one graph with their ages, oldest first. Raises FeedError."""
    ages = [_age(node, place) for place, node in enumerate(graph.nodes)]
    order = sorted(range(len(graph.nodes)), key=ages.__getitem__)
    rank = {place: index for index, place in enumerate(order)}
    sources: dict[int, list[int]] = {}
    for begin, end in graph.edges:
        if begin not in rank or end not in rank or rank[begin] >= rank[end]:
            raise FeedError("an edge of its graph leads to an older release, or to none")
        sources.setdefault(end, []).append(begin)
    found = []
    for place in order:
        node = graph.nodes[place]
        older = [graph.nodes[each].version for each in sorted(sources.get(place, []), key=rank.__getitem__)]
        found.append((ages[place], _release(node, architecture, tuple(older))))
    return found


def _release(node: GraphNode, architecture: str, sources: tuple[str, ...]) -> Release:
    oci = node.metadata.get(f"{PREFIX}.scheme") == "oci"
    payload = digest_in(node.payload) if oci else sha256(node.payload)
    return Release(
        node.version,
        digests=((architecture, payload),),
        barrier=_reason(node, "barrier"),
        dead_end=_reason(node, "deadend"),
        rollout=_phasing(node),
        upgrades_from=sources,
    )


def _reason(node: GraphNode, name: str) -> str | UnsetType:
    key = f"{PREFIX}.updates.{name}"
    return node.metadata.get(f"{key}_reason", "") if node.metadata.get(key) == "true" else UNSET


def _phasing(node: GraphNode) -> Phasing | UnsetType:
    key = f"{PREFIX}.updates"
    if f"{key}.rollout" not in node.metadata:
        return UNSET
    minutes = _number(node.metadata, f"{key}.duration_minutes", -1)
    return phasing(
        UpdateRollout(
            int(_number(node.metadata, f"{key}.start_epoch", 0)),
            _number(node.metadata, f"{key}.start_value", 0),
            None if minutes < 0 else int(minutes),
        )
    )


def _number(metadata: Mapping[str, str], key: str, default: float) -> float:
    try:
        found = float(metadata[key]) if key in metadata else default
    except ValueError:
        found = nan
    if not isfinite(found):
        raise FeedError(f"{key} is not a number")
    return found


def _age(node: GraphNode, place: int) -> int:
    text = node.metadata.get(f"{PREFIX}.releases.age_index", str(place))
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise FeedError(f"{text[:40]!r} is not the age of a release")
    return int(text)


def _joined(one: Release, other: Release) -> Release:
    """Returns the release of two architectures. A way counts only if both have it."""
    sources = set(other.upgrades_from or ())
    return replace(
        one,
        digests=tuple(sorted({*one.digests, *other.digests})),
        barrier=one.barrier if one.barrier is not UNSET else other.barrier,
        dead_end=one.dead_end if one.dead_end is not UNSET else other.dead_end,
        upgrades_from=tuple(version for version in one.upgrades_from or () if version in sources),
    )
