"""Reads from which feed a stream gets its releases, and the last copy of the feed: reading a policy waits for no server."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec

from fleet.config.document import forms, network_forms
from fleet.config.document.fragment import shown
from fleet.config.document.reader import Reader
from fleet.core.releases.feed import (
    CincinnatiFeed,
    FedoraCoreosFeed,
    FeedCopy,
    FeedSource,
    FlatcarFeed,
    ImageFeed,
    ListFeed,
)
from fleet.core.releases.release import Release
from fleet.core.text.paths import expanded

COPIES = "feeds"
"""The folder of the copies, beside the policy."""
MOST_NEWEST = 200
NO_BOTTLEROCKET = (
    "Bottlerocket's repository is not read as a feed: when a host is offered a release depends on a random seed that it "
    "alone has; list its releases by hand or in a file (url). The host itself checks the repository's signatures"
)


class CopyFiles(NamedTuple):
    """The files of the copy of one feed."""

    copy: Path
    error: Path
    """Why the feed could not be read the last time, or was not accepted; not there if it was."""
    documents: Path
    """The documents as they were read, to be asked for only if they have changed."""


def copy_of(folder: Path, stream: str) -> CopyFiles:
    """Returns the files of a stream's copy beside the policy."""
    place = folder / COPIES
    return CopyFiles(place / f"{stream}.json", place / f"{stream}.error", place / f"{stream}.documents")


def read_copy(path: Path, source: FeedSource) -> FeedCopy | None:
    """Returns the copy; None if there is none, if it cannot be read, or if it is of another feed."""
    try:
        copy = msgspec.json.decode(path.read_bytes(), type=FeedCopy)
    except (OSError, msgspec.DecodeError, msgspec.ValidationError, RecursionError):
        return None
    return copy if copy.source == source else None


def copied(reader: Reader, files: CopyFiles, source: FeedSource) -> tuple[Release, ...]:
    """Returns the releases of the last copy, with a caution if the feed cannot be read or was never read."""
    copy = read_copy(files.copy, source)
    why = problem_of(files)
    if copy is None:
        reason = f"cannot be read: {why}" if why else "was never read"
        reader.caution(
            f"the feed {reason}, so the stream has no releases; fleet releases sync reads it", "feed"
        )
        return ()
    if why:
        reader.caution(
            f"the feed is not used as it is now: {why}; its copy of {copy.read_at:%Y-%m-%d %H:%M} UTC counts",
            "feed",
        )
    return copy.releases


def host_of(source: FeedSource) -> str:
    """Returns what of the feed's address is shown: its host. A URL may have a secret in the rest."""
    match source:
        case ImageFeed():
            return source.repository
        case CincinnatiFeed():
            return ", ".join(dict.fromkeys(urlsplit(url).netloc for _, url in source.graphs))
        case _:
            return urlsplit(source.url).netloc


def problem_of(files: CopyFiles) -> str:
    """Returns why the feed was not read, or not accepted, the last time; empty if it was."""
    try:
        return files.error.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def feed_source(reader: Reader, folder: Path) -> FeedSource | None:
    """Reads the key `feed`; None if it has mistakes. Paths are relative to `folder`."""
    given = [kind for kind in KINDS if reader.has(kind)]
    found: FeedSource | None = None
    for kind, read in KINDS.items():
        source = read(reader, folder)
        if given[:1] == [kind]:
            found = source
    if not given and reader.has("bottlerocket"):
        reader.problem(NO_BOTTLEROCKET, "bottlerocket")
    elif not given:
        reader.problem(f"expected one of {', '.join(KINDS)}, found none of them")
    for kind in given[1:]:
        reader.problem(f"expected one kind of feed, found {given[0]} too", kind)
    return found


def _url(text: str) -> str:
    if urlsplit(text).scheme != "https":
        raise ValueError("it is not an https URL")
    return network_forms.URL.read(text).rstrip("/")


def _graph(text: str) -> str:
    parts = urlsplit(text)
    if (
        parts.scheme != "https"
        or not parts.hostname
        or parts.username
        or parts.fragment
        or not text.isprintable()
    ):
        raise ValueError("it is not an https URL")
    return text


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error:
        raise ValueError(text) from None
    return forms.TEXT.read(text)


def _newest(text: str) -> int:
    number = forms.count(1).read(text)
    if number > MOST_NEWEST:
        raise ValueError(text)
    return number


URL = forms.ValueForm(
    "a URL that begins with https://, without user, password, ? and #",
    _url,
    schema=forms.text_schema(r"https://[^?#\s]{1,1000}"),
)
GRAPH = forms.ValueForm(
    "a URL that begins with https://, without user and password",
    _graph,
    schema=forms.text_schema(r"(?i:https)://[^#]+"),
)
PATTERN = forms.ValueForm("a regular expression", _pattern)
NEWEST = forms.ValueForm(
    f"a whole number from 1 to {MOST_NEWEST}",
    _newest,
    schema=forms.number_schema("integer", 1, MOST_NEWEST),
)
REPOSITORY = forms.matching(
    "a repository with its host and without tag, such as quay.io/fedora/fedora-bootc",
    r"[a-z0-9][a-z0-9.-]*(?::[0-9]{1,5})?(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)+",
)
CHANNEL = forms.matching("a name such as stable or lts-2024", r"[a-z0-9][a-z0-9-]{0,40}")
PAYLOAD = forms.choice({"checksum": "checksum", "oci": "oci"})


def _fedora_coreos(reader: Reader, folder: Path) -> FeedSource:
    part, default = reader.block("fedora-coreos"), FedoraCoreosFeed("")
    stream = part.value("stream", CHANNEL, "stable")
    payload = part.value("payload", PAYLOAD, "checksum")
    return FedoraCoreosFeed(
        stream, part.value("url", URL, default.url), "oci" if payload == "oci" else "checksum"
    )


def _cincinnati(reader: Reader, folder: Path) -> FeedSource:
    graphs = reader.block("cincinnati").pairs("graphs", forms.ARCHITECTURE, GRAPH)
    if reader.has("cincinnati") and not graphs:
        reader.problem("expected the URL of a graph for each architecture, found none", "cincinnati")
    return CincinnatiFeed(tuple(sorted(graphs.items())))


def _flatcar(reader: Reader, folder: Path) -> FeedSource:
    part, default = reader.block("flatcar"), FlatcarFeed("")
    keyring = part.value("keyring", forms.FILE, "")
    path = folder.absolute() / expanded(keyring)
    if keyring and not path.is_file():
        part.problem(f"expected a file with public keys, found that {shown(str(path))} is none", "keyring")
    return FlatcarFeed(
        part.value("channel", CHANNEL, "stable"),
        part.value("url", URL, default.url),
        str(path) if keyring else "",
        part.value("signed", URL, ""),
    )


def _image(reader: Reader, folder: Path) -> FeedSource:
    part, default = reader.block("image"), ImageFeed("")
    repository = ""
    if reader.has("image"):
        repository = part.required("repository", REPOSITORY, "")
    else:
        part.value("repository", REPOSITORY, "")
    return ImageFeed(
        repository, part.value("tags", PATTERN, default.tags), part.value("newest", NEWEST, default.newest)
    )


def _list(reader: Reader, folder: Path) -> FeedSource:
    return ListFeed(reader.value("url", GRAPH, ""))


KINDS: Mapping[str, Callable[[Reader, Path], FeedSource]] = {
    "fedora-coreos": _fedora_coreos,
    "cincinnati": _cincinnati,
    "flatcar": _flatcar,
    "image": _image,
    "url": _list,
}
"""Every kind of feed, by the key that names it."""
