"""New files, written beside their final path, so that a file exists either whole or not at all, whenever the process
is killed."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def beside(path: Path, content: bytes, mode: int) -> Iterator[Path]:
    """Writes the content to a file in the folder of `path`, which the caller links or renames to `path`. Deletes the
    written file at the end, if it still exists. Raises OSError where it cannot be written."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    part = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            # The umask may remove even the owner's permissions.
            os.fchmod(descriptor, mode)
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        yield part
    finally:
        part.unlink(missing_ok=True)
