"""A real registry (CNCF Distribution), built once from its Go module, and how images are pushed to it."""

from __future__ import annotations

import fcntl
import os
import shutil
import ssl
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import Message
from pathlib import Path
from urllib.parse import urljoin

import bcrypt
import pytest

from fleet.lab.build import cache_directory
from tests.gates.servers import free_port, until
from tests.kube_fake.tls import self_signed
from tests.unit.feeds.registry import Blob, Image

MODULE, VERSION = "github.com/distribution/distribution/v3/cmd/registry", "v3.0.0"
BUILD_SECONDS = 1800

CONFIG = """\
version: 0.1
log: {{level: warn, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: {folder}/storage}}}}
http:
  addr: 127.0.0.1:{port}
  tls: {{certificate: {folder}/certificate.pem, key: {folder}/key.pem}}
{auth}"""
AUTH = "auth: {{htpasswd: {{realm: os, path: {folder}/htpasswd}}}}\n"


def build() -> str:
    """Builds the program, once for all processes that test at the same time. Returns why it could not; empty: it is
    there."""
    folder = cache_directory() / f"registry-{VERSION}"
    if program().exists():
        return ""
    go = shutil.which("go")
    if go is None:
        return "there is no Go that could build a registry"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if program().exists():
            return ""
        environ = {**os.environ, "GOBIN": str(folder), "GOFLAGS": "-buildvcs=false"}
        built = subprocess.run(
            [go, "install", f"{MODULE}@{VERSION}"],
            env=environ,
            capture_output=True,
            timeout=BUILD_SECONDS,
            check=False,
        )
    return built.stderr.decode(errors="replace")[-300:] if built.returncode else ""


def program() -> Path:
    """Returns where the program is, or is to be."""
    return cache_directory() / f"registry-{VERSION}" / "registry"


def built_program() -> Path:
    """Returns the program. Skips the test where it cannot be built; with CI=true the test fails."""
    if not (why := build()):
        return program()
    if os.environ.get("CI") == "true":
        pytest.fail(f"there is no registry: {why}")
    pytest.skip(f"there is no registry: {why}")


class RealRegistry:
    """A running registry with the repository `os/image`."""

    def __init__(self, port: int, context: ssl.SSLContext, authorization: str) -> None:
        self.repository = f"127.0.0.1:{port}/os/image"
        self._base = f"https://127.0.0.1:{port}/v2/os/image"
        self._context = context
        self._headers = {"Authorization": authorization} if authorization else {}

    def push(self, tag: str, image: Image) -> None:
        for config in image.configs.values():
            self._push_blob(config)
        for manifest in image.manifests.values():
            self._put(f"manifests/{manifest.digest}", manifest)
        self._put(f"manifests/{tag}", image.top)

    def answers(self) -> bool:
        try:
            self._ask("GET", f"{self._base}/tags/list")
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False
        return True

    def _push_blob(self, blob: Blob) -> None:
        location = self._ask("POST", f"{self._base}/blobs/uploads/")["Location"]
        url = urljoin(self._base, location or "")
        joint = "&" if "?" in url else "?"
        self._ask(
            "PUT",
            f"{url}{joint}digest={blob.digest}",
            {"Content-Type": "application/octet-stream"},
            blob.body,
        )

    def _put(self, place: str, blob: Blob) -> None:
        self._ask("PUT", f"{self._base}/{place}", {"Content-Type": blob.kind}, blob.body)

    def _ask(
        self, method: str, url: str, headers: dict[str, str] | None = None, body: bytes | None = None
    ) -> Message:
        request = urllib.request.Request(url, body, {**self._headers, **(headers or {})}, method=method)
        with urllib.request.urlopen(request, context=self._context, timeout=10) as answer:
            received: Message = answer.headers
            return received


@contextmanager
def real_registry(
    folder: Path, user: str = "", password: str = "", authorization: str = ""
) -> Iterator[RealRegistry]:
    """Runs a registry; with `user` only that user may read and write."""
    registry, port = built_program(), free_port()
    self_signed(folder)
    if user:
        hashed = bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()
        (folder / "htpasswd").write_text(f"{user}:{hashed}\n")
    auth = AUTH.format(folder=folder) if user else ""
    (folder / "registry.yaml").write_text(CONFIG.format(folder=folder, port=port, auth=auth))
    log = folder / "registry.log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            [str(registry), "serve", str(folder / "registry.yaml")], stdout=output, stderr=output
        )
    found = RealRegistry(
        port, ssl.create_default_context(cafile=str(folder / "certificate.pem")), authorization
    )
    try:
        until(lambda: server.poll() is not None or found.answers(), log.read_text)
        assert server.poll() is None, log.read_text()
        yield found
    finally:
        server.terminate()
        server.wait()
