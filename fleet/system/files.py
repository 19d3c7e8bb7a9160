"""New files, written beside the place that they are for: there whole or not at all, whenever the process is killed."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def beside(path: Path, content: bytes, mode: int) -> Iterator[Path]:
    """Writes the content to the disk, in the folder of `path`, for the caller to link or to rename it there. Takes away
    what is left of it at the end. Raises OSError where it cannot be written."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    part = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            # The umask may take away even the owner's rights.
            os.fchmod(descriptor, mode)
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        yield part
    finally:
        part.unlink(missing_ok=True)
