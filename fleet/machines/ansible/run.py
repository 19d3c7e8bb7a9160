"""A process that runs one playbook by ansible-runner's library, and prints its events as JSON, one a line.

    python -P -m fleet.machines.ansible.run FOLDER PLAYBOOK KEPT

`ansible-runner run` would do the same, but that command imports python-daemon, and with it the unmaintained
`lockfile`, for its other subcommands. The library does not. Source: ansible-runner 2.4, `__main__.py`, `run`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from ansible_runner import AnsibleRunnerException
from ansible_runner import run as run_playbook


def main(arguments: Sequence[str]) -> int:
    """Runs the playbook and returns ansible's exit code. SIGTERM ends ansible with all processes that it has
    started."""
    folder, playbook, kept = arguments
    try:
        done = run_playbook(
            private_data_dir=folder,
            playbook=playbook,
            json_mode=True,
            ignore_logging=False,
            rotate_artifacts=int(kept),
        )
    except (AnsibleRunnerException, OSError) as error:
        print(f"ansible-runner: {error}")
        return 1
    return int(done.rc)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
