"""What runs for long: the controller, the agent of a node."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from fleet.cli.context import home_of


def run(
    context: typer.Context,
    until_idle: Annotated[
        bool, typer.Option("--until-idle", help="End when no rollout is left to work on.")
    ] = False,
    history: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=36500,
            metavar="DAYS",
            help="Forget what nodes ran so long after they ran it last. Default: never. The journal is kept whole.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """The controller: carries rollouts out and keeps the inventory, until Ctrl-C.

    One leads at a time; a second one waits and takes over when the first is gone. Killed at any moment, it goes on
    where it was when it is started again.
    """
    from fleet.app.rollouts.run import run as work
    from fleet.core.records.retention import Retention
    from fleet.drivers.journal.log import LOG

    kept = Retention(None if history is None else timedelta(days=history))
    work(home_of(context), until_idle=until_idle, show=LOG.info, retention=kept)


def agent(
    node: Annotated[str, typer.Option(help="Default: $FLEET_NODE.", show_default=False)] = "",
    family: Annotated[
        str,
        typer.Option(
            "--os",
            help="Family of its OS. Default: $FLEET_OS, else it is told by looking.",
            show_default=False,
        ),
    ] = "",
    kubeconfig: Annotated[
        Path | None, typer.Option(help="Default: that of the pod it runs in.", show_default=False)
    ] = None,
    host: Annotated[
        str,
        typer.Option(
            help="How its commands are run: namespaces (of the host, from a pod), here, chroot:/FOLDER, or from "
            "elsewhere over ssh:USER@NAME:PORT. Default: $FLEET_HOST, else namespaces.",
            show_default=False,
        ),
    ] = "",
    source: Annotated[
        str,
        typer.Option(
            help="Where releases are, for OS families that need it (docs/os-support.md). Default: $FLEET_SOURCE.",
            show_default=False,
        ),
    ] = "",
) -> None:
    """The agent of one node: works on its own Machine alone. Runs in the cluster (fleet cluster install)."""
    from fleet.agent.main import main

    main(node, family, kubeconfig, way=host, source=source)
