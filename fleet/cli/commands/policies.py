"""Standing policies: what they do next, one pass of them, and resuming one that is halted. The policy as objects of a
cluster."""

from pathlib import Path
from typing import Annotated

import typer

from fleet.cli.context import Format, home_of
from fleet.cli.help_format import CommandList

HELP = """Standing policies: pools that go to new releases by themselves (upgrade: auto in fleet.yaml, docs/standing.md);
and the policy as objects of a cluster (docs/crds.md)."""

app = typer.Typer(cls=CommandList, help=HELP, no_args_is_help=True)

PoolsOption = Annotated[
    list[str] | None,
    typer.Option("--pool", metavar="NAME", help="Only this pool; may be given more than once."),
]


@app.command()
def status(context: typer.Context, pool: PoolsOption = None, output: Format = "text") -> None:
    """Show what each pool follows, which release is next and when, and why it is not started yet.

    As of the last sync. With --pool every newer release is shown, with what it has met and what it lacks.
    """
    from fleet.app.standing.outlook import outlook
    from fleet.cli.terminal.output import show, show_json
    from fleet.cli.views.policies.standing import details, policies

    found = outlook(home_of(context), pool or [])
    if output == "json":
        show_json(found)
        return
    text = policies(found)
    for each in found.pools if pool else ():
        text.append("\n").append_text(details(each, found.at))
    show(text)


@app.command()
def run(context: typer.Context, pool: PoolsOption = None, output: Format = "text") -> None:
    """Make one pass now, as the controller does every minute: start the rollouts that are due, and make the plans that
    users are to approve.

    Exits 1 if something that is due could not be done, and 3 if nothing was due.
    """
    from fleet.app.standing.evaluate import evaluate
    from fleet.cli.terminal.output import note, show, show_json
    from fleet.cli.views.policies.standing import outcome_lines

    found = evaluate(home_of(context), pool or [])
    if output == "json":
        show_json(found)
    else:
        for line in outcome_lines(found.outcomes):
            show(line)
    for outcome in found.outcomes:
        if outcome.remedy:
            note(f"  -> {outcome.remedy}")
    if any(outcome.problem and not outcome.waits for outcome in found.outcomes):
        raise typer.Exit(1)
    if not any(outcome.rollout or outcome.plan for outcome in found.outcomes):
        raise typer.Exit(3)


@app.command()
def resume(
    context: typer.Context,
    pool: Annotated[str, typer.Argument(help="Pool whose standing policy is halted.")],
    reason: Annotated[str, typer.Option(help="Why; kept in the journal.")] = "",
) -> None:
    """Resume a standing policy that a failure, an abort or a rollback has halted: releases that it did not try any more
    qualify again."""
    from fleet.app.standing.resume import resume_policy
    from fleet.cli.terminal.output import note, show

    found = resume_policy(home_of(context), pool, reason)
    show(
        f"The standing policy of pool {pool} goes on: {found.state}{f' {found.target}' if found.target else ''}."
    )
    note(f"  -> fleet policy status --pool {pool}")


@app.command("export")
def export_(context: typer.Context) -> None:
    """Print fleet.yaml as objects for a cluster: UpgradePolicy, ReleaseStream, Freeze, QuorumGroup, FleetConfig.

        fleet policy export | kubectl apply --server-side -f -

    Comments are not part of objects. Releases of a stream's file are written into its ReleaseStream; other files stay
    files, and are named on stderr.
    """
    from fleet.app.planning.policy_objects import export_policy
    from fleet.cli.terminal.output import note, show_document, warn
    from fleet.config.objects.yaml_text import as_yaml

    found = export_policy(home_of(context))
    show_document(as_yaml(found.objects))
    if found.files:
        note("Files that must be where fleet runs in the cluster, such as in a mounted Secret:")
        for file in found.files:
            note(f"  {file}")
    if found.calendars:
        warn(
            "URLs of calendars are in the objects as they are in the policy: whoever may read the objects sees them"
        )


@app.command("import")
def import_(
    context: typer.Context,
    files: Annotated[
        list[str], typer.Argument(metavar="FILE...", help="Files with objects as YAML; - is standard input.")
    ],
) -> None:
    """Write fleet.yaml from objects of a cluster. An existing fleet.yaml is never overwritten.

        kubectl get fleet -o yaml | fleet policy import -

    All mistakes of the objects are shown at once, and nothing is written then.
    """
    from fleet.app.planning.policy_objects import import_policy
    from fleet.cli.terminal.output import note

    path = import_policy(home_of(context, otherwise=Path.cwd()), files)
    note(f"Wrote {path}. Comments of the policy that the objects came from are not in it.")
    note("  -> fleet lint")
