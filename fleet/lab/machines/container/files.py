"""The files of a layer, and the tar of them, whose bytes depend on nothing but the files."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

import msgspec

EPOCH = 315532800
"""The time of every file, in seconds: the first day of 1980, the earliest that all formats of archives can hold."""

_SHOWN_TO_ALL = 0o755


class ImageFile(msgspec.Struct, frozen=True):
    """A file, a folder (no content), or a symbolic link."""

    content: bytes | None = None
    mode: int = 0o644
    link: str = ""
    owner: int = 0
    """User and group."""


def below(folder: Path) -> Iterator[tuple[str, ImageFile]]:
    """Yields every file and link below the folder, by its relative path. No file gets the rights of its owner (setuid)."""
    for directory, folders, names in os.walk(folder):
        # A link to a folder is a link.
        for name in (*names, *(each for each in folders if Path(directory, each).is_symlink())):
            path = Path(directory, name)
            yield str(path.relative_to(folder)), _read(path)


def _read(path: Path) -> ImageFile:
    if path.is_symlink():
        return ImageFile(link=str(path.readlink()), mode=0o777)
    executable = path.stat().st_mode & 0o111
    return ImageFile(path.read_bytes(), 0o755 if executable else 0o644)


def packed(files: Mapping[str, ImageFile]) -> bytes:
    """Returns a tar of these files by path, with the folders that they need."""
    folders = {str(parent) for path in files for parent in PurePosixPath(path).parents} - {".", "/"}
    everything = {**{path: ImageFile(mode=_SHOWN_TO_ALL) for path in folders}, **files}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as out:
        for path, file in sorted(everything.items()):
            member = tarfile.TarInfo(path)
            member.mode, member.mtime, member.uid, member.gid = file.mode, EPOCH, file.owner, file.owner
            if file.link:
                member.type, member.linkname = tarfile.SYMTYPE, file.link
                out.addfile(member)
            elif file.content is None:
                member.type = tarfile.DIRTYPE
                out.addfile(member)
            else:
                member.size = len(file.content)
                out.addfile(member, io.BytesIO(file.content))
    return buffer.getvalue()
