"""Compares a running kernel with the kernel that a release names in the policy."""

from __future__ import annotations

import re

# The architecture may be followed by a variant: `x86_64+rt`, `aarch64+64k` (Fedora, RHEL).
_ARCHITECTURE = re.compile(r"[.-](x86_64|amd64|aarch64|arm64|ppc64le|s390x|riscv64|i686|armv7hl)(?=$|\+)")
_OTHER_NAMES = {"x86_64": "amd64", "aarch64": "arm64"}


def is_kernel(running: str, wanted: str) -> bool:
    """Reports whether `running`, as `uname -r` prints it, is the kernel that the policy calls `wanted`.

    `wanted` may leave out whatever a distribution appends: `wanted` is a prefix that ends where a part of the version
    ends. So `6.11.4` and `6.11` both name `6.11.4-301.fc43.x86_64`, and neither names `6.11.40` or `6.110`. A processor
    architecture at the end of `wanted` is ignored if the running kernel's name has none. An empty `wanted` names
    every kernel.
    """
    if _begins(running, wanted):
        return True
    bare = _ARCHITECTURE.sub("", wanted)
    return bare != wanted and not _ARCHITECTURE.search(running) and _begins(running, bare)


def architecture_of(kernel: str) -> str:
    """Returns the processor architecture at the end of a kernel's name, by Go's name: amd64 for both amd64 and x86_64.
    Empty if the name has none."""
    match = _ARCHITECTURE.search(kernel)
    return _OTHER_NAMES.get(match[1], match[1]) if match is not None else ""


def _begins(running: str, wanted: str) -> bool:
    if not running.startswith(wanted):
        return False
    rest = running[len(wanted) :]
    return not wanted or not rest or not rest[0].isalnum() or not wanted[-1].isalnum()
