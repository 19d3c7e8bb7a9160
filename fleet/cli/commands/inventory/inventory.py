"""The commands init, sync, lint, status and explain."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from fleet.cli.context import Format, home_of, repeat, without_collection

if TYPE_CHECKING:
    from datetime import datetime

    from rich.text import Text

    from fleet.app.wiring.home import Home
    from fleet.core.reporting.selection import Selection
    from fleet.core.reporting.status import FleetStatus

Names = list[str] | None
ClusterOption = Annotated[
    Names, typer.Option("--cluster", metavar="NAME", help="Only this cluster; may be given more than once.")
]
StatusTable = Literal["table", "wide", "json", "csv"]


def init(context: typer.Context) -> None:
    """Write a commented policy, fleet.yaml, and make the database: here, unless --home names another folder.

    Existing files are left as they are.
    """
    from fleet.app.inventory.init import init as begin
    from fleet.cli.terminal.output import note

    home = home_of(context, otherwise=Path.cwd())
    before = home_of(context, quiet=True)
    begun = begin(home)
    if begun.wrote:
        note(f"Wrote {begun.policy}: edit it and name your pools.")
    else:
        note(f"{begun.policy} exists and was left as it is.")
    if before.path != home.path and before.exists:
        note(f"This is a new home. The clusters that you added before are in {before.path}.")
        note(f"  -> fleet init --home {before.path} writes a policy for them")
    note("  -> fleet cluster import adds the clusters of your kubeconfig")


def sync(context: typer.Context, cluster: ClusterOption = None, output: Format = "text") -> None:
    """Read clusters into the inventory database.

    Exits 1 if a cluster does not answer; what is known of that cluster stays, with its age.
    """
    from fleet.app.inventory.sync import sync as read
    from fleet.cli.terminal.output import show, show_json
    from fleet.cli.views.cluster import synced

    with without_collection():
        results = read(home_of(context), cluster or ())
    if output == "json":
        show_json(results)
    else:
        show(synced(results))
    if any(result.error for result in results):
        raise typer.Exit(1)


def lint(
    context: typer.Context,
    cluster: ClusterOption = None,
    from_dump: Annotated[
        Path | None,
        typer.Option(
            help="Check the output of kubectl get nodes,pods,... -A -o json, as the cluster that --cluster names."
        ),
    ] = None,
    output: Format = "text",
    as_json: Annotated[bool, typer.Option("--json", help="The same as -o json.")] = False,
) -> None:
    """Find what contradicts itself, can never be satisfied, or would hold a node until an operator acts.

    Checks the policy, and the budgets, pods, nodes and quorum groups of the last sync. Without a database (before a
    policy is merged, for example) it checks the policy alone; --from-dump needs neither. Exits 0 if nothing is found,
    4 with findings, 2 for a policy with mistakes.
    """
    from fleet.app.planning.lint import lint_dump, lint_fleet
    from fleet.cli.terminal.output import note, show, show_json
    from fleet.cli.views.lint import findings
    from fleet.core.records.errors import UsageError

    home, names = home_of(context), cluster or []
    if from_dump is not None and len(names) > 1:
        raise UsageError("a dump has one cluster", "--cluster NAME once")
    if from_dump is not None and not home.has_policy:
        note(f"There is no {home.policy_file}: the default rules apply to all nodes.")
    found = lint_fleet(home, names) if from_dump is None else lint_dump(home, "".join(names), from_dump)
    if as_json or output == "json":
        show_json(found)
    else:
        show(findings(found))
    if found.findings:
        raise typer.Exit(4)


def status(
    context: typer.Context,
    output: Annotated[
        StatusTable, typer.Option("--output", "-o", help="wide and csv have a row for each node.")
    ] = "table",
    cluster: ClusterOption = None,
    site: Annotated[Names, typer.Option("--site", metavar="NAME", help="Only this site.")] = None,
    pool: Annotated[Names, typer.Option("--pool", metavar="NAME", help="Only this pool.")] = None,
    outdated: Annotated[
        bool, typer.Option("--outdated", help="Show nodes that do not run what their pool wants.")
    ] = False,
    attention: Annotated[
        bool, typer.Option("--attention", help="Show what needs an operator, and why.")
    ] = False,
    quorums: Annotated[
        bool, typer.Option("--quorums", help="Show the members of quorum groups, as last read.")
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Exit 4 if anything is outdated or needs an operator.")
    ] = False,
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Update the display every 2 s until Ctrl-C.")
    ] = False,
    at: Annotated[
        str | None,
        typer.Option(help="At a past moment (UTC): 2026-09-01, 2026-09-01T10:00Z, or -7d for a week ago."),
    ] = None,
) -> None:
    """Show what runs where, and what needs an operator.

    With --at: what ran where at a past moment, by what was known then, and how old that was.
    """
    from fleet.core.reporting.selection import Selection

    home = home_of(context)
    chosen = Selection(tuple(cluster or ()), tuple(site or ()), tuple(pool or ()), outdated, attention)
    if at is not None:
        _past_status(home, at, chosen, output, watch, quorums, check)
        return
    if watch and output in ("table", "wide"):
        # Warnings are printed before the display, not into it.
        home.policy_if_any()
        repeat(lambda: _table(_status(home, chosen, output), chosen, output, quorums), 2.0)
        return
    with without_collection():
        if chosen == Selection() and output == "table":
            found = _show_totals(home, quorums)
        else:
            found = _status(home, chosen, output)
            _print_status(found, chosen, output, quorums)
    if check and _findings(found):
        raise typer.Exit(4)


def _show_totals(home: "Home", quorums: bool, at: "datetime | None" = None) -> "FleetStatus":
    """Shows the whole fleet as a table, for which no row of a node is needed. Returns the status without nodes."""
    from fleet.cli.terminal.output import note, show

    if at is None:
        from fleet.app.reporting.totals.present import fleet_totals

        found = fleet_totals(home)
    else:
        from fleet.app.reporting.totals.past import totals_at
        from fleet.cli.views.past import heading

        found = totals_at(home, at)
        note(heading(found.status.at))
    if quorums:
        from fleet.cli.views.quorum import members

        show(members(found.status))
    else:
        from fleet.cli.views.status import glance

        show(glance(found.status, past=at is not None, failed_units=found.failed_units))
    return found.status


def _past_status(
    home: "Home",
    at: str,
    chosen: "Selection",
    output: StatusTable,
    watch: bool,
    quorums: bool,
    check: bool,
) -> None:
    from fleet.cli.commands.moments import moment_of
    from fleet.core.records.errors import UsageError
    from fleet.core.reporting.selection import Selection

    for option, wanted in (("--watch", watch), ("--quorums", quorums)):
        if wanted:
            raise UsageError(
                f"{option} shows the present, and --at a past moment", "leave out one of the two"
            )
    with without_collection():
        moment = moment_of(home, at, "--at")
        if chosen == Selection() and output == "table":
            found = _show_totals(home, quorums, moment)
        else:
            found = _past_nodes(home, moment, chosen, output)
    if check and _findings(found):
        raise typer.Exit(4)


def _past_nodes(home: "Home", at: "datetime", chosen: "Selection", output: StatusTable) -> "FleetStatus":
    """Shows nodes at a past moment."""
    from fleet.app.reporting.past import status_at
    from fleet.cli.terminal.output import note
    from fleet.cli.views.past import heading

    found = status_at(home, at, chosen)
    if output in ("table", "wide"):
        note(heading(found.at))
    _print_status(found, chosen, output, quorums=False, past=True)
    return found


def diff(
    context: typer.Context,
    begin: Annotated[
        str, typer.Option("--from", help="The first moment (UTC): 2026-09-01, 2026-09-01T10:00Z, or -7d.")
    ],
    end: Annotated[
        str | None, typer.Option("--to", help="The second moment. Default: now.", show_default=False)
    ] = None,
    output: Format = "text",
    cluster: ClusterOption = None,
    site: Annotated[Names, typer.Option("--site", metavar="NAME", help="Only this site.")] = None,
    pool: Annotated[Names, typer.Option("--pool", metavar="NAME", help="Only this pool.")] = None,
) -> None:
    """Show what differs in the fleet between two moments: new and missing nodes, releases, kernels, pools.

    Exits 4 if anything differs.
    """
    from fleet.app.reporting.past import diff as compare
    from fleet.cli.commands.moments import moment_of
    from fleet.cli.terminal.output import show, show_json
    from fleet.cli.views.past import differences
    from fleet.core.reporting.selection import Selection

    home = home_of(context)
    chosen = Selection(tuple(cluster or ()), tuple(site or ()), tuple(pool or ()))
    until = moment_of(home, end, "--to") if end is not None else home.now()
    found = compare(home, moment_of(home, begin, "--from"), until, chosen)
    if output == "json":
        show_json(found)
    else:
        show(differences(found))
    if found.differences:
        raise typer.Exit(4)


def _status(home: "Home", chosen: "Selection", output: StatusTable) -> "FleetStatus":
    from fleet.app.reporting.status import fleet_status
    from fleet.core.reporting.selection import select

    return select(fleet_status(home, chosen, count_pods=output != "table"), chosen)


def _table(
    found: "FleetStatus", chosen: "Selection", output: StatusTable, quorums: bool, past: bool = False
) -> "Text":
    from fleet.cli.views import quorum as quorum_view
    from fleet.cli.views import status as status_view

    if quorums:
        return quorum_view.members(found)
    if output == "wide":
        return status_view.wide(found)
    if chosen.attention:
        return status_view.attention(found)
    return status_view.outdated(found) if chosen.outdated else status_view.glance(found, past)


def _print_status(
    found: "FleetStatus", chosen: "Selection", output: StatusTable, quorums: bool, past: bool = False
) -> None:
    from fleet.cli.terminal.output import show, show_csv, show_json

    if output == "json":
        show_json(found)
    elif output == "csv":
        from fleet.cli.views.status import cells

        show_csv(*cells(found))
    else:
        show(_table(found, chosen, output, quorums, past))


def _findings(found: "FleetStatus") -> bool:
    fine = ("patched", "running")
    return any(state not in fine for state in found.summary.states) or any(
        not cluster.reachable for cluster in found.clusters
    )


def explain(
    context: typer.Context,
    node: Annotated[str, typer.Argument(help="NODE, or CLUSTER/NODE where the name is in several clusters.")],
    output: Format = "text",
) -> None:
    """Show why a node waits, what must happen first, and what was done to it."""
    from fleet.app.reporting.blockers import blockers
    from fleet.app.reporting.explain import explain as tell
    from fleet.cli.terminal.output import show, show_json

    explanation = tell(home_of(context), node, blockers)
    if output == "json":
        show_json(explanation)
        return
    from fleet.cli.views.explain import whole

    show(whole(explanation))
