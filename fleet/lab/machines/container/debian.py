"""The lowest layer of the image: Python, OpenSSH and what they need, unpacked from Debian's packages and not configured.

What the packages' scripts would set up and fleet needs is written here: users, and the file of certificate authorities.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from fleet.lab.build import ReportLine
from fleet.lab.machines.computer.command import run
from fleet.lab.machines.container.files import EPOCH, ImageFile, below
from fleet.lab.machines.images import kept

SUITE = "trixie"
PYTHON = "python3.13"
"""The suite's Python."""
USER = 65532
HOME = "/home/fleet"
STATE = "/var/lib/fleet"

PACKAGES = (
    *("base-files", "libc-bin", "netbase", "ca-certificates", "dash", "coreutils"),
    *("python3-minimal", "libpython3-stdlib"),
    # What reaches machines, what an agent enters its host by, and what checks signatures of feeds.
    *("openssh-client", "util-linux", "gpgv"),
)
_PIP = "python3-pip-whl"
"""A package that builds the image and is not in it."""

_UNUSED = (
    # What sets up packages and users, which nothing does in a container; time zones are a Python package.
    *("adduser", "passwd", "login.defs", "dpkg", "debconf", "tar", "libdebconfclient0", "tzdata"),
    *(
        "libpam0g",
        "libpam-modules",
        "libpam-modules-bin",
        "libpam-runtime",
        "libsemanage2",
        "libsemanage-common",
    ),
    *("libsepol2", "libaudit1", "libaudit-common", "libdb5.3t64", "openssl", "openssl-provider-legacy"),
    *("mawk", "debianutils", "sysvinit-utils", "readline-common"),
    *(_PIP, "usr-is-merged"),
)
"""Packages that those above depend on, and of which nothing in the image is used."""

_FROM_PACKAGE = {
    "libc-bin": ("usr/lib/locale/",),
    "openssh-client": ("usr/bin/s", "etc/ssh/"),
    "util-linux": ("usr/bin/nsenter",),
}
"""Of these packages only these files are in the image."""

_LEFT_OUT = re.compile(
    r"usr/share/(?:man|locale|info|lintian|bug|bash-completion|perl5|pixmaps|menu|doc-base|apport|polkit-1|debconf)/"
    r"|usr/share/(?:zoneinfo|pam|pam-configs|base-files|base-passwd|binfmts|python3|dpkg|util-linux|readline)/"
    r"|usr/share/doc/(?!.*/copyright$)|usr/lib/(?:systemd|tmpfiles\.d|sysusers\.d|binfmt\.d|dpkg|mime|apt)/"
    r"|usr/lib/[^/]+/(?:gconv|audit|perl-base)/|usr/share/python-wheels/"
    r"|usr/lib/python3[^/]*/(?:pydoc_data|ensurepip|idlelib|lib2to3|test|tkinter|turtledemo)/"
    r"|etc/(?:apt|cron\.\w+|rc.\.d|init\.d|logrotate\.d|update-motd\.d|pam\.d|security|systemd|default|dpkg|skel)/"
    r"|etc/(?:alternatives|profile\.d|ca-certificates|selinux)/|etc/(?:hostname|resolv\.conf|fstab|shadow)$"
    r"|var/(?!lib/dpkg/status\.d/)|dev/|proc/|sys/|run/|tmp/|boot/"
)

_AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"

_HOOK = """\
set -e
cd "$1"
mkdir -p var/lib/dpkg/status.d
for deb in var/cache/apt/archives/*.deb; do
    name=$(dpkg-deb -f "$deb" Package)
    dpkg-deb --fsys-tarfile "$deb" | tar -tf - >var/lib/dpkg/status.d/$name.list
    dpkg-deb -f "$deb" >var/lib/dpkg/status.d/$name
done
"""
"""Keeps what is known of each package: its fields, and the names of its files."""


def unpack(progress: ReportLine) -> Path:
    """Returns a folder with `tree`, the unpacked packages with pip and compiled; half a minute if they were not unpacked
    before. Raises LabError."""
    made_from = kept.key(SUITE, *PACKAGES, Path(__file__).read_bytes())
    return kept.keep("image-base", made_from, lambda folder: _unpack(folder, progress), progress)


def _unpack(folder: Path, progress: ReportLine) -> None:
    progress(f"unpacking Debian's packages for fleet's image ({SUITE}; once; some half a minute)")
    archive, hook, tree = folder / "tree.tar", folder / "hook", folder / "tree"
    hook.write_text(_HOOK)
    run(
        *("nice", "-n", "10", "mmdebstrap", "--quiet", "--variant=extract", "--components=main"),
        *('--aptopt=Apt::Install-Recommends "false"', f'--extract-hook=sh {hook} "$1"'),
        *(f"--include={','.join((*PACKAGES, _PIP))}", SUITE, archive),
        environment={"SOURCE_DATE_EPOCH": str(EPOCH)},
    )
    tree.mkdir()
    run("tar", "-C", tree, "--no-same-owner", "--no-same-permissions", "-xf", archive, "--exclude=./dev/*")
    archive.unlink()
    compile_all(tree, tree / "usr/lib" / PYTHON, f"/usr/lib/{PYTHON}")


def python(tree: Path, *arguments: str | Path) -> str:
    """Runs the image's Python on this computer, without its other programs, and returns its output. Raises LabError."""
    libraries = next((tree / "usr/lib").glob("*-linux-gnu"))
    loader = next(libraries.glob("ld-linux*"))
    return run(
        *(
            "nice",
            "-n",
            "10",
            loader,
            "--library-path",
            libraries,
            tree / "usr/bin" / PYTHON,
            "-P",
            *arguments,
        ),
        environment={"PYTHONHOME": str(tree / "usr"), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0"},
    )


def compile_all(tree: Path, folder: Path, installed: str) -> None:
    """Compiles every module below the folder, for the path that it will have. The result does not depend on times: Python
    does not look at the sources again. Raises LabError."""
    python(
        tree,
        *("-m", "compileall", "-q", "-j", "1", "--invalidation-mode", "unchecked-hash"),
        *("-s", folder, "-p", installed, folder),
    )


def files(tree: Path) -> Mapping[str, ImageFile]:
    """Returns the files of the layer, by path."""
    left_out = _names_left_out(tree / "var/lib/dpkg/status.d")
    found = {
        path: file
        for path, file in below(tree)
        if not _LEFT_OUT.match(path) and path not in left_out and not path.endswith(".list")
    }
    for name in _UNUSED:
        found.pop(f"var/lib/dpkg/status.d/{name}", None)
    return {**found, **_configured(tree)}


def packages(tree: Path) -> Sequence[str]:
    """Returns the packages of which the layer has files, as `NAME=VERSION`, in order."""
    known = (path for path in (tree / "var/lib/dpkg/status.d").iterdir() if path.suffix != ".list")
    return sorted(
        f"{path.name}={re.findall(r'^Version: (.*)$', path.read_text(), re.MULTILINE)[0]}"
        for path in known
        if path.name not in _UNUSED
    )


def _names_left_out(status: Path) -> frozenset[str]:
    """Returns the paths of the files of unused packages, and the unused ones of others."""

    def of(package: str) -> list[str]:
        listed = status / f"{package}.list"
        return [line.removeprefix("./") for line in listed.read_text().split("\n")] if listed.exists() else []

    unused = {_merged(path) for package in _UNUSED for path in of(package)}
    for package, wanted in _FROM_PACKAGE.items():
        unused |= {
            path
            for path in map(_merged, of(package))
            if not path.startswith((*wanted, f"usr/share/doc/{package}/"))
        }
    return frozenset(unused)


def _merged(path: str) -> str:
    """Returns the path with /usr merged: bin/sh is usr/bin/sh."""
    return f"usr/{path}" if path.split("/")[0] in ("bin", "sbin", "lib", "lib64") else path


def _configured(tree: Path) -> Mapping[str, ImageFile]:
    """Returns what the packages' own scripts would write."""
    authorities = sorted((tree / "usr/share/ca-certificates").rglob("*.crt"))
    users = (("root", 0, "/root"), ("nobody", 65534, "/nonexistent"), ("fleet", USER, HOME))
    passwd = "".join(f"{name}:x:{number}:{number}::{home}:/bin/sh\n" for name, number, home in users)
    group = "".join(f"{name}:x:{number}:\n" for name, number, _ in users)
    folder = ImageFile(mode=0o755)
    return {
        _AUTHORITIES.lstrip("/"): ImageFile(b"".join(path.read_bytes() for path in authorities)),
        "usr/lib/ssl/cert.pem": ImageFile(link=_AUTHORITIES, mode=0o777),
        # ssh refuses to work for a user without a name.
        "etc/passwd": ImageFile(passwd.encode()),
        "etc/group": ImageFile(group.encode()),
        "etc/nsswitch.conf": ImageFile(b"passwd: files\ngroup: files\nhosts: files dns\n"),
        HOME.lstrip("/"): ImageFile(mode=0o750, owner=USER),
        STATE.lstrip("/"): ImageFile(mode=0o750, owner=USER),
        "tmp": ImageFile(mode=0o1777),
        **dict.fromkeys(("dev", "proc", "sys", "run", "root"), folder),
    }
