"""rpm-ostree's richer states: layered hosts, images, locks of others, several operating systems, soft reboots."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fleet.core.releases.release import Release
from fleet.machines.errors import MachineError
from fleet.machines.families import rpm_ostree
from fleet.machines.families.rpm_ostree import RpmOstree
from fleet.machines.families.shared import image_reference
from tests.unit.machines.fakehost import FakeHost
from tests.unit.machines.statuses import INDEX, MANIFEST, Entry, image_entry
from tests.unit.machines.statuses import layered_entry as layered
from tests.unit.machines.statuses import rpm_ostree_status as status

OLD = Release("44.20261015.3.0", f"sha256:{'9' * 64}")
NEW = Release("44.20261101.3.0", f"sha256:{'b' * 64}")
IMAGE = "ostree-image-signed:docker://quay.io:443/fedora/fedora-coreos"


class LayeredBox(FakeHost):
    """A Fedora CoreOS with a layered package: what boots are commits that were made on it."""

    def __init__(self) -> None:
        super().__init__()
        self.deployments = [layered(OLD, "a", booted=True)]
        self.programs["rpm-ostree"] = self._rpm_ostree

    def _rpm_ostree(self, argv: tuple[str, ...]) -> tuple[int, str, str]:
        first = self.deployments[0]
        match argv:
            case ("status", "--json"):
                return 0, status(*self.deployments), ""
            case ("deploy", *_, wanted) if wanted == f"revision={NEW.digest[7:]}":
                self.deployments.insert(0, layered(NEW, "c", staged=True, **{"finalization-locked": True}))
                return 0, "", ""
            case ("finalize-deployment", checksum):
                if checksum != first["base-checksum"]:
                    return (
                        1,
                        "",
                        f"error: Expected staged base checksum {checksum}, but found {first['base-checksum']}",
                    )
                if not first.pop("finalization-locked", False):
                    return 1, "", "error: Staged deployment already unlocked"
                self.deployments = [first | {"booted": True}, self.deployments[1] | {"booted": False}]
                if not self.next_root:
                    self.boot()
                return 0, "", ""
        raise AssertionError(argv)


def test_layered_host_is_identified_by_its_base_and_finalized_by_it() -> None:
    async def story() -> None:
        box = LayeredBox()
        machine = RpmOstree(box)
        seen = await machine.observe()
        assert seen.booted == OLD
        assert seen.layered == ("nano", "falcon-7.0-1.x86_64", "kmod-x-1-1.x86_64", "kernel-6.12-1.x86_64")
        await machine.stage(NEW, lambda _: None)
        assert (await machine.observe()).boots_next() == NEW
        await machine.reboot()
        seen = await machine.observe()
        assert (seen.booted, seen.boot_id, seen.rollback) == (NEW, "boot-2", OLD)

    asyncio.run(story())


def test_release_staged_and_locked_by_another_party_is_booted() -> None:
    async def story() -> None:
        box = LayeredBox()
        box.deployments.insert(0, layered(NEW, "c", staged=True, **{"finalization-locked": True}))
        assert (await RpmOstree(box).observe()).boots_next() == NEW
        await RpmOstree(box).reboot()
        assert (await RpmOstree(box).observe()).booted == NEW

    asyncio.run(story())


def test_staged_release_stays_where_there_is_no_rollback() -> None:
    async def story() -> None:
        box = LayeredBox()
        await RpmOstree(box).stage(NEW, lambda _: None)
        with pytest.raises(MachineError):
            await RpmOstree(box).roll_back()
        assert (await RpmOstree(box).observe()).staged == NEW

    asyncio.run(story())


@pytest.mark.parametrize("locked", [True, False])
def test_lock_that_rpm_ostree_does_not_report_is_removed_before_the_reboot(locked: bool) -> None:
    """`bootc upgrade --download-only` and `ostree admin lock-finalization` make one."""
    box, asked = LayeredBox(), list[tuple[str, ...]]()
    box.deployments.insert(0, layered(NEW, "c", staged=True))

    def program(argv: tuple[str, ...]) -> tuple[int, str, str]:
        if argv[1] != "status":
            asked.append(argv)
        note = "finalization locked" if locked else "staged"
        heads = f"  fedora-coreos {'c' * 64}.0 ({note})\n* fedora-coreos {'a' * 64}.0\n"
        return int("--json" in argv), heads, ""

    box.programs["ostree"] = program
    asyncio.run(RpmOstree(box).reboot())
    assert asked == [("admin", "lock-finalization", "--unlock")] * locked
    assert box.boots == 2


def test_prepared_soft_reboot_is_refused_or_made_a_full_one() -> None:
    async def story() -> None:
        box = LayeredBox()
        box.next_root = True
        await RpmOstree(box).reboot()
        assert (await RpmOstree(box).observe()).boot_id == "boot-2"
        await RpmOstree(box).stage(NEW, lambda _: None)
        with pytest.raises(MachineError, match=r"soft reboot is prepared.*prepare-soft-reboot --reset"):
            await RpmOstree(box).reboot()
        assert (await RpmOstree(box).observe()).booted == OLD

    asyncio.run(story())


@pytest.mark.parametrize(
    ("entry", "release"),
    [
        ({"checksum": "4" * 64}, Release("4" * 12, f"sha256:{'4' * 64}")),
        (
            {"checksum": "4" * 64, "version": None, "base-commit-meta": None},
            Release("4" * 12, f"sha256:{'4' * 64}"),
        ),
        # OpenShift's: no version anywhere.
        (
            image_entry("ostree-unverified-registry:quay.example/ocp/art@" + MANIFEST),
            Release("4" * 12, MANIFEST),
        ),
        # Pinned by the index over several architectures.
        (
            image_entry(f"{IMAGE}@{INDEX}", version="44.1"),
            Release("44.1", MANIFEST, reference_digest=INDEX),
        ),
        # Before rpm-ostree told the digest beside the reference.
        (
            image_entry(
                f"{IMAGE}:stable",
                **{
                    "container-image-reference-digest": None,
                    "base-commit-meta": {"ostree.manifest-digest": MANIFEST},
                    "version": "44.1",
                },
            ),
            Release("44.1", MANIFEST),
        ),
        # No digest is told at all: the version is what there is.
        (
            image_entry(f"{IMAGE}:stable", version="44.1", **{"container-image-reference-digest": None}),
            Release("44.1"),
        ),
        # A commit of a branch that was once imported from an image is asked for by its revision.
        (
            {"checksum": "4" * 64, "base-commit-meta": {"ostree.manifest-digest": MANIFEST}, "origin": "a:b"},
            Release("4" * 12, f"sha256:{'4' * 64}"),
        ),
        # Packages on top of an image.
        (
            image_entry(
                f"{IMAGE}:stable", **{"base-checksum": "5" * 64, "base-version": "44.1", "version": "44.1+"}
            ),
            Release("44.1", MANIFEST),
        ),
    ],
)
def test_release_is_what_a_stream_names(entry: Entry, release: Release) -> None:
    booted = rpm_ostree.parse(status(entry | {"booted": True})).booted
    assert booted.release == release


def test_null_lists_transactions_and_later_fields_are_accepted() -> None:
    empty = {
        "requested-packages": None,
        "requested-local-packages": None,
        "later": {"x": 1},
        "unlocked": "later",
    }
    text = status(
        {"checksum": "4" * 64, "booted": True} | empty,
        transaction=["upgrade", ":1.5", "/"],
        **{"cached-update": {"version": "45"}, "update-driver": {"driver-name": "Zincati"}, "later": []},
    )
    booted = rpm_ostree.parse(text).booted
    assert (booted.release.version, booted.layered) == ("4" * 12, ())


def test_rollback_is_of_the_same_operating_system_and_the_next_boot_of_any() -> None:
    def one(letter: str, osname: str, **more: Any) -> Entry:
        return {"checksum": letter * 64, "osname": osname, "version": letter, **more}

    found = rpm_ostree.parse(
        status(one("1", "b"), one("2", "a", booted=True), one("3", "b"), one("4", "a", pinned=True))
    )
    assert found.staged is not None and found.staged.version == "1"
    assert found.rollback is not None and found.rollback.version == "4"


@pytest.mark.parametrize(
    ("reference", "pinned"),
    [
        (f"{IMAGE}:stable", f"{IMAGE}@{NEW.digest}"),
        (f"{IMAGE}:stable@{OLD.digest}", f"{IMAGE}@{NEW.digest}"),
        ("ostree-unverified-registry:busybox", f"ostree-unverified-registry:busybox@{NEW.digest}"),
        (
            "ostree-unverified-registry:localhost:5000/a:b",
            f"ostree-unverified-registry:localhost:5000/a@{NEW.digest}",
        ),
        (
            "ostree-remote-registry:fedora:quay.io/x/y:44",
            f"ostree-remote-registry:fedora:quay.io/x/y@{NEW.digest}",
        ),
        (
            "ostree-remote-image:fedora:docker://quay.io/x/y",
            f"ostree-remote-image:fedora:docker://quay.io/x/y@{NEW.digest}",
        ),
        (
            "ostree-unverified-image:registry:quay.io/x/y:1",
            f"ostree-unverified-image:registry:quay.io/x/y@{NEW.digest}",
        ),
    ],
)
def test_image_is_pinned_with_its_signature_policy_and_transport_kept(reference: str, pinned: str) -> None:
    booted = rpm_ostree.parse(status(image_entry(reference))).booted
    assert rpm_ostree.stage_command(booted, NEW)[-1] == pinned


def test_image_is_fetched_by_the_index_of_its_stream() -> None:
    booted = rpm_ostree.parse(status(image_entry(f"{IMAGE}:stable"))).booted
    wanted = Release("44.2", NEW.digest, reference_digest=INDEX)
    assert rpm_ostree.stage_command(booted, wanted)[-1] == f"{IMAGE}@{INDEX}"
    commit = rpm_ostree.RpmOstreeDeployment("aa")
    assert rpm_ostree.stage_command(commit, wanted)[-1] == f"revision={NEW.digest[7:]}"


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("ostree-unverified-image:containers-storage:localhost/os", "containers-storage"),
        ("ostree-unverified-image:oci:/var/lib/os:latest", "oci"),
        ("ostree-image-signed:oci-archive:/var/os.tar", "oci-archive"),
        ("ostree-sealed-image:docker://quay.io/x/y", "does not know"),
    ],
)
def test_image_from_no_registry_is_observed_and_not_staged_over(reference: str, message: str) -> None:
    booted = rpm_ostree.parse(status(image_entry(reference))).booted
    assert booted.release.digest == MANIFEST
    with pytest.raises(MachineError, match=f"{message}.*registries"):
        rpm_ostree.stage_command(booted, NEW)
    assert rpm_ostree.stage_command(booted, NEW, IMAGE)[-1] == f"{IMAGE}@{NEW.digest}"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "docker://",
        "ostree-image-signed:",
        "ostree-image-signed:quay.io/x y",
        "ostree-image-signed:docker://",
    ],
)
def test_invalid_reference_is_none(text: str) -> None:
    assert image_reference.parse(text) is None
