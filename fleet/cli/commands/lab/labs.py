"""Places to try fleet in: a real control plane with fake nodes on this machine, and simulated histories of faults."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fleet.cli.help_format import CommandList
from fleet.core.records.errors import UsageError

if TYPE_CHECKING:
    from fleet.lab.machines import LabMachines

app = typer.Typer(
    cls=CommandList,
    no_args_is_help=True,
    help="Run a real Kubernetes control plane with fake nodes on this machine, or simulate faults.",
)

Directory = Annotated[
    Path | None,
    typer.Option(
        "--directory", help="Folder of the lab. Default: ~/.local/state/fleet/lab.", show_default=False
    ),
]


@app.command()
def up(
    nodes: Annotated[int, typer.Option(min=1, max=5000, help="Number of fake nodes.")] = 60,
    machines: Annotated[
        int,
        typer.Option(min=0, max=9, help="Real hosts with real kubelets instead of fake nodes (needs root)."),
    ] = 0,
    control_planes: Annotated[
        int,
        typer.Option(
            min=1,
            max=5,
            help="Hosts of the control plane: each has an etcd member and an API server; "
            "with --machines they are real hosts too.",
        ),
    ] = 1,
    kubernetes: Annotated[
        str,
        typer.Option(
            metavar="VERSION", help="Minor version of Kubernetes: 1.36 or 1.37 (with etcd 3.6 or 3.7)."
        ),
    ] = "1.36",
    directory: Directory = None,
) -> None:
    """Start the lab. The first start builds it with Go and takes minutes; later ones take seconds."""
    from fleet.cli.terminal.output import note
    from fleet.lab import Lab, build
    from fleet.lab.nodes import CONTROL_POOL

    where = directory or Lab.default_directory()
    if machines and kubernetes != build.DEFAULT:
        raise UsageError(f"real hosts run Kubernetes {build.DEFAULT}", "leave out --machines or --kubernetes")
    if machines and control_planes > 1:
        _up_on_machines(where, machines, control_planes)
        return
    if machines:
        _up_with_machines(where, machines)
        return
    lab = Lab.up(where, tied=False, progress=note, control_planes=control_planes, kubernetes=kubernetes)
    if control_planes > 1:
        lab.add_nodes(control_planes, pools={CONTROL_POOL: 1})
    lab.add_nodes(nodes)
    note(f"{nodes} nodes are Ready at {lab.server}.")
    note(f"  -> fleet cluster add lab --kubeconfig {lab.kubeconfig} --site here")
    note("  -> fleet cluster install lab --no-agent; fleet lab agents &")


def _up_with_machines(where: Path, count: int) -> None:
    from fleet.cli.terminal.output import note
    from fleet.lab.machines import LabMachines, beside, cluster

    names = [f"w{number}" for number in range(1, count + 1)]
    hosts = LabMachines.up(beside(where), names, tied=False, progress=note)
    try:
        lab = cluster.up(where, hosts, tied=False, progress=note)
    except BaseException:
        hosts.down()
        raise
    note(f"{', '.join(names)} join {lab.server} and are Ready in a moment.")
    _show_addresses(lab.kubeconfig, hosts)


def _up_on_machines(where: Path, workers: int, control_planes: int) -> None:
    from fleet.cli.terminal.output import note
    from fleet.lab.machines import LabMachines, beside
    from fleet.lab.machines.stacked import Stacked

    members = [f"cp{number}" for number in range(1, control_planes + 1)]
    names = [*members, *(f"w{number}" for number in range(1, workers + 1))]
    hosts = LabMachines.up(beside(where), names, tied=False, progress=note)
    try:
        found = Stacked.up(where, hosts, members, tied=False, progress=note)
    except BaseException:
        hosts.down()
        raise
    note(f"{', '.join(names)} are nodes at {found.server}; etcd and API servers are on {', '.join(members)}.")
    _show_addresses(found.kubeconfig, hosts)


def _show_addresses(kubeconfig: Path, hosts: "LabMachines") -> None:
    from fleet.cli.terminal.output import note
    from fleet.lab.machines import agent

    note(f"  -> kubectl --kubeconfig {kubeconfig} get nodes -o wide")
    note(f"  -> fleet cluster add lab --kubeconfig {kubeconfig} --site here")
    note(f"  -> fleet cluster install lab --image {agent.IMAGE}")
    note(f"  -> ssh -F {hosts.ssh_config} w1 ostree admin status")


@app.command()
def agents(directory: Directory = None) -> None:
    """Simulate the machines of the fake nodes, and their agents, until Ctrl-C. Run fleet cluster install first."""
    import asyncio
    import signal

    from fleet.cli.terminal.output import note
    from fleet.lab import Lab
    from fleet.lab.fake_nodes.agents import LabSettings, run_lab_agents

    lab = Lab.load(directory or Lab.default_directory())

    async def play() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await run_lab_agents(lab.kubeconfig, settings=LabSettings(), stop=stop)

    note(f"Simulating the machines of {lab.server}; Ctrl-C ends it.")
    asyncio.run(play())


@app.command()
def down(directory: Directory = None) -> None:
    """Stop the lab and remove its files."""
    from fleet.cli.terminal.output import note
    from fleet.lab import Lab
    from fleet.lab.machines import LabMachines, beside
    from fleet.lab.machines.stacked import Stacked

    where = directory or Lab.default_directory()
    if LabMachines.exist(beside(where)):
        LabMachines.load(beside(where)).down()
    (Stacked if Stacked.exists(where) else Lab).load(where).down()
    note(f"Stopped the lab in {where}; all its files are removed.")


@app.command()
def status(directory: Directory = None) -> None:
    """Show which programs of the lab run, and how to reach it. Exits 1 if it does not answer."""
    from fleet.cli.terminal.output import show
    from fleet.cli.views.cluster import lab
    from fleet.lab import Lab
    from fleet.lab.machines.stacked import Stacked

    where = directory or Lab.default_directory()
    found = (Stacked if Stacked.exists(where) else Lab).load(where).status()
    show(lab(found))
    if not found.running:
        raise typer.Exit(1)


@app.command()
def simulate(
    seed: Annotated[
        int, typer.Option(min=0, help="Seed from which the fleet, the policy and the faults are drawn.")
    ] = 0,
    histories: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Number of seeds to run, from this one on; prints a summary."),
    ] = None,
    only: Annotated[
        str,
        typer.Option(metavar="NUMBERS", help="Only these faults of the seed: numbers such as 1,4, or none."),
    ] = "",
) -> None:
    """Run the engine through a simulated history with faults, and show what happened when.

    The same seed gives the same history on every machine. A checker verifies its invariants.

    A history that breaks one is reduced to the faults that are needed for that; exit code 1.
    """
    from fleet.cli.terminal.output import note
    from fleet.lab.simulation.shrink import describe_history, describe_with_faults
    from fleet.lab.simulation.soak import soak

    if histories is not None and only:
        raise UsageError("--only selects faults of one seed: leave --histories out")
    if histories is not None:
        text, whole = soak(seed, histories, note)
    elif only:
        text, whole = describe_with_faults(seed, _numbers(only))
    else:
        text, whole = describe_history(seed)
    typer.echo(text)
    if not whole:
        raise typer.Exit(1)


def _numbers(only: str) -> list[int]:
    try:
        return [] if only == "none" else [int(part) for part in only.split(",")]
    except ValueError:
        raise UsageError(f"--only: expected numbers such as 1,4 or none, found {only!r}") from None
