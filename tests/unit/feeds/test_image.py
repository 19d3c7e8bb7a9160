"""Tags of a container registry as releases."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from fleet.core.releases.feed import ImageFeed
from fleet.core.releases.release import Release
from fleet.feeds import image
from fleet.feeds.documents import Document, Documents
from fleet.feeds.errors import FeedError
from tests.unit.feeds.registry import Blob, RegistryServer, an_image
from tests.unit.feeds.server import serving


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RegistryServer]:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.delenv("REGISTRY_AUTH_FILE", raising=False)
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    found = RegistryServer()
    with serving(found, tmp_path):
        yield found


def read(
    registry: RegistryServer, kept: dict[str, Document] | None = None, **changes: object
) -> tuple[Release, ...]:
    feed = msgspec.structs.replace(ImageFeed(registry.repository), **changes)
    return image.read(feed, Documents(kept or {}))


def test_index_and_the_manifests_below_it_are_kept(registry: RegistryServer) -> None:
    made = an_image("44.1", "6.12.9-200.fc44")
    registry.push("44.1", made)
    (found,) = read(registry)
    assert found == Release(
        "44.1",
        made.top.digest,
        "6.12.9-200.fc44",
        digests=(("amd64", made.manifests["amd64"].digest), ("arm64", made.manifests["arm64"].digest)),
        released=datetime(2026, 11, 1, 10, tzinfo=UTC),
    )


def test_tags_are_releases_by_pattern_and_ordered_by_numbers(registry: RegistryServer) -> None:
    for tag in ("44.10", "44.9", "v44.2", "latest", "sha256-aa.sig", "44.9-dirty", "43.1"):
        registry.push(tag, an_image(tag))
    registry.page = 2
    assert [release.version for release in read(registry)] == ["43.1", "v44.2", "44.9", "44.10"]
    assert [release.version for release in read(registry, newest=2)] == ["44.9", "44.10"]
    assert [release.version for release in read(registry, tags=r"43\..*")] == ["43.1"]


def test_manifest_without_an_index_has_one_digest(registry: RegistryServer) -> None:
    made = an_image("44.1", "6.12.9-200.fc44")
    registry.push("44.1", made)
    registry.tags["44.1"] = made.manifests["amd64"].digest
    (found,) = read(registry)
    assert (found.digest, found.digests) == (made.manifests["amd64"].digest, ())
    assert found.kernel == "6.12.9-200.fc44.x86_64"


def test_what_has_not_changed_is_not_sent_again(registry: RegistryServer) -> None:
    registry.push("44.1", an_image("44.1"))
    documents = Documents({})
    first = image.read(ImageFeed(registry.repository), documents)
    registry.take()
    assert read(registry, documents.read) == first
    # Manifests and configurations by their digests are not asked for at all.
    assert [(asked.path.rpartition("/")[2], asked.status) for asked in registry.take()] == [
        ("list?n=1000", 200),
        ("44.1", 304),
    ]


@pytest.mark.parametrize("logged_in", [False, True])
def test_tokens_are_fetched_as_nobody_or_with_the_login_of_docker(
    registry: RegistryServer, tmp_path: Path, logged_in: bool
) -> None:
    registry.push("44.1", an_image("44.1"))
    auth = b64encode(b"user:5ecre7").decode()
    registry.users = {f"Basic {auth}" if logged_in else "": "t0ken"}
    host = registry.repository.partition("/")[0]
    if logged_in:
        logins = {"auths": {host: {"auth": auth}, "other.example.org": {"auth": "!"}}}
        (tmp_path / "config.json").write_bytes(msgspec.json.encode(logins))
    assert [release.version for release in read(registry)] == ["44.1"]
    asked = registry.take()
    assert sum(each.path.startswith("/token") for each in asked) == 1
    assert all("5ecre7" not in each.path for each in asked)


def test_refused_credentials_are_an_error_that_shows_none(registry: RegistryServer, tmp_path: Path) -> None:
    registry.push("44.1", an_image("44.1"))
    registry.users = {"Basic other": "t0ken"}
    auth = b64encode(b"user:5ecre7").decode()
    host = registry.repository.partition("/")[0]
    (tmp_path / "config.json").write_bytes(msgspec.json.encode({"auths": {host: {"auth": auth}}}))
    with pytest.raises(FeedError) as caught:
        read(registry)
    assert "401" in str(caught.value) and "5ecre7" not in str(caught.value) and auth not in str(caught.value)


def test_manifest_with_another_content_than_its_digest_is_refused(registry: RegistryServer) -> None:
    made = an_image("44.1")
    registry.push("44.1", made)
    amd = made.manifests["amd64"]
    registry.blobs[amd.digest] = Blob(amd.kind, amd.body + b" ")
    with pytest.raises(FeedError, match="another digest"):
        read(registry)


def test_list_of_tags_that_leads_to_another_server_is_refused(registry: RegistryServer) -> None:
    registry.documents["/v2/other/tags/list"] = b'{"tags": []}'
    page = registry.answer

    def elsewhere(path: str, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        status, sent, body = page(path, headers)
        return status, {**sent, "Link": '<https://127.0.0.1:1/v2/x>; rel="next"'}, body

    registry.answer = elsewhere  # type: ignore[method-assign]
    with pytest.raises(FeedError, match="another server"):
        read(registry)


def test_image_of_another_operating_system_is_no_release(registry: RegistryServer) -> None:
    made = an_image("44.1")
    body = made.top.body.replace(b'"linux"', b'"windows"')
    registry.push("44.1", made._replace(top=Blob(made.top.kind, body)))
    with pytest.raises(FeedError, match="no image for Linux"):
        read(registry)


def test_credentials_do_not_follow_a_redirect_to_another_host(
    registry: RegistryServer, tmp_path: Path
) -> None:
    made = an_image("44.1")
    registry.push("44.1", made)
    registry.users = {"": "t0ken"}
    other = RegistryServer()
    config = made.configs["amd64"]
    with serving(other, tmp_path):
        other.documents["/config"] = config.body
        own = registry.answer

        def redirecting(path: str, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
            if path.endswith(config.digest) and "authorization" in headers:
                return 307, {"Location": f"{other.url}/config"}, b""
            return own(path, headers)

        registry.answer = redirecting  # type: ignore[method-assign]
        found = read(registry)
    assert [release.version for release in found] == ["44.1"]
    (asked,) = other.take()
    assert "authorization" not in asked.headers
