"""The operating system of virtual machines: two releases that boot different kernels, made of Debian's packages."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import msgspec

from fleet.lab.build import ReportLine
from fleet.lab.errors import LabError
from fleet.lab.machines.computer.command import run
from fleet.lab.machines.images import kept
from fleet.lab.machines.images.releases import FOUNDED, OS, SUITE, TREE, layout, link, publish

VERSIONS = ("2.0", "2.1")
"""The versions, from the older kernel to the newer one."""

KERNELS = ("linux-image-cloud-amd64", "linux-image-6.12-cloud-amd64")
PACKAGES = (
    *("systemd", "systemd-sysv", "udev", "dbus", "openssh-server", "ostree", "ostree-boot"),
    *("iproute2", "kmod", "procps", "util-linux", "mount", "initramfs-tools"),
    *KERNELS,
)

_GLUE = Path(__file__).parent / "initramfs"
_FROM_TREE = ("etc/ssh/sshd_config.d/fleet-lab.conf", "usr/lib/tmpfiles.d/fleet-lab.conf")
_ENABLED = ("ssh.service", "systemd-networkd.service")
_MASKED = (
    *("e2scrub_reap.service", "e2scrub_all.timer", "apt-daily.timer", "apt-daily-upgrade.timer"),
    *("dpkg-db-backup.timer", "fstrim.timer", "systemd-networkd-wait-online.service"),
    *("systemd-timesyncd.service", "getty@tty1.service", "serial-getty@ttyS0.service"),
)


class KernelReleases(msgspec.Struct, frozen=True):
    """An OSTree repository (archive mode), and the commit and kernel of each release, by version."""

    repository: Path
    commits: dict[str, str]
    kernels: dict[str, str]


def build(progress: ReportLine) -> KernelReleases:
    """Returns the releases, which are built in some two minutes if they were not built before. Raises LabError."""
    source = Path(__file__).read_bytes()
    parts = (SUITE, source, *kept.contents(_GLUE), *kept.contents(TREE))

    def make(folder: Path) -> None:
        tree = folder / "tree"
        _unpack(tree, progress)
        progress("writing two releases with a kernel each into an OSTree repository (once; a minute)")
        _commit_both(folder / "repo", tree, folder / "kernels")
        shutil.rmtree(tree)

    repository = kept.keep("kernels", kept.key(*parts), make, progress) / "repo"
    commits = {each: run("ostree", f"--repo={repository}", "rev-parse", f"{OS}/{each}") for each in VERSIONS}
    kernels = {
        version: Path(
            run("ostree", f"--repo={repository}", "ls", "--nul-filenames-only", commit, "/usr/lib/modules")
            .strip("\0")
            .split("\0")[-1]
        ).name
        for version, commit in commits.items()
    }
    return KernelReleases(repository, commits, kernels)


def _unpack(tree: Path, progress: ReportLine) -> None:
    progress("unpacking Debian's packages and two kernels for virtual machines (once; some two minutes)")
    options = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("man", "doc", "locale")]
    archive = tree.with_suffix(".tar")
    run(
        *("nice", "-n", "10", "mmdebstrap", "--quiet", "--variant=minbase", "--components=main"),
        *('--aptopt=Apt::Install-Recommends "false"', *options),
        # Before initramfs-tools is configured, which makes the images of both kernels.
        '--essential-hook=mkdir "$1/etc/initramfs-tools"',
        f"--essential-hook=copy-in {_GLUE}/hooks {_GLUE}/scripts {_GLUE}/conf.d {_GLUE}/modules /etc/initramfs-tools",
        *(f"--include={','.join(PACKAGES)}", SUITE, archive),
    )
    tree.mkdir()
    run("tar", "-C", tree, "-xf", archive, "--exclude=./dev/*")
    archive.unlink()


def _commit_both(repository: Path, tree: Path, kernels: Path) -> None:
    names = sorted((path.name for path in (tree / "usr/lib/modules").iterdir()), key=_order)
    if len(names) != len(VERSIONS):
        raise LabError(f"Debian's {' and '.join(KERNELS)} are {len(names)} kernels: {', '.join(names)}")
    for kernel in names:
        modules = kernels / kernel / "usr/lib/modules" / kernel
        modules.parent.mkdir(parents=True)
        (tree / "usr/lib/modules" / kernel).rename(modules)
        shutil.copy2(tree / f"boot/vmlinuz-{kernel}", modules / "vmlinuz")
        shutil.copy2(tree / f"boot/initrd.img-{kernel}", modules / "initramfs.img")
    for name in ("vmlinuz", "vmlinuz.old", "initrd.img", "initrd.img.old"):
        (tree / name).unlink(missing_ok=True)
    _finish(tree)
    ostree = ("nice", "-n", "10", "ostree", f"--repo={repository}")
    run(*ostree, "init", "--mode=archive")
    run(*ostree, "config", "set", "core.fsync", "false")
    run(*ostree, "config", "set", "archive.zlib-level", "1")
    common = ("--no-xattrs", "--no-bindings", f"--timestamp={FOUNDED}")
    run(*ostree, "commit", *common, f"--branch={OS}/base", f"--tree=dir={tree}")
    for version, kernel in zip(VERSIONS, names, strict=True):
        _write_release(kernels / kernel, version)
        run(
            *(*ostree, "commit", *common, f"--branch={OS}/{version}"),
            *(f"--add-metadata-string=version={version}", f"--tree=ref={OS}/base"),
            f"--tree=dir={kernels / kernel}",
        )
    shutil.rmtree(kernels)
    publish(repository, VERSIONS[0])


def _order(kernel: str) -> list[int]:
    """Returns the numbers in a kernel's name, for sorting: 6.1.0-52 is before 6.12.117."""
    return [int(number) for number in re.findall(r"\d+", kernel)]


def _finish(tree: Path) -> None:
    for name in _FROM_TREE:
        shutil.copy2(TREE / name, tree / name)
    system = tree / "etc/systemd/system"
    for unit in _MASKED:
        link(system / unit, "/dev/null")
    for unit in _ENABLED:
        link(system / "multi-user.target.wants" / unit, f"/lib/systemd/system/{unit}")
    link(system / "default.target", "/lib/systemd/system/multi-user.target")
    layout(tree)


def _write_release(folder: Path, version: str) -> None:
    fields = {
        "NAME": "Fleet Lab OS",
        "ID": OS,
        "VERSION_ID": version,
        "PRETTY_NAME": f"Fleet Lab OS {version}",
        "OSTREE_VERSION": version,
    }
    (folder / "usr/lib/os-release").write_text("".join(f'{key}="{value}"\n' for key, value in fields.items()))
