"""Programs written in Go by which the chart and the workflows are checked: helm and actionlint.

They are built from the Go modules that `tools/go/go.mod` pins, once for each version, into the cache of the lab.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from fleet.lab.build import Toolchain, find_toolchain
from fleet.lab.errors import LabError
from fleet.lab.machines.images import kept

MODULE = Path(__file__).parent / "go"


def program(name: str) -> Path:
    """Returns the path of `helm` or `actionlint`, and builds both first if need be: a minute on two cores.

    Several processes may call it at once. Raises LabError where there is no Go, or they cannot be built.
    """
    toolchain = find_toolchain()
    made_from = kept.key(toolchain.version, toolchain.platform, *kept.contents(MODULE))
    return kept.keep("tools", made_from, lambda folder: _build(folder, toolchain), print) / name


def _build(folder: Path, toolchain: Toolchain) -> None:
    command = [str(toolchain.command), "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w"]
    done = subprocess.run(
        [*command, "-o", f"{folder}/", "tool"],
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
