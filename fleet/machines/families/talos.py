"""Talos: it has no shell and no ssh; `talosctl` calls its API from the machine that fleet runs on.

Source: talos.dev, `talosctl` reference, and cmd/talosctl of github.com/siderolabs/talos, 1.5 to 1.13. The staged
upgrade is recorded in the machine's META partition, key 0x07 (StagedUpgradeImageRef in
pkg/machinery/meta/constants.go).
"""

from __future__ import annotations

from msgspec import Struct

from fleet.core.releases.release import Release
from fleet.core.text.untrusted import UnreadableError, decode_each
from fleet.machines.errors import MachineError
from fleet.machines.families.family import Observation, OsFamily
from fleet.machines.families.shared import os_release
from fleet.machines.families.signs import Signs
from fleet.machines.host import Host, LostError, checked
from fleet.machines.progress import ReportPercent

OS = "talos"
STAGED_IMAGE = frozenset({7, "0x07"})
"""The key 0x07, which is unquoted in the YAML that talosctl converts to JSON, and so becomes a number."""
LEGACY = "--legacy"
"""An option of `talosctl upgrade` since 1.13, whose own new way has no --stage: it would ignore that flag, drain and
reboot at once."""


class _Spec(Struct, frozen=True):
    value: str = ""


class _Metadata(Struct, frozen=True):
    id: int | str


class _MetaKey(Struct, frozen=True):
    metadata: _Metadata
    spec: _Spec


def parse_meta(text: str) -> str:
    """Returns the staged image of `talosctl get metakeys -o json`, which prints one document for each key; empty where
    none is staged.

    Raises MachineError with the text.
    """
    try:
        keys = decode_each(text, _MetaKey)
    except UnreadableError as error:
        raise MachineError(f"talosctl get metakeys is not understood ({error}): {text[:300]!r}") from error
    staged = [key.spec.value for key in keys if key.metadata.id in STAGED_IMAGE]
    return staged[-1] if staged else ""


def release_of(image: str) -> Release:
    """Returns the release of an image: `factory.talos.dev/installer/SCHEMATIC:v1.8.0` is v1.8.0, with its digest if it
    has one.

    An image without a tag gives its digest alone, and an image with neither gives a release that no pool targets.
    """
    name, _, digest = image.partition("@")
    _, colon, version = name.rpartition(":")
    if not colon or "/" in version:
        return Release(digest or "unknown: the staged image has no tag", digest)
    return Release(version, digest)


def parse_os_release(text: str) -> Release:
    """Returns the release in an os-release. Raises MachineError for another operating system's."""
    fields = os_release.parse(text)
    if fields.get("ID") != "talos":
        raise MachineError(f"os-release is of {fields.get('ID', 'nobody')!r}, not of talos")
    return Release(os_release.version(fields))


class Talos:
    def __init__(self, here: Host, node: str, source: str = "") -> None:
        """Makes the Family. `here` has talosctl and its configuration; `source` is the installer's repository, without
        a tag."""
        self._here = here
        self._node = node
        self._source = source

    async def observe(self) -> Observation:
        """Observes the machine. Its API reports no rollback: `talosctl rollback` returns to the previous release,
        whatever it is."""
        return Observation(
            OS,
            await self._booted(),
            (await self._read("/proc/sys/kernel/random/boot_id")).strip(),
            (await self._read("/proc/sys/kernel/osrelease")).strip(),
            await self._staged(),
            kernel_arguments=await self._arguments(),
        )

    async def stage(self, release: Release, progress: ReportPercent, token: str = "") -> None:
        """Stages the release, as `Family.stage` does."""
        if not self._source:
            raise MachineError(
                "Talos needs the repository of its installer image (source), such as ghcr.io/siderolabs/installer"
            )
        now = (await self._booted()).version
        if now.startswith("v") != release.version.startswith("v"):
            raise MachineError(
                f"this machine reports its versions as {now}, so {release.version} would never be seen as booted: "
                "write it in the stream as the machine reports it"
            )
        options = ("--stage", "--wait=false", "--image", f"{self._source}:{release.version}")
        ran = await self._here.run(self._talosctl("upgrade", LEGACY, *options), 1800)
        if f"unknown flag: {LEGACY}" in ran.stderr:
            # Versions before 1.13: nothing was done, and the command without the option is the only way.
            ran = await self._here.run(self._talosctl("upgrade", *options), 1800)
        if not ran.succeeded:
            raise MachineError(ran.message)
        progress(100)

    async def reboot(self) -> None:
        try:
            await checked(self._here, self._talosctl("reboot", "--wait=false"))
        except LostError:
            return

    async def roll_back(self) -> None:
        raise MachineError(
            "talosctl rollback reboots at once, so fleet does not run it; an operator can: "
            f"talosctl -n {self._node} rollback"
        )

    async def mark_good(self) -> None:
        """Does nothing: machined marks the boot as good once it is up."""

    async def _booted(self) -> Release:
        return parse_os_release(await self._read("/etc/os-release"))

    async def _staged(self) -> Release | None:
        image = parse_meta(await checked(self._here, self._talosctl("get", "metakeys", "-o", "json")))
        return release_of(image) if image else None

    async def _arguments(self) -> str:
        """Returns the kernel's arguments; empty where the machine does not report them."""
        ran = await self._here.run(self._talosctl("read", "/proc/cmdline"))
        return ran.stdout.strip() if ran.succeeded else ""

    async def _read(self, path: str) -> str:
        return await checked(self._here, self._talosctl("read", path))

    def _talosctl(self, *argv: str) -> tuple[str, ...]:
        return ("talosctl", "--nodes", self._node, *argv)


def recognizes(signs: Signs) -> bool:
    return signs.os_release.get("ID") == "talos"


FAMILY = OsFamily(
    OS,
    connect=lambda host, source, node: Talos(host, node, source),
    recognizes=recognizes,
    has_shell=False,
)
