"""Real hosts on one computer: containers with a systemd of their own, each with an OSTree deployment as its root."""

from fleet.lab.machines.machine import Machine
from fleet.lab.machines.machines import Machines, beside

__all__ = ["Machine", "Machines", "beside"]
