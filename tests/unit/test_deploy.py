"""The Deployment of deploy/controller.yaml fits the image, the manifests that fleet installs, and its own documentation."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import yaml

from fleet.kube.install.installation import AGENT_LABELS, NAMESPACE

ROOT = Path(__file__).parents[2]
IMAGE = (ROOT / "deploy/Dockerfile").read_text()
DOCS = (ROOT / "docs/controller.md").read_text()


def deployment() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "deploy/controller.yaml").read_text())
    return found


def pod() -> dict[str, Any]:
    found: dict[str, Any] = deployment()["spec"]["template"]["spec"]
    return found


def test_pod_runs_as_the_images_user_with_a_name_and_a_home() -> None:
    named = re.search(r"useradd --uid (\d+) --gid (\d+) --create-home --home-dir (\S+) fleet", IMAGE)
    assert named is not None, "ssh does not work for a user without a name"
    uid, gid, home = named.groups()
    assert f"USER {uid}:{gid}" in IMAGE and f"HOME={home}" in IMAGE
    security = pod()["securityContext"]
    assert (security["runAsUser"], security["runAsGroup"], security["fsGroup"]) == (
        int(uid),
        int(gid),
        int(gid),
    )
    settings = {each["name"]: each["value"] for each in pod()["containers"][0]["env"]}
    assert settings["HOME"] == home
    assert f"FLEET_HOME={settings['FLEET_HOME']}" in IMAGE


def test_every_mounted_file_exists_and_is_documented() -> None:
    volumes = {each["name"]: each for each in pod()["volumes"]}
    mounts = pod()["containers"][0]["volumeMounts"]
    assert {each["name"] for each in mounts} == set(volumes)
    for each in mounts:
        assert each["name"] == "temporary" or each["mountPath"] in DOCS
    for each in volumes.values():
        for kind, key in (
            ("secret", "secretName"),
            ("configMap", "name"),
            ("persistentVolumeClaim", "claimName"),
        ):
            assert kind not in each or each[kind][key] in DOCS
    # ssh takes a key of root's that the group may read, and writes nothing there.
    assert volumes["ssh"]["secret"]["defaultMode"] == 0o440
    assert all(each.get("readOnly") for each in mounts if each["name"] in ("ssh", "kubeconfigs", "policy"))


def test_account_is_the_one_that_fleet_installs_and_not_the_agents() -> None:
    accounts = list(yaml.safe_load_all((ROOT / "fleet/kube/install/manifests/30-accounts.yaml").read_text()))
    assert pod()["serviceAccountName"] in {each["metadata"]["name"] for each in accounts}
    assert deployment()["metadata"]["namespace"] == NAMESPACE
    labels = deployment()["spec"]["template"]["metadata"]["labels"]
    assert labels == deployment()["spec"]["selector"]["matchLabels"]
    assert not AGENT_LABELS.items() <= labels.items()


def test_image_has_the_tested_versions_and_no_development_tools() -> None:
    everything, image = (locked(ROOT / name) for name in ("requirements.lock", "deploy/requirements.lock"))
    assert image.items() <= everything.items()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    direct = {named(each) for each in project["project"]["dependencies"]}
    direct |= {named(each) for each in project["project"]["optional-dependencies"]["playbooks"]}
    assert direct <= set(image)
    # What ansible, rich and paramiko need too.
    shared = {"packaging", "markdown-it-py", "bcrypt"}
    assert set(image) & {named(each) for each in project["dependency-groups"]["dev"]} <= shared
    assert "-r deploy/requirements.lock" in IMAGE


def locked(path: Path) -> dict[str, list[str]]:
    """Each package with its versions: one may have several, by Python's own."""
    found: dict[str, list[str]] = {}
    for line in path.read_text().splitlines():
        if (package := re.match(r"(\S+)==(\S+)", line)) is not None:
            found.setdefault(package[1], []).append(package[2])
    return found


def named(requirement: str) -> str:
    return re.split(r"[\[<>=,;]", requirement)[0].lower()


def test_no_image_is_named_by_a_tag_alone() -> None:
    """Without its argument, `FROM name@` is no reference and docker builds nothing; nor does a kubelet pull name@DIGEST."""
    bases = re.findall(r"^FROM (\S+)", IMAGE, re.MULTILINE)
    assert bases == ["${BASE}@${DIGEST}"] * 2
    assert re.findall(r"^ARG DIGEST(.*)$", IMAGE, re.MULTILINE) == [""], "nobody's digest is the default"
    assert [each["image"].partition("@")[2] for each in pod()["containers"]] == ["DIGEST"]
