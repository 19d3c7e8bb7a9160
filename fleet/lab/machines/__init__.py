"""Real hosts on one computer: containers that run systemd, each with an OSTree deployment as its root."""

from fleet.lab.machines.machine import LabMachine
from fleet.lab.machines.machines import LabMachines, beside

__all__ = ["LabMachine", "LabMachines", "beside"]
