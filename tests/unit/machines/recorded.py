"""What real programs printed, with the origin of each. Shortened where lines of no interest are left out.

Larger recordings are read from `../shared/data` beside the project, where that is there.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

SHARED = Path(__file__).parents[3] / ".." / "shared" / "data"


def shared(path: str) -> str:
    """A recording that is not a part of the project; skips where it is missing."""
    file = SHARED / path
    if not file.is_file():
        pytest.skip("needs the recordings in ../shared/data, beside the project")
    return file.read_text()


class _Loader(yaml.SafeLoader):
    """Reads what serde_yaml wrote: `version: 20231230.1` is a string there, and `!ostreeRemote NAME` a table."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in each if not tag.endswith((":float", ":timestamp"))]
    for first, each in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_constructor("!ostreeRemote", lambda _, node: {"ostreeRemote": node.value})


def as_json(text: str) -> str:
    """Of a status that bootc printed as YAML."""
    return json.dumps(yaml.load(text, _Loader))


RPM_OSTREE_IMAGE = """
{"deployments": [{
  "unlocked": "none", "pinned": false, "osname": "fedora-coreos", "serial": 0, "timestamp": 1762837557,
  "checksum": "36ff46d732a070a1bf10f7157f764e316f99a836dcdbf56702798e5042411fe9",
  "container-image-reference-digest":
    "sha256:ca99893c80a7b84dd84d4143bd27538207c2f38ab6647a58d9c8caa251f9a087",
  "container-image-reference": "ostree-image-signed:docker://quay.io/fedora/fedora-coreos:stable",
  "version": "43.20251024.3.0", "staged": false, "booted": true,
  "requested-packages": [], "requested-local-packages": [], "packages": []}],
 "transaction": null, "cached-update": null,
 "update-driver": {"driver-name": "Zincati", "driver-sd-unit": "zincati.service"}}
"""
"""github.com/coreos/zincati (Apache-2.0), tests/fixtures/rpm-ostree-status.json at be76c4a, shortened."""

OSTREE_BOOTED_ROLLBACK = """\
* lmp 435b6162c6240ac995421d0417ebfa79cf0f6081d34f9d995a2431a695ded52b.15
    origin refspec: 435b6162c6240ac995421d0417ebfa79cf0f6081d34f9d995a2431a695ded52b
  lmp f315bbe0cde9125f91ca3faee238df121fbb0ad20499b11148402ee7f0fb1859.0 (rollback)
    origin refspec: f315bbe0cde9125f91ca3faee238df121fbb0ad20499b11148402ee7f0fb1859
"""
"""A test of a client for Linux microPlatform devices, found in the public index of sources."""

OSTREE_PENDING = """\
  torizon 0cbeafe2973079d5edb4457839054af3c1bb8ea09678c92bcf022eea2ca92e60.0 (pending)
    origin refspec: toradex-nightly:torizon-core-docker
* torizon 4fc80f14d5ee2160004e3252080226f8f1d6f6ad4d8d7024b4198584c23afaa6.0
    origin refspec: 4fc80f14d5ee2160004e3252080226f8f1d6f6ad4d8d7024b4198584c23afaa6
"""
"""Notes on Torizon on an Apalis iMX6, found in the public index of sources."""

OSTREE_VERSIONS = """\
* torizon c36fa238d81cbed536ee206c58978d421093ec866dee3b4e78678f6a2d83cff5.1
    Version: 7.7.0-devel-20260821082328+build.0
    origin refspec: c36fa238d81cbed536ee206c58978d421093ec866dee3b4e78678f6a2d83cff5
  torizon 2e53aba101b012d63a7d90c955891e2269a51e2f92ac75362652a40320e5c467.2 (rollback)
    Version: 7.7.0-devel-20260820145747+build.0
    origin refspec: 2e53aba101b012d63a7d90c955891e2269a51e2f92ac75362652a40320e5c467
"""
"""Notes on TorizonCore 7.7, found in the public index of sources."""

OSTREE_UNLOCKED = """\
* centos-atomic-host 675583e7db81b59a08e0bbfb3735bddde9d768f9f4500b845799c7e97ab71091.1
    Version: 2016.0.169
    Unlocked: development
    origin refspec: centos-atomic-continuous:centos-atomic-host/7/x86_64/devel/continuous
"""
"""A blog post of Project Atomic on `ostree admin unlock`."""

RAUC_113 = (
    '{"compatible":"steamos-amd64","variant":"","booted":"/dev/sda1","boot_primary":"rootfs.0","slots":['
    '{"rootfs.1":{"class":"rootfs","device":"/dev/loop0","type":"ext4","bootname":"B","state":"inactive",'
    '"parent":null,"mountpoint":null,"boot_status":"good"}},{"rootfs.0":{"class":"rootfs","device":"/dev/sda1",'
    '"type":"ext4","bootname":"A","state":"booted","parent":null,"mountpoint":"/","boot_status":"good"}}],'
    '"artifact-repositories":[]}'
)
"""rauc 1.13, as a test of a SteamOS tool in the public index of sources has it."""

RAUC_RESCUE = """
{"compatible":"fleet-test","variant":"","booted":"B","boot_primary":"rootfs.1","slots":[
{"rescue.0":{"class":"rescue","device":"/dev/mmcblk0p1","type":"raw","bootname":"R","state":"inactive",
 "parent":null,"mountpoint":null,"boot_status":"good","slot_status":{"bundle":{"compatible":"fleet-test","version":"0.9"},
 "checksum":{"sha256":"RESCUE","size":200000},"installed":{"timestamp":"2026-01-01T00:00:00Z","count":1},"status":"ok"}}},
{"appfs.0":{"class":"appfs","device":"/dev/mmcblk0p4","type":"raw","bootname":null,"state":"inactive",
 "parent":"rootfs.0","mountpoint":null,"boot_status":null,"slot_status":{"bundle":{"compatible":null}}}},
{"appfs.1":{"class":"appfs","device":"/dev/mmcblk0p5","type":"raw","bootname":null,"state":"active",
 "parent":"rootfs.1","mountpoint":null,"boot_status":null,"slot_status":{"bundle":{"compatible":null}}}},
{"rootfs.0":{"class":"rootfs","device":"/dev/mmcblk0p2","type":"raw","bootname":"A","state":"inactive",
 "parent":null,"mountpoint":null,"boot_status":"good","slot_status":{"bundle":{"compatible":"fleet-test","version":"1.0"},
 "checksum":{"sha256":"OLD","size":200000},"activated":{"timestamp":"2026-01-01T00:00:00Z","count":1},"status":"ok"}}},
{"rootfs.1":{"class":"rootfs","device":"/dev/mmcblk0p3","type":"raw","bootname":"B","state":"booted",
 "parent":null,"mountpoint":"/","boot_status":"good","slot_status":{"bundle":{"compatible":"fleet-test","version":"2.0",
 "hash":"00"},"checksum":{"sha256":"NEW","size":200000},"status":"ok"}}}],
 "artifact-repositories":[{"name":"retained","path":"/srv/artifacts","type":"files","artifacts":[]}]}
"""
"""The members that src/main.c of rauc 1.5 to 1.15 writes (`r_status_formatter_json`), values made up: slots of four
classes, the rescue slot first. tests/machines/test_rauc.py has the real program with the same slots."""

UPDATE_ENGINE = """\
[1202/123859:INFO:update_engine_client.cc(243)] Initiating update check and install.
[1202/123859:INFO:update_engine_client.cc(248)] Waiting for update to complete.
LAST_CHECKED_TIME=1480682339
PROGRESS=0.000000
CURRENT_OP=UPDATE_STATUS_UPDATE_AVAILABLE
NEW_VERSION=0.0.0.0
NEW_SIZE=213129575

Broadcast message from locksmithd at 2016-12-02 12:40:34.136894924 +0000 UTC:
System reboot in 5 minutes!

LAST_CHECKED_TIME=1480682339
PROGRESS=0.000000
CURRENT_OP=UPDATE_STATUS_UPDATED_NEED_REBOOT
NEW_VERSION=0.0.0.0
NEW_SIZE=213129575
[1202/124034:INFO:update_engine_client.cc(193)] Update succeeded -- reboot needed.
"""
"""Container Linux updated from CoreRoller, 2016: notes in the public index of sources. Flatcar kept the client."""

UPDATE_ENGINE_IDLE = """\
LAST_CHECKED_TIME=1700000000
PROGRESS=0.000000
CURRENT_OP=UPDATE_STATUS_IDLE
NEW_VERSION=0.0.0
NEW_SIZE=0
"""
"""flatcar/update_engine, src/update_engine/update_engine_client.cc: what it prints of a machine at rest."""

BOTTLEROCKET_READY = """\
21:12:06 [INFO] Refreshing updates...
{
  "active_partition": {
    "image": {"arch": "x86_64", "variant": "aws-k8s-1.27", "version": "1.14.0"},
    "next_to_boot": false
  },
  "available_updates": ["1.15.0", "1.14.3", "1.14.2", "1.14.1", "1.14.0"],
  "chosen_update": {"arch": "x86_64", "variant": "aws-k8s-1.27", "version": "1.15.0"},
  "most_recent_command": {
    "cmd_status": "Success", "cmd_type": "refresh", "exit_status": 0, "stderr": "",
    "timestamp": "2023-10-13T21:12:06.374961452Z"
  },
  "staging_partition": {
    "image": {"arch": "x86_64", "variant": "aws-k8s-1.27", "version": "1.15.0"},
    "next_to_boot": true
  },
  "update_state": "Ready"
}
"""
"""`apiclient update check` in a workshop on EKS (Bottlerocket 1.14), in the public index of sources."""

BOTTLEROCKET_OS = """
{"pretty_name": "Bottlerocket OS 1.14.0 (aws-k8s-1.27)", "variant_id": "aws-k8s-1.27", "version_id": "1.14.0",
 "build_id": "764e37e4", "arch": "x86_64"}
"""
"""The members of BottlerocketRelease (sources/bottlerocket-release/src/lib.rs of bottlerocket-core-kit), values made up."""

SNAPPER = """
{"root": [
  {"number": 0, "default": false, "active": false, "userdata": null},
  {"number": 1, "default": false, "active": true, "userdata": {"important": "yes"}},
  {"number": 2, "default": true, "active": false, "userdata": {"fleet-digest": "sha256:aa", "fleet-version": "6.1-5"}},
  {"number": 3, "default": false, "active": false, "userdata": {"transactional-update-in-progress": "yes"}}
]}
"""
"""`snapper --no-dbus --root MOUNT --jsonout list --columns number,default,active,userdata` of snapper 0.10.4 (Debian 12),
on a btrfs that is laid out as MicroOS', without line breaks: snapshot 1 is mounted, 2 was written by fleet and made the
default, the writing of 3 has broken off. tests/machines/test_snapper.py has the real program."""

TALOS_META = """\
{
    "metadata": {
        "created": "2026-11-29T23:11:08Z", "id": 6, "namespace": "runtime", "owner": null, "phase": "running",
        "type": "MetaKeys.runtime.talos.dev", "updated": "2026-11-29T23:11:08Z", "version": "undefined"
    },
    "node": "10.5.0.2",
    "spec": {"value": "A"}
}
{
    "metadata": {
        "created": "2026-11-29T23:11:08Z", "id": 7, "namespace": "runtime", "owner": null, "phase": "running",
        "type": "MetaKeys.runtime.talos.dev", "updated": "2026-11-29T23:11:08Z", "version": "undefined"
    },
    "node": "10.5.0.2",
    "spec": {"value": "ghcr.io/siderolabs/installer:v1.9.5"}
}
{
    "metadata": {
        "created": "2026-11-29T23:11:08Z", "id": 8, "namespace": "runtime", "owner": null, "phase": "running",
        "type": "MetaKeys.runtime.talos.dev", "updated": "2026-11-29T23:11:08Z", "version": "undefined"
    },
    "node": "10.5.0.2",
    "spec": {"value": "{\\"Pull\\":true}"}
}
"""
"""META keys as `talosctl get metakeys -o json` prints them: made with the Go module
github.com/siderolabs/talos/pkg/machinery 1.9.5 (its MetaKey resource and tags) by the steps of
cmd/talosctl/cmd/talos/output/json.go. Line breaks are left out."""

BOOTC_COMPOSEFS = """
{"apiVersion":"org.containers.bootc/v1","kind":"BootcHost","metadata":{"name":"host"},
 "spec":{"bootOrder":"default","image":{"image":"ghcr.io/bootc-dev/bink/node:v1.35-fedora-44","transport":"registry"}},
 "status":{"booted":{"cachedUpdate":null,
   "composefs":{"bootDigest":null,"bootType":"Bls","bootloader":"Grub","missingVerityAllowed":true,"verity":"956fe24e"},
   "downloadOnly":false,
   "image":{"architecture":"amd64",
     "image":{"image":"ghcr.io/bootc-dev/bink/node:v1.35-fedora-44","transport":"registry"},
     "imageDigest":"sha256:cd5d55566e9ca3a49ea588e9d44c54f4b48e1387646c273d1f56e8ad33b8ecac",
     "timestamp":"2026-06-29T12:00:31.727356920Z","version":null},
   "incompatible":false,"ostree":null,"pinned":false,"softRebootCapable":false,"store":null},
  "rollback":null,"rollbackQueued":false,"staged":null,"type":null,"usrOverlay":null}}
"""
"""bootc-dev/bink, issue 90 (July 2026): `bootc status --json` on the composefs backend. What the issue leaves out, the
table `composefs` among it, is as bootc's own host-v1.schema.json at 3359470 has it."""

OSTREE_SOFT_REBOOT = """\
  fedora 7eac0cbeafe2973079d5edb4457839054af3c1bb8ea09678c92bcf022eea2ca9.0 (staged) (soft-reboot)
    Version: 43.2
    origin: <unknown origin type>
* fedora 4fc80f14d5ee2160004e3252080226f8f1d6f6ad4d8d7024b4198584c23afaa6.0
    Version: 43.1
    Pinned: yes
    origin refspec: fedora:fedora/43/x86_64/silverblue
    `- a title of the source
    GPG: Signature made Mon 23 Nov 2026 10:00:00 AM UTC using RSA key ID ACB5EE4E831C74BB7C16
    GPG: Good signature from "Fedora <fedora-43-primary@fedoraproject.org>"
"""
"""As ostree 2025.3 and later print it: composed by src/ostree/ot-admin-builtin-status.c, not recorded."""

OSTREE_JSON = """
{"deployments": [
  {"checksum": "7eac0cbeafe2973079d5edb4457839054af3c1bb8ea09678c92bcf022eea2ca9", "stateroot": "fedora", "serial": 0,
   "index": 0, "booted": false, "pending": false, "rollback": false, "finalization-locked": true,
   "soft-reboot-target": false, "staged": true, "pinned": false, "unlocked": "none", "version": "43.2"},
  {"checksum": "4fc80f14d5ee2160004e3252080226f8f1d6f6ad4d8d7024b4198584c23afaa6", "stateroot": "fedora", "serial": 0,
   "index": 1, "booted": true, "pending": false, "rollback": false, "finalization-locked": false,
   "soft-reboot-target": false, "staged": false, "pinned": true, "unlocked": "none", "version": "43.1",
   "source-title": "a title of the source"}]}
"""
"""As `ostree admin status --json` of 2025.3 and later prints it: composed by the same source, not recorded."""
