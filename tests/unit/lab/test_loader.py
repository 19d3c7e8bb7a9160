"""The boot loader of the lab's machines: the newest deployment first, two tries for one that never worked."""

from __future__ import annotations

import pytest

from fleet.lab.machines.images.loader import BootEntry, choose, parse

WRITTEN = """title Fleet Lab OS 1.1 (ostree:0)
version 2
options rw ostree=/ostree/boot.0/fleet-lab/6de0ef2d/0
linux /ostree/fleet-lab-6de0ef2d/vmlinuz-6.1.0-lab2
initrd /ostree/fleet-lab-6de0ef2d/initramfs-6.1.0-lab2.img
"""


def test_boot_entry_of_ostree_is_read() -> None:
    assert parse(WRITTEN) == BootEntry(2, "/ostree/boot.0/fleet-lab/6de0ef2d/0")


@pytest.mark.parametrize(
    "text", ["", "version 2\noptions rw quiet\n", WRITTEN.replace("version 2", "version x")]
)
def test_other_boot_entries_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no boot entry of OSTree"):
        parse(text)


def test_new_deployment_has_two_tries_and_then_the_old_one_boots() -> None:
    order, good = ["new", "old"], {"old"}
    assert choose(order, good, {}) == "new"
    assert choose(order, good, {"new": 1}) == "new"
    assert choose(order, good, {"new": 2}) == "old"
    assert choose(order, {"new", "old"}, {"new": 9}) == "new", "one that worked once is not counted any more"


def test_when_no_deployment_ever_worked_the_oldest_boots() -> None:
    assert choose(["new", "old"], set(), {"new": 2, "old": 2}) == "old"
