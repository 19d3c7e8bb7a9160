"""Files that users bring may have a byte order mark, as spreadsheets and PowerShell write: every reader takes it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fleet.config.policy import load_file
from fleet.config.stream import text_of
from fleet.core.exposure.formats.read import read_advisory
from fleet.core.text.encoding import decoded, in_utf8
from fleet.feeds import documents
from fleet.feeds.credentials import login
from fleet.hosts.inventory.source import load
from fleet.kube.kubeconfig import contexts
from fleet.kube.watch.dump_file import of_dump

MARKED = ["utf-8", "utf-8-sig", "utf-16"]
POLICY = "streams:\n- {name: s, file: releases.yaml}\npools:\n- {name: w, stream: s, selector: {matchLabels: {pool: w}}}\n"
RELEASES = "releases:\n- {version: '1', digest: 'sha256:" + 64 * "a" + "'}\n"
KUBECONFIG = """
clusters: [{name: a, cluster: {server: "https://a"}}]
contexts: [{name: here, context: {cluster: a, user: a}}]
users: [{name: a, user: {token: t}}]
"""
OSV = {"id": "X-1", "modified": "2026-01-01T00:00:00Z", "affected": []}
NODE = {"kind": "Node", "metadata": {"name": "n", "uid": "u"}, "status": {"nodeInfo": {}}}


def policy(folder: Path, encoding: str) -> object:
    (folder / "releases.yaml").write_text(RELEASES, encoding=encoding)
    (folder / "fleet.yaml").write_text(POLICY, encoding=encoding)
    return load_file(folder / "fleet.yaml")[0].policy.streams[0].releases[0].version


def hosts(folder: Path, encoding: str) -> object:
    (folder / "hosts.yaml").write_text("hosts: [{name: till-1}]\n", encoding=encoding)
    return asyncio.run(load(folder / "hosts.yaml")).hosts[0].name


def kubeconfig(folder: Path, encoding: str) -> object:
    (folder / "config").write_text(KUBECONFIG, encoding=encoding)
    return list(contexts.read_all([folder / "config"]).contexts)


def advisory(folder: Path, encoding: str) -> object:
    return read_advisory(json.dumps(OSV).encode(encoding), "x.json").id


def dump(folder: Path, encoding: str) -> object:
    content = json.dumps({"kind": "List", "items": [NODE]}).encode(encoding)
    return of_dump(content, "east", "", datetime(2026, 1, 1, tzinfo=UTC)).nodes[0].name


def feed(folder: Path, encoding: str) -> object:
    return documents.decoded('{"a": 1}'.encode(encoding), dict[str, int])


def registry_login(folder: Path, encoding: str) -> object:
    (folder / "config.json").write_text('{"auths": {"r.test": {"auth": "YTpi"}}}', encoding=encoding)
    return login("r.test/x", {"DOCKER_CONFIG": str(folder)})


READERS: dict[Callable[[Path, str], object], object] = {
    policy: "1",
    hosts: "till-1",
    kubeconfig: ["here"],
    advisory: "X-1",
    dump: "n",
    feed: {"a": 1},
    registry_login: ("a", "b"),
}


@pytest.mark.parametrize("encoding", MARKED)
@pytest.mark.parametrize("read", READERS, ids=lambda read: str(read.__name__))
def test_what_users_bring_is_read_with_any_mark(
    tmp_path: Path, read: Callable[[Path, str], object], encoding: str
) -> None:
    assert read(tmp_path, encoding) == READERS[read]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be", "utf-8"])
def test_a_mark_names_the_encoding_and_is_no_part_of_the_text(encoding: str) -> None:
    marked = "\ufeffa: ü".encode(encoding)
    assert decoded(marked) == "a: ü"
    assert in_utf8(marked) == "a: ü".encode()


def test_what_has_no_mark_is_left_as_it_is() -> None:
    assert in_utf8(b"\xff\x00") == b"\xff\x00"


@pytest.mark.parametrize(("content", "encoding"), [(b"a\xff", "UTF-8"), (b"\xff\xfea", "UTF-16")])
def test_the_error_names_the_encoding(tmp_path: Path, content: bytes, encoding: str) -> None:
    (tmp_path / "f").write_bytes(content)
    with pytest.raises(ValueError, match=f"is not {encoding}"):
        text_of(tmp_path / "f")
