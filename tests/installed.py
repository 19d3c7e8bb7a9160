"""Programs that a test needs beside Python."""

from __future__ import annotations

import os
import shutil

import pytest


def installed(program: str, package: str) -> str:
    """Returns its path. Where it is not on PATH the test is left out, and with CI=true it fails.

    `package`: the one of Debian that has it.
    """
    found = shutil.which(program)
    if found is not None:
        return found
    why = f"needs {program} (Debian: apt-get install {package})"
    if os.environ.get("CI") == "true":
        pytest.fail(why)
    pytest.skip(why)
