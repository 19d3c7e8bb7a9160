"""Reads the list of releases of a channel of Flatcar.

The list is not signed. The file version.txt of the channel is: with a keyring, nothing newer than the version in it counts.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from msgspec import UNSET, Struct, UnsetType

from fleet.core.releases.feed import FlatcarFeed
from fleet.core.releases.release import Release
from fleet.feeds.documents import Documents
from fleet.feeds.errors import FeedError
from fleet.feeds.versions import version_key

SECONDS = 20.0
"""Seconds that the check of a signature may take."""
_VERSION = re.compile(r"^FLATCAR_VERSION=([0-9.]{1,40})$", re.MULTILINE | re.ASCII)


class FlatcarSoftware(Struct, frozen=True):
    """Versions of programs in a release."""

    kernel: tuple[str, ...] = ()


class FlatcarRelease(Struct, frozen=True):
    """A release of the list."""

    channel: str = ""
    release_date: str = ""
    """Such as `2018-04-25 14:36:41 +0000`."""
    major_software: FlatcarSoftware = FlatcarSoftware()


def read(feed: FlatcarFeed, documents: Documents) -> tuple[Release, ...]:
    """Returns the releases of the channel, oldest first by their numbers. Raises FeedError."""
    listed = documents.decode(f"{feed.url}/releases-{feed.channel}.json", dict[str, FlatcarRelease])
    found = [_release(version, release) for version, release in listed.items() if version[:1].isdigit()]
    found.sort(key=lambda release: version_key(release.version))
    if not feed.keyring:
        return tuple(found)
    newest = signed_version(feed, documents)
    if all(release.version != newest for release in found):
        raise FeedError(f"its list does not have {newest}, the version that is signed")
    return tuple(release for release in found if version_key(release.version) <= version_key(newest))


def signed_version(feed: FlatcarFeed, documents: Documents) -> str:
    """Returns the version in the signed version.txt of the channel. Raises FeedError if the signature is not by a key of
    the keyring."""
    folder = feed.signed or f"https://{feed.channel}.release.flatcar-linux.net/amd64-usr/current"
    text = documents.get(f"{folder}/version.txt").body
    _verify(text, documents.get(f"{folder}/version.txt.sig").body, Path(feed.keyring))
    found = _VERSION.search(text.decode("utf-8", "replace"))
    if found is None:
        raise FeedError("its version.txt has no FLATCAR_VERSION")
    return found[1]


def _verify(text: bytes, signature: bytes, keyring: Path) -> None:
    program = shutil.which("gpgv")
    if program is None:
        raise FeedError(
            "the signature cannot be checked: there is no gpgv (Debian and Fedora have a package gpgv)"
        )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "version.txt").write_bytes(text)
        (folder / "version.txt.sig").write_bytes(signature)
        command = [
            program,
            "--homedir",
            name,
            "--keyring",
            str(keyring.absolute()),
            "version.txt.sig",
            "version.txt",
        ]
        try:
            done = subprocess.run(
                command,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise FeedError(f"the signature cannot be checked: {error}") from None
    if done.returncode:
        last = (done.stderr.decode("utf-8", "replace").strip().splitlines() or ["gpgv failed"])[-1]
        raise FeedError(f"the signature of its version.txt is not good: {last[:200]}")


def _release(version: str, listed: FlatcarRelease) -> Release:
    kernels = listed.major_software.kernel
    return Release(version, kernel=kernels[0] if kernels else "", released=_date(listed.release_date))


def _date(text: str) -> datetime | UnsetType:
    try:
        return datetime.strptime(text, "%Y-%m-%d %H:%M:%S %z").astimezone(UTC)
    except ValueError:
        return UNSET
