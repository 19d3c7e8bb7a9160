"""A real control plane with fake nodes on this machine, to try fleet on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    no_args_is_help=True, help="A real Kubernetes control plane with fake nodes on this machine."
)

Directory = Annotated[
    Path | None,
    typer.Option(
        "--directory", help="Where it is kept. Default: ~/.local/state/fleet/lab.", show_default=False
    ),
]


@app.command()
def up(
    nodes: Annotated[int, typer.Option(min=1, max=5000, help="Fake nodes.")] = 60,
    directory: Directory = None,
) -> None:
    """Start it: seconds once built, minutes the first time (needs Go)."""
    from fleet.cli.output import note
    from fleet.lab import Lab

    lab = Lab.up(directory or Lab.default_directory(), tied=False, progress=note)
    lab.add_nodes(nodes)
    note(f"{nodes} nodes are Ready at {lab.server}.")
    note(f"  -> fleet cluster add lab --kubeconfig {lab.kubeconfig} --site here")
    note("  -> fleet cluster install lab --no-agent; fleet lab agents &")


@app.command()
def agents(directory: Directory = None) -> None:
    """Play the machines under the fake nodes, and their agents, until Ctrl-C. Needs fleet cluster install before."""
    import asyncio
    import signal

    from fleet.agent.bundle import LabSettings, run_lab_agents
    from fleet.cli.output import note
    from fleet.lab import Lab

    lab = Lab.load(directory or Lab.default_directory())

    async def play() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await run_lab_agents(lab.kubeconfig, settings=LabSettings(), stop=stop)

    note(f"Playing the machines of {lab.server}; Ctrl-C ends it.")
    asyncio.run(play())


@app.command()
def down(directory: Directory = None) -> None:
    """Stop it and remove its files."""
    from fleet.cli.output import note
    from fleet.lab import Lab

    where = directory or Lab.default_directory()
    Lab.load(where).down()
    note(f"Stopped the lab in {where}; nothing of it is left.")


@app.command()
def status(directory: Directory = None) -> None:
    """What of it runs, and how to reach it. Exits 1 if it does not answer."""
    from fleet.cli.cluster_view import lab
    from fleet.cli.output import show
    from fleet.lab import Lab

    found = Lab.load(directory or Lab.default_directory()).status()
    show(lab(found))
    if not found.running:
        raise typer.Exit(1)
