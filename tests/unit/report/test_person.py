"""Tables name a user with an identity of their own, and every other actor as it is."""

import pytest

from fleet.cli.terminal.person import person


@pytest.mark.parametrize(
    ("actor", "name"),
    [
        ("ada (token, key 4254, token f67f) as root@desk", "ada"),
        ("eve@example.org (kubernetes, cluster east) as root@desk", "eve@example.org"),
        ("ada@desk", "ada@desk"),
        ("root@desk (login ada)", "root@desk (login ada)"),
        ("policy/workers", "policy/workers"),
    ],
)
def test_person(actor: str, name: str) -> None:
    assert person(actor) == name
