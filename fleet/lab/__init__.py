"""A real Kubernetes control plane on one machine, for tests and for trying `fleet` on a laptop."""

from fleet.lab.errors import LabError
from fleet.lab.lab import Lab
from fleet.lab.nodes import NodeCount
from fleet.lab.status import LabStatus, ProgramStatus

__all__ = ["Lab", "LabError", "LabStatus", "NodeCount", "ProgramStatus"]
