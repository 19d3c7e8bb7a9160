"""Programs written in Go by which the chart and the workflows are checked: helm and actionlint.

They are built from the Go modules that `tools/go/go.mod` pins, once for each version, into the cache of the lab.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
from pathlib import Path

from fleet.lab.build import cache_directory, find_toolchain
from fleet.lab.errors import LabError

MODULE = Path(__file__).parent / "go"


def folder() -> Path:
    """Returns the folder of the programs, which exists once they are built. Raises LabError where there is no Go."""
    toolchain = find_toolchain()
    digest = hashlib.sha256(f"{toolchain.version} {toolchain.platform}".encode())
    for name in ("go.mod", "go.sum"):
        digest.update((MODULE / name).read_bytes())
    return cache_directory() / f"tools-{digest.hexdigest()[:16]}"


def program(name: str) -> Path:
    """Returns the path of `helm` or `actionlint`, and builds both first if need be: a minute on two cores.

    Several processes may call it at once. Raises LabError where they cannot be built.
    """
    built = folder()
    built.parent.mkdir(parents=True, exist_ok=True)
    with built.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not built.is_dir():
            _build(built)
    return built / name


def _build(built: Path) -> None:
    unfinished = built.with_name(f".building-{built.name}")
    unfinished.mkdir(exist_ok=True)
    command = [str(find_toolchain().command), "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w"]
    done = subprocess.run(
        [*command, "-o", f"{unfinished}/", "tool"],
        cwd=MODULE,
        env={**os.environ, "CGO_ENABLED": "0", "GOWORK": "off"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise LabError(
            f"building helm and actionlint failed: {done.stderr[-2000:]}",
            "the first build downloads Go modules: check the network (and GOPROXY), then try again",
        )
    unfinished.rename(built)
