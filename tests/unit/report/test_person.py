"""Tables name a user with an identity of their own, and every other actor as it is."""

import pytest

from fleet.cli.terminal.person import person, persons_within


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


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("cancelled: aborted by ada (token, key 4254, token f67f) as root@desk", "cancelled: aborted by ada"),
        (
            "aborted by eve (kubernetes, cluster east) as root@desk (login ada): too slow",
            "aborted by eve: too slow",
        ),
        ("aborted by root@desk (login ada)", "aborted by root@desk (login ada)"),
        ("r-2 (ada (token, key 4254, token f67f) as root@desk)", "r-2 (ada)"),
        ("r-2 (ada (token, key 1, token 2) as root@desk (login ada))", "r-2 (ada)"),
        ("the image (token of the registry) as given", "the image (token of the registry) as given"),
    ],
)
def test_persons_within_a_text(text: str, shown: str) -> None:
    assert persons_within(text) == shown
