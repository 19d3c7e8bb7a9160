"""The image of fleet for the lab's nodes: the one that is released, with fleet as it runs here."""

from __future__ import annotations

from fleet.lab.build import ReportLine
from fleet.lab.machines.container import image, oci

IMAGE = "lab.fleet.internal/fleet:1"
"""The image for `fleet cluster install --image` in a lab of machines."""


def archive(progress: ReportLine) -> bytes:
    """Returns an archive of the image; a minute and a half from nothing, a few seconds where only fleet has changed.

    Raises LabError.
    """
    return oci.archive(image.build(progress), IMAGE)
