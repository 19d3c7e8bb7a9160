"""The commands run, operator and agent, which run as services."""

from contextlib import nullcontext
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from fleet.cli.context import home_of

History = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=36500,
        metavar="DAYS",
        help="Delete from the inventory what nodes last ran more than this many days ago. Default: never. The "
        "journal is kept whole.",
        show_default=False,
    ),
]
Listen = Annotated[
    str,
    typer.Option(
        envvar="FLEET_LISTEN",
        show_envvar=False,
        metavar="HOST:PORT",
        help="Serve /metrics, /healthz and /readyz there, without encryption. Default: $FLEET_LISTEN, else nowhere.",
        show_default=False,
    ),
]


def run(
    context: typer.Context,
    until_idle: Annotated[
        bool, typer.Option("--until-idle", help="Exit when no rollout is left to work on.")
    ] = False,
    history: History = None,
    listen: Listen = "",
) -> None:
    """Run the controller: it carries out rollouts and keeps the inventory up to date, until Ctrl-C.

    One controller leads at a time; a second one waits and takes over when the first is gone. A controller that was
    killed continues where it was, at whatever moment that happened.
    """
    from fleet.app.rollouts.run import Beside
    from fleet.app.rollouts.run import run as work
    from fleet.app.schedule.registry import jobs_of
    from fleet.core.records.retention import Retention
    from fleet.drivers.journal.log import LOG

    kept = Retention(None if history is None else timedelta(days=history))
    home = home_of(context)
    beside: Beside = nullcontext
    if listen:
        from fleet.app.monitoring.server import ListenAddress, monitoring

        beside = partial(monitoring, home, ListenAddress.parse(listen), LOG.info)
    work(home, LOG.info, until_idle, kept, jobs_of(home), beside)


def operator(
    context: typer.Context,
    cluster: Annotated[
        str,
        typer.Option(
            envvar="FLEET_CLUSTER",
            show_envvar=False,
            metavar="NAME",
            help="Name of the cluster that the operator runs in. Default: $FLEET_CLUSTER, else local.",
            show_default=False,
        ),
    ] = "local",
    kubeconfigs: Annotated[
        Path | None,
        typer.Option(
            envvar="FLEET_KUBECONFIGS",
            show_envvar=False,
            metavar="FOLDER",
            help="Folder with a kubeconfig for each other cluster, named as the cluster. Files may come and go while "
            "the operator runs. Default: $FLEET_KUBECONFIGS, else there are no other clusters.",
            show_default=False,
        ),
    ] = None,
    history: History = None,
    listen: Listen = "",
) -> None:
    """Run the controller as a pod of a cluster that it upgrades.

    It does what fleet run does. It reaches its own cluster by the service account of its pod. Where the API server is
    not at the address that the pod is given (clusters without kube-proxy), set KUBERNETES_SERVICE_HOST and
    KUBERNETES_SERVICE_PORT in the pod.
    """
    from fleet.app.monitoring.server import ListenAddress
    from fleet.app.operator.process import OperatorSettings, operate
    from fleet.core.records.errors import UsageError
    from fleet.core.records.retention import Retention
    from fleet.drivers.journal.log import LOG

    if cluster in ("", ".", "..") or "/" in cluster:
        raise UsageError(f"a cluster cannot have the name {cluster!r}", "choose a name without a slash")
    settings = OperatorSettings(
        cluster,
        kubeconfigs,
        ListenAddress.parse(listen) if listen else None,
        Retention(None if history is None else timedelta(days=history)),
    )
    operate(home_of(context), settings, LOG.info)


def agent(
    node: Annotated[
        str, typer.Option(help="Name of the node. Default: $FLEET_NODE.", show_default=False)
    ] = "",
    family: Annotated[
        str,
        typer.Option(
            "--os",
            help="OS family of the node. Default: $FLEET_OS, else detected on the node.",
            show_default=False,
        ),
    ] = "",
    kubeconfig: Annotated[
        Path | None,
        typer.Option(
            help="How to reach the API server. Default: the service account of the agent's pod.",
            show_default=False,
        ),
    ] = None,
    host: Annotated[
        str,
        typer.Option(
            help="How to run commands on the node: namespaces (of the host, from a pod), here, chroot:/FOLDER, or from "
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
    """Run the agent of one node, which works on that node's Machine alone.

    fleet cluster install runs agents in the cluster.
    """
    from fleet.agent.main import main

    main(node, family, kubeconfig, way=host, source=source)
