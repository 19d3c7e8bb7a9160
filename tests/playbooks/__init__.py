"""The playbooks as ansible-playbook runs them, over a real ssh server, on a host whose update programs hold state."""

from pathlib import Path


def programs_file() -> Path:
    return Path(__file__).with_name("programs.py")
