"""Expands paths as users write them."""

from __future__ import annotations

import os
from pathlib import Path


def expanded(path: str | Path) -> Path:
    """Returns the path with `~` and `~NAME` replaced by home folders. As in a shell, the path is unchanged if no such
    user exists."""
    return Path(os.path.expanduser(path))  # noqa: PTH111  (Path.expanduser raises RuntimeError there)
