"""bootc from 1.0 on: what boots next, what keeps the signature policy, and what is refused by name."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from fleet.core.releases.release import Release, is_release
from fleet.machines.errors import MachineError
from fleet.machines.families import bootc, bootc_status
from fleet.machines.families.bootc import Bootc
from fleet.machines.families.detect import detect
from tests.unit.machines import recorded
from tests.unit.machines.fakehost import FakeHost
from tests.unit.machines.statuses import INDEX, A, B, C, Entry
from tests.unit.machines.statuses import REPOSITORY as IMAGE
from tests.unit.machines.statuses import bootc_entry as entry
from tests.unit.machines.statuses import bootc_host as host

OLD, NEW, OTHER = Release("10.1", A), Release("10.2", B), Release("10.3", C)


class BootcBox(FakeHost):
    """A machine that bootc has booted, on its ostree backend."""

    def __init__(self, booted: Entry) -> None:
        super().__init__()
        self.booted = booted
        self.staged: Entry | None = None
        self.rollback: Entry | None = None
        self.queued = False
        self.asked: list[tuple[str, ...]] = []
        self.programs["bootc"] = self._bootc

    def boot(self) -> None:
        super().boot()
        if self.staged is not None and not self.staged["downloadOnly"]:
            self.booted, self.rollback = self.staged, self.booted
        elif self.queued and self.rollback is not None:
            self.booted, self.rollback = self.rollback, self.booted
        self.staged, self.queued = None, False

    def _bootc(self, argv: tuple[str, ...]) -> tuple[int, str, str]:
        if argv[0] == "status":
            slots = {"staged": self.staged, "rollback": self.rollback, "rollbackQueued": self.queued}
            return 0, host(self.booted, order="rollback" if self.queued else "default", **slots), ""
        self.asked.append(argv)
        match argv:
            case ("switch", *options, image):
                policy = {"signature": "containerPolicy"} if options else {}
                known = {A: OLD, B: NEW, C: OTHER, INDEX: NEW}
                release = known[image.partition("@")[2]]
                self.staged = entry(release, image, reference=policy)
            case ("upgrade", "--from-downloaded") if self.staged is not None:
                self.staged["downloadOnly"] = False
            case ("rollback",):
                self.queued, self.staged = not self.queued, None
            case _:
                return 2, "", f"error: unexpected argument {argv}"
        return 0, "", ""


@pytest.mark.parametrize("keys", ["sorted", "as 1.4 printed them"])
@pytest.mark.parametrize("spaces", [None, 2])
def test_family_is_decided_by_bootcs_status(keys: str, spaces: int | None) -> None:
    document = json.loads(host(entry(OLD)))
    if keys != "sorted":
        document["status"]["booted"] = {"image": document["status"]["booted"].pop("image")} | document[
            "status"
        ]["booted"]
    text = json.dumps(document, indent=spaces)
    assert family_of(FakeHost(), "has bootc\nhas rpm-ostree\nhas ostree\nis ostree-booted\n", text) == "bootc"


def family_of(box: FakeHost, seen: str, status: str, code: int = 0, os_release: str = "ID=centos\n") -> str:
    box.files["/etc/os-release"] = os_release
    box.programs["sh"] = lambda argv: (0, f"{seen}end\n", "")
    box.programs["bootc"] = lambda argv: (code, status, "" if code == 0 else status)
    return asyncio.run(detect(box))


@pytest.mark.parametrize(
    "booted",
    [
        None,
        entry(OLD, image=IMAGE) | {"image": None},
        entry(OLD, image=IMAGE) | {"image": None, "incompatible": True},
    ],
    ids=["nothing", "a commit", "an image that rpm-ostree has changed"],
)
def test_host_that_bootc_did_not_boot_belongs_to_another_family(booted: Entry | None) -> None:
    seen = "has bootc\nhas rpm-ostree\nhas ostree\nis ostree-booted\n"
    assert family_of(FakeHost(), seen, host(booted, type=None)) == "rpm-ostree"


def test_fedora_coreos_belongs_to_rpm_ostree() -> None:
    seen, coreos = (
        "has bootc\nhas rpm-ostree\nhas ostree\nis ostree-booted\n",
        "ID=fedora\nVARIANT_ID=coreos\n",
    )
    assert family_of(FakeHost(), seen, host(entry(OLD)), os_release=coreos) == "rpm-ostree"
    assert family_of(FakeHost(), seen, "error: no", code=1, os_release=coreos) == "rpm-ostree"


def test_failing_bootc_decides_nothing() -> None:
    with pytest.raises(MachineError, match=r"bootc does not report.*Reading deployment metadata.*FLEET_OS"):
        family_of(
            FakeHost(),
            "has bootc\nhas rpm-ostree\nis ostree-booted\n",
            "error: Reading deployment metadata",
            1,
        )
    later = host(entry(OLD)).replace("bootc/v1", "bootc/v2")
    with pytest.raises(MachineError, match=r"apiVersion is 'org\.containers\.bootc/v2'.*FLEET_OS"):
        family_of(FakeHost(), "has bootc\nhas rpm-ostree\nis ostree-booted\n", later)
    seen = "has bootc\nhas rauc\nis rauc-configured\n"
    assert family_of(FakeHost(), seen, later) == "rauc"
    assert family_of(FakeHost(), seen, "error: no", 1) == "rauc"
    with pytest.raises(MachineError, match=r"no immutable operating system.*error: Entry not found"):
        family_of(FakeHost(), "has bootc\n", "error: Entry not found", 1)


def test_composefs_backend_belongs_to_bootc() -> None:
    assert family_of(FakeHost(), "has bootc\n", recorded.BOOTC_COMPOSEFS) == "bootc"
    booted = bootc_status.booted(bootc_status.parse(recorded.BOOTC_COMPOSEFS))
    digest = "sha256:cd5d55566e9ca3a49ea588e9d44c54f4b48e1387646c273d1f56e8ad33b8ecac"
    assert booted.release == Release(digest, digest)
    assert bootc.switch(booted, NEW)[-1] == f"ghcr.io/bootc-dev/bink/node@{B}"


def test_composefs_image_is_identified_by_its_pinned_digest() -> None:
    """bootc reported the image's id there (bink#90)."""
    composefs = {"verity": "956fe24e", "bootType": "Bls", "bootloader": "grub"}
    pinned = entry(Release("10.2", C), f"{IMAGE}@{B}", composefs=composefs, ostree=None, store=None)
    reported = bootc_status.booted(bootc_status.parse(host(pinned))).release
    assert (reported.digest, is_release(reported, NEW)) == (C, True)


def test_image_staged_by_its_index_is_identified_by_the_index() -> None:
    """The host reports the digest of its own architecture's manifest."""

    async def story() -> None:
        wanted = Release("10.2", B, reference_digest=INDEX)
        box = BootcBox(entry(OLD))
        await Bootc(box).stage(wanted, lambda _: None)
        assert box.asked == [("switch", f"{IMAGE}@{INDEX}")]
        seen = await Bootc(box).observe()
        assert seen.staged == Release("10.2", B, reference_digest=INDEX)
        assert is_release(seen.staged, Release("10.2", INDEX))

    asyncio.run(story())


def test_downloaded_image_is_unlocked_by_its_pinned_index() -> None:
    box = BootcBox(entry(OLD))
    box.staged = entry(NEW, f"{IMAGE}@{INDEX}", downloadOnly=True)
    asyncio.run(Bootc(box).stage(Release("10.2", INDEX), lambda _: None))
    assert box.asked == [("upgrade", "--from-downloaded")]


def test_composefs_entry_without_an_image_is_recognised() -> None:
    composefs = {"verity": "956fe24e" * 8, "bootType": "Uki", "bootloader": "systemd"}
    bare = entry(OLD, composefs=composefs, ostree=None) | {"image": None}
    assert bootc_status.booted(bootc_status.parse(host(bare))).release == Release("composefs 956fe24e956f")


def test_download_only_image_does_not_boot_next_and_is_unlocked_on_request() -> None:
    async def story() -> None:
        box = BootcBox(entry(OLD))
        box.staged = entry(NEW, downloadOnly=True)
        machine = Bootc(box)
        assert (await machine.observe()).boots_next() == OLD
        await machine.stage(NEW, lambda _: None)
        assert box.asked == [("upgrade", "--from-downloaded")]
        assert (await machine.observe()).boots_next() == NEW
        await machine.reboot()
        assert (await machine.observe()).booted == NEW

    asyncio.run(story())


@pytest.mark.parametrize(
    ("signature", "asked"),
    [
        ("containerPolicy", ("upgrade", "--from-downloaded")),
        ("insecure", ("switch", "--enforce-container-sigpolicy", f"{IMAGE}@{B}")),
    ],
)
def test_image_downloaded_without_the_booted_images_signature_policy_is_fetched_again(
    signature: str, asked: tuple[str, ...]
) -> None:
    box = BootcBox(entry(OLD, reference={"signature": "containerPolicy"}))
    box.staged = entry(NEW, reference={"signature": signature}, downloadOnly=True)
    asyncio.run(Bootc(box).stage(NEW, lambda _: None))
    assert box.asked == [asked]


def test_other_release_is_staged_over_a_downloaded_one() -> None:
    async def story() -> None:
        box = BootcBox(entry(OLD))
        box.staged = entry(OTHER, downloadOnly=True)
        await Bootc(box).stage(NEW, lambda _: None)
        assert box.asked == [("switch", f"{IMAGE}@{B}")]
        assert (await Bootc(box).observe()).boots_next() == NEW

    asyncio.run(story())


def test_staged_image_boots_before_a_queued_rollback_and_a_downloaded_one_does_not() -> None:
    rollback = entry(OLD)
    staged = host(entry(NEW), staged=entry(OTHER), rollback=rollback, rollbackQueued=True, order="rollback")
    boots = bootc_status.parse(staged).next
    assert boots is not None and boots.release == OTHER
    kept = host(entry(NEW), staged=entry(OTHER, downloadOnly=True), rollback=rollback, order="rollback")
    boots = bootc_status.parse(kept).next
    assert boots is not None and boots.release == OLD


@pytest.mark.parametrize("staged", [None, "downloaded", "staged"])
@pytest.mark.parametrize("queued", [False, True])
def test_rollback_always_ends_in_the_rollback_deployment(staged: str | None, queued: bool) -> None:
    async def story() -> None:
        box = BootcBox(entry(NEW))
        box.rollback, box.queued = entry(OLD), queued
        box.staged = entry(OTHER, downloadOnly=staged == "downloaded") if staged else None
        await Bootc(box).roll_back()
        await Bootc(box).roll_back()
        assert (await Bootc(box).observe()).boots_next() == OLD
        await Bootc(box).reboot()
        assert (await Bootc(box).observe()).booted == OLD

    asyncio.run(story())


def test_wrong_rollback_queue_is_refused() -> None:
    """bootc#2405: the contrary is reported with UKIs under systemd-boot."""
    composefs = {"verity": "956f", "bootType": "Uki", "bootloader": "Systemd"}
    box = BootcBox(entry(NEW, composefs=composefs, ostree=None))
    box.rollback, box.queued = entry(OLD, composefs=composefs, ostree=None), True
    assert asyncio.run(Bootc(box).observe()).boots_next() == NEW
    with pytest.raises(MachineError, match=r"systemd-boot.*bootc#2405"):
        asyncio.run(Bootc(box).roll_back())
    assert box.asked == []


def test_prepared_soft_reboot_does_not_prevent_a_full_reboot() -> None:
    async def story() -> None:
        box = BootcBox(entry(OLD))
        box.next_root = True
        await Bootc(box).stage(NEW, lambda _: None)
        before = (await Bootc(box).observe()).boot_id
        await Bootc(box).reboot()
        seen = await Bootc(box).observe()
        assert (seen.booted, seen.boot_id != before) == (NEW, True)

    asyncio.run(story())


@pytest.mark.parametrize(
    ("signature", "options"),
    [
        ({}, ()),
        ({"signature": None}, ()),
        ({"signature": "insecure"}, ()),
        ({"signature": "containerPolicy"}, ("--enforce-container-sigpolicy",)),
    ],
)
def test_signature_policy_of_the_booted_image_is_kept(
    signature: dict[str, Any], options: tuple[str, ...]
) -> None:
    booted = bootc_status.booted(bootc_status.parse(host(entry(OLD, reference=signature))))
    assert bootc.switch(booted, NEW) == ("bootc", "switch", *options, f"{IMAGE}@{B}")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"signature": {"ostreeRemote": "fedora"}}, "ostree remote 'fedora'.*--enforce-container-sigpolicy"),
        ({"signature": "sigstoreOnly"}, "sigstoreOnly.*does not know"),
        ({"signature": {"ostreeRemote": "x", "more": 1}, "transport": "registry"}, "ostree remote 'x'"),
        ({"signature": {"newer": {"keys": []}}}, "newer.*does not know"),
        ({"transport": "containers-storage", "image": "localhost/os"}, "came by containers-storage"),
        ({"transport": "oci", "image": "/var/mnt/osupdate:latest"}, "came by oci"),
        ({"transport": "torrent"}, "came by torrent"),
    ],
)
def test_state_that_a_switch_cannot_keep_is_refused_by_name_and_still_observed(
    changes: dict[str, Any], message: str
) -> None:
    box = BootcBox(entry(OLD, reference=changes))
    assert asyncio.run(Bootc(box).observe()).booted == OLD
    with pytest.raises(MachineError, match=message):
        asyncio.run(Bootc(box).stage(NEW, lambda _: None))
    assert box.asked == []


@pytest.mark.parametrize(
    "image",
    [f"{IMAGE}", f"{IMAGE}:stable", f"{IMAGE}@{C}", f"{IMAGE}:stable@{C}"],
)
def test_repository_with_a_port_is_kept_without_tag_and_digest(image: str) -> None:
    booted = bootc_status.booted(bootc_status.parse(host(entry(OLD, image))))
    assert bootc.switch(booted, NEW)[-1] == f"{IMAGE}@{B}"


def test_unknown_states_are_refused_all_at_once_by_name() -> None:
    odd = entry(NEW, store="tape", composefs={"verity": "00", "bootType": "Floppy"})
    with pytest.raises(MachineError) as refused:
        bootc_status.parse(host(entry(OLD), order="random", type="bootcPhone", staged=odd))
    for part in (
        "spec.bootOrder is 'random' (known: default, rollback)",
        "status.type is 'bootcPhone' (known: bootcHost)",
        "status.staged.store is 'tape' (known: ostreeContainer)",
        "status.staged.composefs.bootType is 'Floppy' (known: Bls, Uki)",
    ):
        assert part in refused.value.message


@pytest.mark.parametrize(
    ("key", "value"), [("apiVersion", "org.containers.bootc/v2"), ("kind", "BootcPhone")]
)
def test_other_kind_of_document_is_refused_by_name(key: str, value: str) -> None:
    with pytest.raises(MachineError, match=f"{key} is '{value}'"):
        bootc_status.parse(json.dumps(json.loads(host(entry(OLD))) | {key: value, "status": {"booted": [7]}}))


def test_unknown_and_missing_fields_are_ignored() -> None:
    newer = json.loads(
        host(entry(OLD, later={"x": [1]}), storage={"unified": "enabled"}, usrOverlay={"a": 1})
    )
    newer["later"] = True
    assert bootc_status.booted(bootc_status.parse(json.dumps(newer))).release == OLD
    oldest = {
        "apiVersion": "org.containers.bootc/v1alpha1",
        "kind": "BootcHost",
        "status": {
            "booted": {"image": {"image": {"image": IMAGE, "transport": "registry"}, "imageDigest": A}},
            "isContainer": False,
        },
    }
    status = bootc_status.parse(json.dumps(oldest))
    assert bootc_status.booted(status).release == Release(A, A)
    assert (status.next, status.status.rollback) == (None, None)


def test_missing_facts_are_refused_for_the_booted_image_alone() -> None:
    untold = entry(OLD) | {"image": None, "ostree": None}
    box = BootcBox(entry(OLD))
    box.staged, box.rollback = untold, untold
    seen = asyncio.run(Bootc(box).observe())
    assert (seen.booted, seen.staged, seen.rollback) == (OLD, bootc_status.UNTOLD, None)
    box.booted = untold
    with pytest.raises(MachineError, match="reports neither an image"):
        asyncio.run(Bootc(box).observe())


def test_host_changed_by_rpm_ostree_has_a_remedy() -> None:
    changed = entry(OLD) | {"image": None, "incompatible": True}
    with pytest.raises(MachineError, match="rpm-ostree reset"):
        bootc.switch(bootc_status.booted(bootc_status.parse(host(changed))), NEW)
    commit = entry(OLD) | {"image": None}
    with pytest.raises(MachineError, match="came by ostree"):
        bootc.switch(bootc_status.booted(bootc_status.parse(host(commit))), NEW)


@pytest.mark.parametrize(
    ("name", "booted", "next_one"),
    [
        ("spec-booted-pinned.yaml", "sha256:47e5", ""),
        ("spec-booted-update-same-digest.yaml", "sha256:47e5", ""),
        ("spec-booted-usroverlay.yaml", "sha256:736b", ""),
        ("spec-booted-with-update-no-version.yaml", "sha256:47e5", ""),
        ("spec-booted-with-update.yaml", "sha256:47e5", ""),
        ("spec-only-booted.yaml", "sha256:47e5", ""),
        ("spec-ostree-remote.yaml", "sha256:b5bb", ""),
        ("spec-ostree-to-bootc.yaml", "sha256:f9fa", "sha256:47e5"),
        ("spec-rfe-ostree-deployment.yaml", "sha256:f9fa", "sha256:1c24"),
        ("spec-staged-booted.yaml", "sha256:736b", "sha256:16dc"),
        ("spec-staged-download-only.yaml", "sha256:736b", ""),
        ("spec-v1a1.yaml", "sha256:b5bb", ""),
        ("spec-via-local-oci.yaml", "sha256:47e5", ""),
    ],
)
def test_statuses_of_bootcs_own_tests(name: str, booted: str, next_one: str) -> None:
    status = bootc_status.parse(recorded.as_json(recorded.shared(f"bootc/{name}")))
    assert bootc_status.booted(status).release.digest.startswith(booted)
    found = status.next.release.digest if status.next is not None else ""
    assert (found.startswith(next_one), found == "") == (True, next_one == "")
