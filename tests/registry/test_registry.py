"""Images in a real registry as releases, and the fake registry of the unit tests beside it."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from fleet.core.releases.feed import ImageFeed
from fleet.core.releases.release import Release
from fleet.feeds import image
from fleet.feeds.documents import Documents
from fleet.feeds.errors import FeedError
from tests.registry.servers import RealRegistry, real_registry
from tests.unit.feeds.registry import RegistryServer, an_image
from tests.unit.feeds.server import serving

pytestmark = pytest.mark.timeout(2400)
"""The registry is built once, which takes minutes."""

USER = f"Basic {b64encode(b'user:5ecre7').decode()}"
IMAGES = {tag: an_image(tag, "6.12.9-200.fc44") for tag in ("44.9", "44.10", "v44.2")}


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "https_proxy",
        "HTTPS_PROXY",
        "all_proxy",
        "ALL_PROXY",
        "REGISTRY_AUTH_FILE",
        "XDG_RUNTIME_DIR",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[RealRegistry]:
    with real_registry(tmp_path) as found:
        for tag, made in IMAGES.items():
            found.push(tag, made)
        yield found


def test_fake_registry_gives_the_same_releases(registry: RealRegistry, tmp_path: Path) -> None:
    fake = RegistryServer()
    for tag, made in IMAGES.items():
        fake.push(tag, made)
    with serving(fake, tmp_path):
        expected = image.read(ImageFeed(fake.repository), Documents({}))
    found = image.read(ImageFeed(registry.repository), Documents({}))
    assert found == expected
    assert [release.version for release in found] == ["v44.2", "44.9", "44.10"]
    assert found[-1].digest == IMAGES["44.10"].top.digest
    assert dict(found[-1].digests)["arm64"] == IMAGES["44.10"].manifests["arm64"].digest


def test_second_reading_of_what_has_not_changed_is_the_same(registry: RealRegistry) -> None:
    first = Documents({})
    before = image.read(ImageFeed(registry.repository), first)
    assert image.read(ImageFeed(registry.repository), Documents(first.read)) == before
    registry.push("44.11", an_image("44.11"))
    after = image.read(ImageFeed(registry.repository), Documents(first.read))
    assert after[:-1] == before and after[-1].version == "44.11"


def test_registry_that_asks_for_a_user(tmp_path: Path) -> None:
    with real_registry(tmp_path, "user", "5ecre7", USER) as registry:
        registry.push("44.9", IMAGES["44.9"])
        feed = ImageFeed(registry.repository)
        with pytest.raises(FeedError, match="asks for a user"):
            image.read(feed, Documents({}))
        host = registry.repository.partition("/")[0]
        logins = {"auths": {host: {"auth": USER.removeprefix("Basic ")}}}
        (tmp_path / "config.json").write_bytes(msgspec.json.encode(logins))
        (found,) = image.read(feed, Documents({}))
    assert isinstance(found, Release) and found.version == "44.9"
