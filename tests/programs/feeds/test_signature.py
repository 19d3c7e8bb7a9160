"""The signature of a channel of Flatcar, checked by gpgv."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from fleet.feeds import flatcar
from fleet.feeds.documents import Documents
from fleet.feeds.errors import FeedError
from tests.unit.feeds.server import FeedServer
from tests.unit.feeds.test_publishers import flatcar_feed


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of gpg with a secret key, and its public key in `public.gpg`."""
    folder = tmp_path_factory.mktemp("gpg")
    folder.chmod(0o700)
    gpg(folder, "--quick-generate-key", "Flatcar Test <test@example.org>", "ed25519", "sign", "never")
    (folder / "public.gpg").write_bytes(gpg(folder, "--export"))
    return folder


def gpg(folder: Path, *arguments: str, stdin: bytes = b"") -> bytes:
    command = [
        "gpg",
        "--homedir",
        str(folder),
        "--batch",
        "--quiet",
        "--pinentry-mode",
        "loopback",
        "--passphrase",
        "",
    ]
    return subprocess.run([*command, *arguments], input=stdin, capture_output=True, check=True).stdout


def signed(server: FeedServer, signer: Path, version: str) -> None:
    text = f"FLATCAR_BUILD=4230\nFLATCAR_VERSION={version}\nFLATCAR_VERSION_ID={version}\n".encode()
    server.documents["/version.txt"] = text
    server.documents["/version.txt.sig"] = gpg(signer, "--detach-sign", stdin=text)


def test_nothing_newer_than_the_signed_version_counts(server: FeedServer, signer: Path) -> None:
    signed(server, signer, "4230.2.10")
    found = flatcar.read(flatcar_feed(server, str(signer / "public.gpg")), Documents({}))
    assert [release.version for release in found] == ["4230.2.9", "4230.2.10"]


def test_version_whose_signature_is_not_good_is_no_feed(
    server: FeedServer, signer: Path, tmp_path: Path
) -> None:
    feed = flatcar_feed(server, str(signer / "public.gpg"))
    signed(server, signer, "4230.2.10")
    server.documents["/version.txt"] = server.documents["/version.txt"].replace(b"4230.2.10", b"4459.1.0")
    with pytest.raises(FeedError, match="signature"):
        flatcar.read(feed, Documents({}))
    signed(server, signer, "4230.2.10")
    (tmp_path / "other.gpg").write_bytes(b"")
    with pytest.raises(FeedError, match="signature"):
        flatcar.read(flatcar_feed(server, str(tmp_path / "other.gpg")), Documents({}))


def test_signed_version_that_the_list_lacks_is_no_feed(server: FeedServer, signer: Path) -> None:
    signed(server, signer, "9999.0.0")
    with pytest.raises(FeedError, match="9999"):
        flatcar.read(flatcar_feed(server, str(signer / "public.gpg")), Documents({}))
