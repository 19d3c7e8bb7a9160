"""Files that users bring may have a byte order mark, as spreadsheets and PowerShell write: every reader takes it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from fleet.app.inventory.sources import ImportSettings, import_source
from fleet.app.planning.dumps import dump_of
from fleet.app.reporting.exposure import advisories, vex_statements
from fleet.app.wiring.home import Home
from fleet.app.wiring.sboms import ReleaseSboms
from fleet.config.policy import load_file
from fleet.config.stream import text_of
from fleet.core.exposure.question import AdvisoryQuestion
from fleet.core.policy.policy import Policy
from fleet.core.releases.release import Release
from fleet.core.text.encoding import decoded, in_utf8
from fleet.feeds import documents
from fleet.feeds.credentials import login
from fleet.hosts.inventory.source import load
from fleet.kube.kubeconfig import contexts

MARKED = ["utf-8", "utf-8-sig", "utf-16"]
POLICY = "streams:\n- {name: s, file: releases.yaml}\npools:\n- {name: w, stream: s, selector: {matchLabels: {pool: w}}}\n"
RELEASES = "releases:\n- {version: '1', digest: 'sha256:" + 64 * "a" + "'}\n"
KUBECONFIG = """
clusters: [{name: a, cluster: {server: "https://a"}}]
contexts: [{name: here, context: {cluster: a, user: a}}]
users: [{name: a, user: {token: t}}]
"""
OSV = {"id": "X-1", "modified": "2026-01-01T00:00:00Z", "affected": []}
VEX = {
    "@context": "https://openvex.dev/ns/v0.2.0",
    "author": "ann",
    "statements": [
        {"vulnerability": {"name": "X-1"}, "products": [{"@id": "pkg:rpm/kernel"}], "status": "fixed"}
    ],
}
SBOM = {
    "bomFormat": "CycloneDX",
    "components": [
        {"type": "library", "name": "openssl", "version": "1", "purl": "pkg:rpm/fedora/openssl@1-1"}
    ],
}
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


def written(folder: Path, encoding: str, content: object) -> Path:
    path = folder / "given.json"
    path.write_text(json.dumps(content), encoding=encoding)
    return path


def advisory(folder: Path, encoding: str) -> object:
    (question,) = advisories([written(folder, encoding, OSV)])
    return isinstance(question, AdvisoryQuestion) and question.advisory.id


def vex(folder: Path, encoding: str) -> object:
    (statement,) = vex_statements([written(folder, encoding, VEX)])
    return statement.author


def sbom(folder: Path, encoding: str) -> object:
    (folder / "sboms").mkdir()
    written(folder / "sboms", encoding, SBOM).rename(folder / "sboms" / "1.0.json")
    found = ReleaseSboms(folder / "fleet.yaml").of(Release("1.0"))
    return found is not None and sorted(found.packages)


def dump(folder: Path, encoding: str) -> object:
    path = written(folder, encoding, {"kind": "List", "items": [NODE]})
    return dump_of(Home(folder), path, Policy()).nodes[0].name


def spreadsheet(folder: Path, encoding: str) -> object:
    (folder / "cmdb.csv").write_text("name\nn-1\n", encoding=encoding)
    return import_source(Home(folder), folder / "cmdb.csv", ImportSettings()).source.machines


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
    vex: "ann",
    sbom: ["openssl"],
    dump: "n",
    spreadsheet: 1,
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
