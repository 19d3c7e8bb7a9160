"""The SBOMs of releases, which are files in the folder `sboms` beside the policy: `VERSION.json`, or `sha256-….json` by
the digest of the release's image."""

from __future__ import annotations

from pathlib import Path

from fleet.core.exposure.contents import ReleaseContents, read_contents
from fleet.core.releases.release import Release
from fleet.system.given_file import given_file

FOLDER = "sboms"
LARGEST = 256 * 1024 * 1024
"""The size of the largest SBOM that is read, in bytes: that of a whole operating system with its files has tens of MB."""


class ReleaseSboms:
    """Reads each file once, when the first node asks."""

    def __init__(self, policy_file: Path) -> None:
        folder = policy_file.absolute().parent / FOLDER
        self._files = {path.stem: path for path in sorted(folder.glob("*.json"))} if folder.is_dir() else {}
        self._read: dict[Path, ReleaseContents] = {}

    def of(self, release: Release) -> ReleaseContents | None:
        """Returns what the release contains, by its digest before its version; None where there is no file. Raises
        UsageError for a file that cannot be read, or is no SBOM."""
        if not self._files:
            return None
        digests = sorted(release.known_by)
        names = (*digests, *(digest.replace(":", "-") for digest in digests), release.version)
        path = next((self._files[name] for name in names if name in self._files), None)
        if path is None:
            return None
        if path not in self._read:
            self._read[path] = read_contents(
                given_file(path, LARGEST, "give the file of one SBOM").content, f"{FOLDER}/{path.name}"
            )
        return self._read[path]
