"""kubectl, built from Kubernetes' Go modules, and fleet: both are given the same kubeconfigs and the same environment."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from unittest import mock

from msgspec import Struct

from fleet.core.records.errors import FleetError
from fleet.kube.client.credentials import CredentialSource
from fleet.kube.client.transport import Transport
from fleet.kube.kubeconfig import contexts
from fleet.kube.objects.errors import ApiRequest
from fleet.lab.build import KUBERNETES_VERSION
from fleet.lab.machines.computer.command import run
from fleet.lab.machines.images import kept
from fleet.system.clock import WallClock

GO = Path(__file__).parent / "go"
NOW = datetime.now(UTC)  # noqa: TID251 - kubectl reads the clock, and judges certificates and tokens by it
SECONDS = 5.0
VERSION = ApiRequest(verb="get", path="/version", seconds=SECONDS)


class CommandResult(Struct, frozen=True):
    """How a program ended. `error`: empty where the server has answered."""

    error: str


def built() -> Path:
    """kubectl; compiled where it is not kept from before. Raises LabError."""

    def make(folder: Path) -> None:
        linker = f"-s -w -X k8s.io/component-base/version.gitVersion={KUBERNETES_VERSION}"
        command = (
            "go",
            "build",
            "-trimpath",
            "-buildvcs=false",
            "-ldflags",
            linker,
            "-o",
            folder / "kubectl",
        )
        run("nice", "-n", "10", *command, ".", cwd=GO, environment={"CGO_ENABLED": "0", "GOWORK": "off"})

    return kept.keep("kubectl", kept.key(KUBERNETES_VERSION, *kept.contents(GO)), make, print) / "kubectl"


def by_kubectl(kubectl: Path, environ: Mapping[str, str], context: str, folder: Path) -> CommandResult:
    """`kubectl version` asks for /version, and for nothing else."""
    command = [str(kubectl), "version", f"--request-timeout={SECONDS:.0f}s"]
    command += [f"--context={context}"] if context else []
    done = subprocess.run(
        command,
        env={**environ, "KUBERC": "off"},
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return CommandResult(done.stderr if done.returncode else "")


def by_fleet(environ: Mapping[str, str], context: str) -> CommandResult:
    """The same question. Any error but fleet's own goes through."""
    with mock.patch.dict(os.environ, environ, clear=True):
        try:
            asyncio.run(_asked(contexts.of_environment(environ, Path(environ["HOME"])), context))
        except FleetError as error:
            return CommandResult(f"{error.message} {error.hint}")
    return CommandResult("")


async def _asked(files: tuple[Path, ...], context: str) -> None:
    transport = Transport(CredentialSource(files[0], context, files[1:]), WallClock())
    try:
        await transport.call(VERSION)
    finally:
        await transport.close()
