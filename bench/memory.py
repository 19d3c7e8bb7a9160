"""What a process has taken of the machine."""

from __future__ import annotations

import resource
import sys


def most_resident() -> float:
    """MB, of this process at its most. ru_maxrss is in kilobytes on Linux, in bytes on macOS."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (1024 * 1024 if sys.platform == "darwin" else 1024)
