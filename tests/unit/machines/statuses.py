"""Statuses as bootc and rpm-ostree print them, made for tests: with every field that their sources have."""

from __future__ import annotations

import json
from typing import Any

from fleet.core.releases.release import Release

A, B, C = (f"sha256:{letter * 64}" for letter in "abc")
INDEX, MANIFEST = f"sha256:{'1' * 64}", f"sha256:{'9' * 64}"
REPOSITORY = "quay.io:443/example/os"
Entry = dict[str, Any]


def bootc_entry(release: Release, image: str = f"{REPOSITORY}:stable", **more: Any) -> Entry:
    reference = {"image": image, "transport": "registry"} | more.pop("reference", {})
    return {
        "cachedUpdate": None,
        "composefs": None,
        "downloadOnly": False,
        "image": {
            "architecture": "amd64",
            "image": reference,
            "imageDigest": release.digest,
            "timestamp": None,
            "version": release.version,
        },
        "incompatible": False,
        "ostree": {"checksum": release.digest[7:], "deploySerial": 0, "stateroot": "default"},
        "pinned": False,
        "softRebootCapable": True,
        "store": "ostreeContainer",
        **more,
    }


def bootc_host(booted: Entry | None, *, order: str = "default", **status: Any) -> str:
    """With sorted keys, as bootc prints it since 1.5."""
    slots = {"booted": booted, "rollback": None, "rollbackQueued": False, "staged": None, "type": "bootcHost"}
    document = {
        "apiVersion": "org.containers.bootc/v1",
        "kind": "BootcHost",
        "metadata": {"name": "host"},
        "spec": {"bootOrder": order, "image": None},
        "status": slots | status,
    }
    return json.dumps(document, sort_keys=True, separators=(",", ":"))


def layered_entry(release: Release, local: str, **more: Any) -> Entry:
    """With all fields that rpm-ostree reports of a host with changes of every kind."""
    return {
        "id": f"fedora-coreos-{local * 64}.0",
        "osname": "fedora-coreos",
        "serial": 0,
        "unlocked": "none",
        "pinned": False,
        "gpg-enabled": True,
        "checksum": local * 64,
        "base-checksum": release.digest[7:],
        "base-version": release.version,
        "base-timestamp": 1762837557,
        "base-commit-meta": {
            "version": release.version,
            "ostree.linux": "6.11",
            "coreos-assembler.basearch": "x86_64",
        },
        "layered-commit-meta": {"rpmostree.clientlayer": True},
        "version": f"{release.version} with changes",
        "origin": "fedora:fedora/x86_64/coreos/stable",
        "staged": False,
        "booted": False,
        "requested-packages": ["nano"],
        "packages": ["nano", "nano-default-editor"],
        "requested-local-packages": ["falcon-7.0-1.x86_64"],
        "requested-local-fileoverride-packages": ["kmod-x-1-1.x86_64"],
        "requested-base-local-replacements": ["kernel-6.12-1.x86_64"],
        "requested-base-removals": ["zincati"],
        "base-removals": [["zincati", ["zincati", 0, "0.0.30", "1.fc44", "x86_64"]]],
        "base-local-replacements": [
            [["kernel", 0, "6.12", "1", "x86_64"], ["kernel", 0, "6.11", "1", "x86_64"]]
        ],
        "base-remote-replacements": {},
        "modules": [],
        "requested-modules": None,
        "regenerate-initramfs": True,
        "initramfs-args": ["--force"],
        "initramfs-etc": [],
        "live-inprogress": "",
        "live-replaced": "1" * 64,
        **more,
    }


def rpm_ostree_status(*deployments: Entry, **more: Any) -> str:
    rest = {"transaction": None, "cached-update": None, "update-driver": None}
    return json.dumps({"deployments": deployments} | rest | more)


def image_entry(reference: str, **more: Any) -> Entry:
    named = {"container-image-reference": reference, "container-image-reference-digest": MANIFEST}
    return {"checksum": "4" * 64, "booted": True} | named | more
