"""Makes the lab's machines nodes of a control plane that runs beside them on this computer."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from fleet.lab import Lab
from fleet.lab.build import ReportLine
from fleet.lab.control_plane import kubeconfig
from fleet.lab.control_plane.certificates import Certificates
from fleet.lab.machines import agent, etc
from fleet.lab.machines.machines import LabMachines


def up(directory: Path, machines: LabMachines, *, tied: bool, progress: ReportLine) -> Lab:
    """Starts a new control plane in `directory` that the machines can reach, and lets every machine join it as a node.

    Raises LabError, and then leaves no control plane behind.
    """
    hosts = {machine.name: machine.address for machine in machines.all}
    lab = Lab.up(directory, tied=tied, progress=progress, address=machines.gateway, hosts=hosts)
    try:
        for machine in machines.all:
            progress(f"{machine.name} joins {lab.server}")
            machines.join(machine.name, files(machines, machine.name, lab.server, lab.certificates))
        import_agent(machines, progress)
    except BaseException:
        lab.down()
        raise
    return lab


def import_agent(machines: LabMachines, progress: ReportLine) -> None:
    """Imports the image of fleet into every machine. Raises LabError."""
    archive = agent.archive(progress)
    progress(f"giving every machine the image {agent.IMAGE}")
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda machine: machines.import_image(machine.name, archive), machines.all))


def files(machines: LabMachines, name: str, server: str, issued: Certificates) -> dict[str, etc.File]:
    """Returns the files that make a machine a node of the cluster at `server`."""
    authority, own = issued.authority, issued.kubelets[name]
    written = machines.directory / name / "kubeconfig"
    kubeconfig.write(written, name="kubelet", server=server, authority=authority, client=own.client)
    machine = next(candidate for candidate in machines.all if candidate.name == name)
    texts = [path.read_text() for path in (written, authority, own.server.certificate, own.server.key)]
    return dict(etc.node(machine, server, *texts))
