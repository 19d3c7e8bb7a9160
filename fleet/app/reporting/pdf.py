"""Prints an HTML report as PDF, by Chromium without a window."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from fleet.core.records.errors import FleetError, UsageError
from fleet.system import programs

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-pdf-header-footer",
)
SECONDS = 600.0
"""How long Chromium may print; a report of ten thousand nodes has hundreds of pages."""
KEPT = 4096
"""Bytes of Chromium's messages that are kept for an error."""


def browser() -> str | None:
    """Returns the path of the Chromium that prints; None where there is none."""
    return next((path for name in BROWSERS if (path := shutil.which(name))), None)


def printed(page: str) -> bytes:
    """Returns the page as PDF. Raises UsageError where there is no Chromium, FleetError where it does not print.

    Nothing is fetched: the page forbids it itself.
    """
    chromium = browser()
    if chromium is None:
        raise UsageError(
            f"PDF needs Chromium, and there is none on the PATH ({', '.join(BROWSERS)})",
            "install it (Debian: chromium), or print the html from any browser",
        )
    with TemporaryDirectory(prefix="fleet-pdf-") as folder:
        source, target = Path(folder) / "report.html", Path(folder) / "report.pdf"
        source.write_text(page, encoding="utf-8")
        # Chromium refuses to run as root with its sandbox.
        root = ["--no-sandbox"] if os.geteuid() == 0 else []
        argv = [
            chromium,
            *FLAGS,
            *root,
            f"--user-data-dir={folder}/profile",
            f"--print-to-pdf={target}",
            source.as_uri(),
        ]
        try:
            ended = asyncio.run(programs.run(argv, os.environ, SECONDS, programs.last(KEPT)))
        except TimeoutError:
            raise FleetError(f"{chromium} has not printed the report within {SECONDS:.0f} seconds") from None
        except OSError as error:
            raise FleetError(f"{chromium} cannot be started: {error.strerror}") from error
        if not target.exists():
            words = ended.err.decode(errors="replace").strip().splitlines()
            why = words[-1] if words else f"exit code {ended.code}"
            raise FleetError(f"{chromium} has not printed the report: {why}")
        return target.read_bytes()
