"""Clusters: add, list, remove, check, install, uninstall."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from fleet.cli.context import Format, home_of
from fleet.cli.help_format import CommandList

app = typer.Typer(
    cls=CommandList,
    no_args_is_help=True,
    help="Add, check and remove clusters, and install what fleet needs there.",
)

ClusterName = Annotated[str, typer.Argument(help="The cluster's name in the fleet.")]
OptionalClusterName = Annotated[
    str, typer.Argument(help="The cluster's name in the fleet; may be left out where there is one.")
]


@app.command()
def add(
    context: typer.Context,
    name: ClusterName,
    site: Annotated[
        list[str],
        typer.Option(
            metavar="NAME",
            help="Site of the cluster; may be given more than once. The first is that of nodes without a site of "
            "their own.",
        ),
    ],
    kubeconfig: Annotated[
        Path | None,
        typer.Option(help="How to reach it. Default: what kubectl reads, KUBECONFIG or ~/.kube/config."),
    ] = None,
    hosts: Annotated[
        Path | None,
        typer.Option(
            help="Inventory of hosts that are in no cluster, instead of a kubeconfig (docs/hosts.md)."
        ),
    ] = None,
    kube_context: Annotated[
        str,
        typer.Option(
            "--context", help="Context of the kubeconfig. Default: its current one, which is recorded."
        ),
    ] = "",
) -> None:
    """Add a cluster: read it once, show what it has and which permissions fleet lacks there.

    Nothing is written to the cluster, and nothing is added if it does not answer. Hosts without a cluster are added as
    one, and reached over ssh.
    """
    from fleet.app.inventory.clusters import add as join
    from fleet.app.inventory.clusters import add_hosts
    from fleet.cli.terminal.output import show
    from fleet.cli.views.cluster import found
    from fleet.core.records.errors import UsageError

    home = home_of(context)
    if hosts is None:
        show(found(join(home, name, kubeconfig, kube_context, tuple(site))))
    elif kubeconfig is None and not kube_context:
        show(found(add_hosts(home, name, hosts, tuple(site))))
    else:
        raise UsageError(
            f"how is {name} reached?", "either --kubeconfig FILE (and --context), or --hosts FILE"
        )


@app.command("import")
def import_(
    context: typer.Context,
    patterns: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[CONTEXT]...",
            help="Contexts by name or shell pattern: 'prod-*'. Default: all.",
            show_default=False,
        ),
    ] = None,
    kubeconfig: Annotated[
        Path | None,
        typer.Option(help="Where contexts are. Default: what kubectl reads, KUBECONFIG or ~/.kube/config."),
    ] = None,
    site: Annotated[
        str, typer.Option(metavar="NAME", help="Site of all these clusters. Default: by --site-label.")
    ] = "",
    site_label: Annotated[
        str,
        typer.Option(
            metavar="LABEL",
            help="Label of nodes whose most frequent value is the cluster's site; without it the cluster's name is.",
        ),
    ] = "topology.kubernetes.io/region",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read and show, but add nothing.")] = False,
    output: Format = "text",
) -> None:
    """Add the clusters of all contexts of a kubeconfig: each is read once, and nothing is written to any cluster.

    Rights to read are enough, and no policy is needed. Contexts that are in the fleet already are left as they are.
    Exits 1 if a cluster does not answer; the others are added.
    """
    from fleet.app.inventory.importing import ImportRequest, import_contexts
    from fleet.cli.terminal.output import show, show_json, waiting
    from fleet.cli.views.cluster import imported

    request = ImportRequest(tuple(patterns or ()), kubeconfig, site, site_label, dry_run)
    with waiting() as progress:
        results = import_contexts(home_of(context), request, progress)
    if output == "json":
        show_json(results)
    else:
        show(imported(results))
    if any(result.state == "failed" for result in results):
        raise typer.Exit(1)


@app.command("list")
def list_(context: typer.Context, output: Format = "text") -> None:
    """List all clusters, with their sites and when they were last seen."""
    from fleet.app.reporting.status import all_clusters
    from fleet.cli.terminal.output import show, show_json

    home = home_of(context)
    clusters = all_clusters(home)
    if output == "json":
        show_json(clusters)
        return
    from fleet.cli.views.status import cluster_list

    show(cluster_list(clusters, home.now()))


@app.command()
def remove(context: typer.Context, name: ClusterName) -> None:
    """Remove a cluster from the fleet. Nothing is done to the cluster; its history stays in the journal."""
    from fleet.app.inventory.clusters import remove as leave
    from fleet.cli.terminal.output import note

    leave(home_of(context), name)
    note(f"Removed {name} from the fleet. What fleet installed there stays until fleet cluster uninstall.")


@app.command()
def check(context: typer.Context, name: OptionalClusterName = "") -> None:
    """Check that fleet can reach a cluster and has its permissions there.

    Exits 4 if a permission is missing or a host does not answer.
    """
    from fleet.app.inventory.clusters import check as look
    from fleet.cli.terminal.output import show
    from fleet.cli.views.cluster import found

    home = home_of(context)
    result = look(home, home.cluster(name).name)
    show(found(result))
    if result.missing or result.unreached:
        raise typer.Exit(4)


@app.command()
def claim(
    context: typer.Context,
    name: ClusterName,
    reason: Annotated[str, typer.Option(help="Kept in the journal.")] = "",
) -> None:
    """Claim hosts for this fleet that another fleet has claimed. Stop the other fleet's controller first."""
    from fleet.app.inventory.clusters import claim as take
    from fleet.cli.terminal.output import show

    results = take(home_of(context), name, reason)
    for host, result in results.items():
        show(f"{host}: {result.message}")
    if not all(result.claimed for result in results.values()):
        raise typer.Exit(1)


@app.command()
def install(
    context: typer.Context,
    name: OptionalClusterName = "",
    image: Annotated[
        str,
        typer.Option(
            help="Container image of the agent, preferably by digest: NAME@sha256:... Default: fleet:VERSION, built by "
            "`make image`."
        ),
    ] = "",
    no_agent: Annotated[
        bool, typer.Option("--no-agent", help="Install no agents, because something else runs them.")
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Print the YAML on stdout and change nothing. The cluster need not be in the fleet yet.",
        ),
    ] = False,
) -> None:
    """Install what fleet needs in a cluster: CRDs, roles, agents (by server-side apply; repeating it is safe)."""
    from importlib.metadata import version

    from fleet.app.inventory.installation import install as put
    from fleet.app.inventory.installation import manifests

    agent = None if no_agent else image or f"fleet:{version('fleet')}"
    home = home_of(context)
    if dry_run:
        typer.echo(manifests(home, name, agent), nl=False)
        _warn_of_tag(agent)
        return
    only = home.cluster(name).name
    from fleet.cli.terminal.output import note, show
    from fleet.cli.views.cluster import installed

    done = put(home, only, agent)
    if not name:
        note(f"Into {only}, the only cluster:")
    show(installed(done))
    if agent is not None:
        note(f"  -> the agents' pods need the image {agent} on their nodes (`make image` builds it)")
        _warn_of_tag(agent)


def _warn_of_tag(image: str | None) -> None:
    """The agents run as root on every node."""
    from fleet.cli.terminal.output import warn
    from fleet.kube.install.installation import by_digest

    if image is not None and not by_digest(image):
        warn(
            f"{image} is named by a tag, which may be another image later\n"
            "  -> --image NAME@sha256:..., the digest that docker push prints"
        )


@app.command()
def uninstall(
    context: typer.Context,
    name: ClusterName,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
) -> None:
    """Remove everything that fleet installed in a cluster. Refused while a rollout works there."""
    from fleet.app.inventory.installation import uninstall as take
    from fleet.cli.terminal.output import show
    from fleet.cli.views.cluster import installed

    if not yes:
        _ask(f"Remove fleet's CRDs, roles and agents from {name}, with all Machines?")
    show(installed(take(home_of(context), name)))


@app.command()
def accept(
    context: typer.Context,
    name: ClusterName,
    reason: Annotated[str, typer.Option(help="Why the database is older; kept in the journal.")] = "",
) -> None:
    """Let fleet continue in a cluster that has seen a later journal than this database holds.

    Needed after a restore from a backup. What was done since the backup is not in the journal; nodes that were in work
    then continue from their present state. The command is journaled.
    """
    from fleet.app.inventory.accept import accept as go_on
    from fleet.cli.terminal.output import note

    place = go_on(home_of(context), name, reason)
    note(f"{name} is accepted: it has seen entry {place.partition(':')[0]}, which is not in this journal.")


def _ask(question: str) -> None:
    """Raises UsageError without a terminal to ask on, and Abort for the answer no."""
    if not sys.stdin.isatty():
        from fleet.core.records.errors import UsageError

        raise UsageError(f"{question} There is no terminal to ask on", "--yes")
    typer.confirm(question, abort=True, err=True)
