"""A registry that answers as the distribution's registry does: a tag has other digests, or none, by the Accept header."""

from __future__ import annotations

from hashlib import sha256
from typing import NamedTuple

import msgspec

from tests.unit.feeds.server import FeedServer

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"


class Blob(NamedTuple):
    """Content with its type."""

    kind: str
    body: bytes

    @property
    def digest(self) -> str:
        return f"sha256:{sha256(self.body).hexdigest()}"


class Image(NamedTuple):
    """An image of several architectures, with everything that is pushed of it."""

    top: Blob
    manifests: dict[str, Blob]
    configs: dict[str, Blob]


def an_image(text: str, kernel: str = "", created: str = "2026-11-01T10:00:00Z", *names: str) -> Image:
    """Makes an image. `text` makes its digests differ from those of others."""
    configs, manifests = {}, {}
    for name in names or ("amd64", "arm64"):
        labels = {"ostree.linux": f"{kernel}.{'x86_64' if name == 'amd64' else 'aarch64'}"} if kernel else {}
        config = {
            "architecture": name,
            "os": "linux",
            "created": created,
            "config": {"Labels": {"org.opencontainers.image.version": text, **labels}},
            "rootfs": {"type": "layers", "diff_ids": []},
        }
        configs[name] = Blob(CONFIG, msgspec.json.encode(config))
        manifest = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": {"mediaType": CONFIG, "digest": configs[name].digest, "size": len(configs[name].body)},
            "layers": [],
        }
        manifests[name] = Blob(OCI_MANIFEST, msgspec.json.encode(manifest))
    index = {
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": [
            {
                "mediaType": OCI_MANIFEST,
                "digest": manifest.digest,
                "size": len(manifest.body),
                "platform": {"architecture": name, "os": "linux"},
            }
            for name, manifest in manifests.items()
        ],
    }
    return Image(Blob(OCI_INDEX, msgspec.json.encode(index)), manifests, configs)


class RegistryServer(FeedServer):
    """A registry with one repository, `os/image`."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: dict[str, str] = {}
        """Digest by tag."""
        self.blobs: dict[str, Blob] = {}
        self.page = 100
        """Tags on a page of the list."""
        self.users: dict[str, str] = {}
        """Who may read: the header Authorization and the token for it. The key of everybody is empty."""

    @property
    def repository(self) -> str:
        return f"{self.url.removeprefix('https://')}/os/image"

    def push(self, tag: str, image: Image) -> None:
        for blob in (image.top, *image.manifests.values(), *image.configs.values()):
            self.blobs[blob.digest] = blob
        self.tags[tag] = image.top.digest

    def answer(self, path: str, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        if path.startswith("/token"):
            token = self.users.get(headers.get("authorization", ""))
            if token is None:
                return 401, {}, b""
            return 200, {}, msgspec.json.encode({"token": token})
        if not path.startswith("/v2/os/image/"):
            return super().answer(path, headers)
        if self.users and headers.get("authorization", "") not in {
            f"Bearer {each}" for each in self.users.values()
        }:
            challenge = f'Bearer realm="{self.url}/token",service="registry",scope="repository:os/image:pull"'
            return 401, {"WWW-Authenticate": challenge}, b""
        kind, _, rest = path.removeprefix("/v2/os/image/").partition("/")
        if kind == "tags":
            return self._list(path)
        digest = self.tags.get(rest, rest)
        blob = self.blobs.get(digest)
        if blob is None or (kind == "manifests" and blob.kind not in headers.get("accept", "")):
            return 404, {}, b""
        sent = {"ETag": f'"{digest}"', "Docker-Content-Digest": digest, "Content-Type": blob.kind}
        if headers.get("if-none-match") == sent["ETag"]:
            return 304, sent, b""
        return 200, sent, blob.body

    def _list(self, path: str) -> tuple[int, dict[str, str], bytes]:
        _, _, last = path.partition("last=")
        following = sorted(tag for tag in self.tags if tag > last.partition("&")[0])
        shown = following[: self.page]
        more = (
            {"Link": f'</v2/os/image/tags/list?last={shown[-1]}&n=1>; rel="next"'}
            if len(following) > self.page
            else {}
        )
        return 200, more, msgspec.json.encode({"name": "os/image", "tags": shown})
