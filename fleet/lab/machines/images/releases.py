"""The machines' operating system: an OSTree repository with its releases, made of Debian's packages and fleet's
programs."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import msgspec

from fleet.lab.build import ReportLine
from fleet.lab.machines.computer.command import run
from fleet.lab.machines.container import oci
from fleet.lab.machines.images import kept, programs

OS = "fleet-lab"
BRANCH = f"{OS}/stable"
"""The branch that machines follow; the repository has one other ref for each release, `fleet-lab/1.0`."""

SUITE = "bookworm"
PACKAGES = (
    *("systemd", "systemd-sysv", "udev", "dbus", "libpam-systemd", "openssh-server", "ostree"),
    *("iproute2", "curl", "ca-certificates", "kmod", "procps", "util-linux", "mount", "socat"),
    *("nftables", "iptables", "conntrack", "runc", "containernetworking-plugins"),
)
TREE = Path(__file__).parent / "tree"

FOUNDED = "2026-11-01T00:00:00Z"
"""The time in every commit, so that the same sources give the same commits."""

_MASKED = (
    *("e2scrub_reap.service", "e2scrub_all.timer", "apt-daily.timer", "apt-daily-upgrade.timer"),
    *("dpkg-db-backup.timer", "fstrim.timer", "systemd-networkd-wait-online.service"),
    *("systemd-timesyncd.service", "getty@tty1.service", "console-getty.service"),
)
_ENABLED = {
    "sysinit.target": ("fleet-lab-prepare.service",),
    "multi-user.target": (
        *("fleet-lab-boot-check.service", "containerd.service", "kubelet.service"),
        "fleet-lab-service.service",
        *("ssh.service", "systemd-networkd.service"),
    ),
}


class Edition(msgspec.Struct, frozen=True):
    """The properties in which releases differ."""

    version: str
    kernel: str
    """The kernel version that the release's payload names; a container boots no kernel."""
    broken: bool = False
    """True: its kubelet does not start."""


EDITIONS = (
    Edition("1.0", "6.1.0-lab1"),
    Edition("1.1", "6.1.0-lab2"),
    Edition("1.2", "6.12.0-lab1"),
    Edition("1.3", "6.12.0-lab2", broken=True),
    Edition("1.4", "6.12.0-lab3"),
)


def build(progress: ReportLine) -> Path:
    """Returns the repository (archive mode) with a commit for each edition; a build from nothing takes some three
    minutes.

    Raises LabError.
    """
    base = kept.keep("base", kept.key(SUITE, *PACKAGES), lambda folder: _base(folder, progress), progress)
    built = programs.build(progress)
    source = Path(__file__).read_bytes()
    made_from = kept.key(base.name, built.name, source, *kept.contents(TREE))

    def make(folder: Path) -> None:
        progress("writing the operating system's releases into an OSTree repository (once; a minute)")
        tree = folder / "tree"
        _compose(tree, base / "base.tar", built)
        _commit_all(folder / "repo", tree, folder / "delta")
        shutil.rmtree(tree)

    return kept.keep("releases", made_from, make, progress) / "repo"


def commits(repository: Path) -> Mapping[str, str]:
    """Returns the commit checksum of every edition, by version."""
    return {
        edition.version: run("ostree", f"--repo={repository}", "rev-parse", f"{OS}/{edition.version}")
        for edition in EDITIONS
    }


def copy(repository: Path, target: Path) -> None:
    """Copies the repository with its objects as hard links, which take no additional space on one file system."""
    shutil.copytree(repository, target, copy_function=_linked)


def publish(repository: Path, version: str) -> None:
    """Makes a release the newest on the branch that machines follow. Raises LabError."""
    run("ostree", f"--repo={repository}", "refs", "--force", f"--create={BRANCH}", f"{OS}/{version}")
    run("ostree", f"--repo={repository}", "summary", "--update")


def _linked(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _base(folder: Path, progress: ReportLine) -> None:
    progress("unpacking Debian's packages for the machines (once; about a minute)")
    options = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("man", "doc", "locale")]
    run(
        *("nice", "-n", "10", "mmdebstrap", "--quiet", "--variant=minbase", "--components=main"),
        *('--aptopt=Apt::Install-Recommends "false"', *options),
        *(f"--include={','.join(PACKAGES)}", SUITE, folder / "base.tar"),
    )


def _compose(tree: Path, base: Path, built: Path) -> None:
    """Composes the tree that all editions share, in OSTree's layout: /etc in /usr, mutable files in /var, /boot
    empty."""
    tree.mkdir()
    run("tar", "-C", tree, "-xf", base, "--exclude=./dev/*")
    shutil.copytree(TREE, tree, dirs_exist_ok=True)
    for script in (tree / "usr/lib/fleet-lab").iterdir():
        script.chmod(0o755)
    for name in ("containerd", "ctr", "containerd-shim-runc-v2", "kubernetes"):
        shutil.copy2(built / name, tree / "usr/bin" / name)
    images = tree / "usr/lib/fleet-lab/images"
    images.mkdir()
    for program in sorted((built / "images").iterdir()):
        packed = oci.program(f"lab.fleet.internal/{program.name}:1", program.name, program.read_bytes())
        (images / f"{program.name}.tar").write_bytes(packed)
    _units(tree)
    layout(tree)


def _units(tree: Path) -> None:
    system = tree / "etc/systemd/system"
    for unit in _MASKED:
        link(system / unit, "/dev/null")
    for target, units in _ENABLED.items():
        for unit in units:
            link(system / f"{target}.wants" / unit, f"/lib/systemd/system/{unit}")
    link(system / "default.target", "/lib/systemd/system/multi-user.target")


def layout(tree: Path) -> None:
    """Converts a Debian root to OSTree's layout: /etc in /usr, mutable files in /var, /boot empty."""
    for name in ("boot", "home", "opt", "srv", "mnt", "root", "media", "tmp", "var", "dev", "run"):
        shutil.rmtree(tree / name)
    for name in ("boot", "sysroot", "var", "tmp", "dev", "run"):
        (tree / name).mkdir()
    (tree / "tmp").chmod(0o1777)
    for name, target in {"home": "var/home", "opt": "var/opt", "srv": "var/srv", "mnt": "var/mnt"}.items():
        link(tree / name, target)
    link(tree / "root", "var/roothome")
    link(tree / "media", "run/media")
    link(tree / "ostree", "sysroot/ostree")
    for name in ("hostname", "resolv.conf"):
        (tree / "etc" / name).unlink(missing_ok=True)
    for private in (tree / "etc/ssh").glob("ssh_host_*"):
        private.unlink()
    (tree / "etc/machine-id").write_text("")
    (tree / "etc").rename(tree / "usr/etc")


def link(path: Path, target: str) -> None:
    """Makes a symbolic link, in place of an existing file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.symlink_to(target)


def _commit_all(repository: Path, tree: Path, delta: Path) -> None:
    ostree = ("nice", "-n", "10", "ostree", f"--repo={repository}")
    run("ostree", f"--repo={repository}", "init", "--mode=archive")
    run(*ostree, "config", "set", "core.fsync", "false")
    run(*ostree, "config", "set", "archive.zlib-level", "1")
    common = ["--no-xattrs", "--no-bindings", f"--timestamp={FOUNDED}"]
    run(*ostree, "commit", *common, f"--branch={OS}/base", f"--tree=dir={tree}")
    for edition in EDITIONS:
        _write_delta(delta, edition)
        run(
            *(*ostree, "commit", *common, f"--branch={OS}/{edition.version}"),
            *(
                f"--add-metadata-string=version={edition.version}",
                f"--tree=ref={OS}/base",
                f"--tree=dir={delta}",
            ),
        )
        shutil.rmtree(delta)
    publish(repository, EDITIONS[0].version)


def _write_delta(folder: Path, edition: Edition) -> None:
    modules = folder / "usr/lib/modules" / edition.kernel
    modules.mkdir(parents=True)
    content = f"no kernel: a container boots none ({edition.kernel} of {edition.version})\n"
    for name in ("vmlinuz", "initramfs.img"):
        (modules / name).write_text(content)
    fields = {
        "NAME": "Fleet Lab OS",
        "ID": OS,
        "VERSION_ID": edition.version,
        "PRETTY_NAME": f"Fleet Lab OS {edition.version}",
        "OSTREE_VERSION": edition.version,
    }
    (folder / "usr/lib/os-release").write_text("".join(f'{key}="{value}"\n' for key, value in fields.items()))
    if edition.broken:
        program = folder / "usr/bin/kubernetes"
        program.parent.mkdir(parents=True)
        program.write_text("#!/bin/sh\necho this release is broken >&2\nexit 1\n")
        program.chmod(0o755)
