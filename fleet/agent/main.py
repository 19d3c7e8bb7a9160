"""`fleet agent`: the agent as a process."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping
from pathlib import Path

from fleet.agent.runner import run
from fleet.core.records.errors import UsageError

NODE = "FLEET_NODE"
"""Environment: the node whose Machine is the agent's own. The DaemonSet sets it."""
FAMILY = "FLEET_OS"
"""Environment: the family of its operating system; empty: detected."""
WAY = "FLEET_HOST"
"""Environment: how the host's commands are run: `namespaces` (the default), `chroot:/FOLDER`, `here`, or
`ssh:USER@NAME:PORT`."""
SOURCE = "FLEET_SOURCE"
"""Environment: where releases are, for families that need it: an address with `{version}`, or a repository."""


def main(
    node: str = "",
    family: str = "",
    kubeconfig: Path | None = None,
    environ: Mapping[str, str] = os.environ,
    way: str = "",
    source: str = "",
) -> None:
    """Runs the agent until SIGTERM or SIGINT. Arguments that are not given are taken from the environment.

    Raises UsageError without a node, for an operating system that is not known, or for wrong credentials.
    """
    node, family = node or environ.get(NODE, ""), family or environ.get(FAMILY, "")
    if not node:
        raise UsageError("an agent must know the node that it works on", f"set {NODE}")
    way, source = way or environ.get(WAY, ""), source or environ.get(SOURCE, "")
    asyncio.run(_run_until_signalled(node, family, kubeconfig, way, source))


async def _run_until_signalled(
    node: str, family: str, kubeconfig: Path | None, way: str, source: str
) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await run(node, family, kubeconfig, stop, way, source)
