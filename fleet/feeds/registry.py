"""A client of one repository in a container registry (https://github.com/opencontainers/distribution-spec), with bearer
tokens (https://distribution.github.io/distribution/spec/auth/token/) and user and password."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from urllib.parse import urlencode, urljoin, urlsplit

from msgspec import Struct

from fleet.feeds.credentials import login
from fleet.feeds.documents import Document, Documents, decoded
from fleet.feeds.errors import FeedError, UnauthorizedError
from fleet.system.download import DownloadError, ask

MANIFESTS = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)
"""All types of manifests, lists first: without a type that it has, a registry answers 404, or another digest."""
MOST_PAGES = 100
MOST_TOKEN = 1 << 20
HUB = "docker.io"
_PARAMETER = re.compile(r'([a-z_]+)="([^"]*)"')
_NEXT = re.compile(r'<([^>]*)>\s*;\s*rel="?next"?')


class Token(Struct, frozen=True):
    """The answer of a token server."""

    token: str = ""
    access_token: str = ""


class TagPage(Struct, frozen=True):
    """A page of the list of tags."""

    tags: tuple[str, ...] | None = None


class Registry:
    """Reads tags, manifests and blobs of one repository."""

    def __init__(self, repository: str, documents: Documents) -> None:
        """`repository`: host and path, such as `quay.io/fedora/fedora-bootc`."""
        self._repository = repository
        host, _, path = repository.partition("/")
        if host == HUB:
            # The library is where images of docker.io without a user are.
            host, path = "registry-1.docker.io", path if "/" in path else f"library/{path}"
        self._base = f"https://{host}/v2/{path}"
        self._scope = f"repository:{path}:pull"
        self._documents = documents
        self._authorization = ""

    def tags(self) -> list[str]:
        """Returns all tags of the repository. Raises FeedError."""
        url = f"{self._base}/tags/list?n=1000"
        found: list[str] = []
        for _ in range(MOST_PAGES):
            page = self._get(url, "application/json")
            found += decoded(page.body, TagPage).tags or ()
            following = _NEXT.search(page.links)
            if following is None:
                return found
            url = urljoin(url, following[1])
            if urlsplit(url).netloc != urlsplit(self._base).netloc:
                raise FeedError("its list of tags goes on at another server")
        raise FeedError("its list of tags does not end")

    def manifest(self, reference: str) -> tuple[str, bytes]:
        """Returns the manifest or index of a tag or digest, with its digest. Raises FeedError."""
        by_digest = reference.startswith("sha256:")
        body = self._get(f"{self._base}/manifests/{reference}", MANIFESTS, unchanging=by_digest).body
        digest = f"sha256:{sha256(body).hexdigest()}"
        if by_digest and digest != reference:
            raise FeedError(f"what it serves as {reference} has another digest")
        return digest, body

    def blob(self, digest: str) -> bytes:
        """Returns a blob by its SHA-256. Raises FeedError."""
        body = self._get(f"{self._base}/blobs/{digest}", "*/*", unchanging=True).body
        if f"sha256:{sha256(body).hexdigest()}" != digest:
            raise FeedError(f"what it serves as {digest} has another digest")
        return body

    def _get(self, url: str, accept: str, *, unchanging: bool = False) -> Document:
        try:
            return self._documents.get(url, self._headers(accept), unchanging=unchanging)
        except UnauthorizedError as error:
            # The first time, or the token has run out.
            self._authorization = self._authorized(error.challenge)
        try:
            return self._documents.get(url, self._headers(accept), unchanging=unchanging)
        except UnauthorizedError:
            raise FeedError("the registry refuses the credentials") from None

    def _headers(self, accept: str) -> Mapping[str, str]:
        return {"Accept": accept} | ({"Authorization": self._authorization} if self._authorization else {})

    def _authorized(self, challenge: str) -> str:
        """Returns the header that answers the challenge: with the user's login, or as nobody."""
        scheme, _, rest = challenge.partition(" ")
        known = login(self._repository)
        basic = f"Basic {b64encode(':'.join(known).encode()).decode()}" if known is not None else ""
        if scheme.lower() == "basic":
            if not basic:
                raise FeedError("the registry asks for a user, and docker's config.json has none for it")
            return basic
        parameters = dict(_PARAMETER.findall(rest))
        if scheme.lower() != "bearer" or "realm" not in parameters:
            raise FeedError("the registry asks for credentials in a way that fleet does not know")
        query = {"service": parameters.get("service", ""), "scope": parameters.get("scope", self._scope)}
        url = f"{parameters['realm']}?{urlencode({name: value for name, value in query.items() if value})}"
        try:
            answer = ask(url, MOST_TOKEN, {"Authorization": basic} if basic else {})
        except DownloadError as error:
            raise FeedError(f"the registry gives no token: {error}") from None
        token = decoded(answer.body, Token)
        return f"Bearer {token.token or token.access_token}"
