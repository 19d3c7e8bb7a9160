"""Whether a database outlives its pod, by mountinfo of containers as containerd makes them."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet.system.mounts import outlives_container

PODS = "/var/lib/kubelet/pods/0b9c7e1e-5d3c-4d5e-9a0b-3f1a"
MOUNTS = f"""\
1200 900 0:310 / / ro,relatime master:1 - overlay overlay rw,lowerdir=/var/lib/containerd/x
1201 1200 8:1 {PODS}/volumes/kubernetes.io~empty-dir/tmp /tmp rw,relatime - ext4 /dev/sda1 rw
1202 1200 8:32 / /var/lib/fleet rw,relatime - ext4 /dev/sdc rw
1203 1200 0:50 / /var/lib/fleet/memory rw,relatime - tmpfs tmpfs rw
1204 1200 8:1 /srv/a\\040b /var/lib/with\\040space rw,relatime - xfs /dev/sda1 rw
1205 1200 8:1 {PODS}/volumes/kubernetes.io~empty-dir/again /var/lib/twice rw,relatime - ext4 /dev/sda1 rw
1206 1200 8:48 / /var/lib/twice rw,relatime - ext4 /dev/sdd rw
"""


@pytest.mark.parametrize(
    ("path", "outlives"),
    [
        ("/var/lib/fleet/fleet.db", True),
        ("/var/lib/fleet/memory/fleet.db", False),
        ("/tmp/fleet.db", False),
        ("/opt/fleet.db", False),
        ("/var/lib/with space/fleet.db", True),
        ("/var/lib/twice/fleet.db", True),
    ],
)
def test_path_on_a_volume_outlives_the_container(path: str, outlives: bool) -> None:
    assert outlives_container(Path(path), MOUNTS) is outlives


@pytest.mark.parametrize("mountinfo", ["", "nonsense\n\n- - -\n"])
def test_path_of_which_nothing_is_known_is_taken_for_one_that_outlives_it(mountinfo: str) -> None:
    assert outlives_container(Path("/var/lib/fleet/fleet.db"), mountinfo)


def test_own_mounts_can_be_read() -> None:
    mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8")
    assert outlives_container(Path("/proc/self/status"), mounts)
