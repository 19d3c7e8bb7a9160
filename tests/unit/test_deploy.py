"""The plain manifests fit the image and what fleet installs; the chart is up to date with what it is made from."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import yaml

from fleet.kube.install.installation import AGENT_LABELS, AGENT_NAMESPACES, NAMESPACE
from fleet.lab.machines.container.debian import PACKAGES
from tools.chart import CHART, MANIFESTS, generated

ROOT = Path(__file__).parents[2]
IMAGE = (ROOT / "deploy/Dockerfile").read_text()
DOCS = (ROOT / "docs/controller.md").read_text()


def installed(kind: str, name: str) -> dict[str, Any]:
    """The object of that kind and name in the plain manifests."""
    (found,) = [
        each
        for each in yaml.safe_load_all(MANIFESTS.read_text())
        if each and (each["kind"], each["metadata"]["name"]) == (kind, name)
    ]
    return dict(found)


def pod() -> dict[str, Any]:
    found: dict[str, Any] = installed("Deployment", "fleet-controller")["spec"]["template"]["spec"]
    return found


def test_chart_is_made_from_what_fleet_installs_and_from_its_schema() -> None:
    stale = [str(path.relative_to(ROOT)) for path, text in generated().items() if path.read_text() != text]
    assert stale == [], "make chart writes them anew"
    assert set((CHART / "templates/installed").iterdir()) <= set(generated())


def test_chart_has_the_version_of_the_package() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert chart["version"] == chart["appVersion"] == project["version"]


def test_dockerfile_installs_the_programs_of_the_built_image_that_its_base_lacks() -> None:
    named = re.search(r"apt-get install -y --no-install-recommends ([\w -]+) &&", IMAGE)
    assert named is not None
    assert set(named[1].split()) == {"openssh-client", "gpgv"} < set(PACKAGES)


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
    settings = {each["name"]: each.get("value") for each in pod()["containers"][0]["env"]}
    assert settings["HOME"] == home
    assert f"FLEET_HOME={settings['FLEET_HOME']}" in IMAGE


def test_account_is_the_one_that_fleet_installs_and_not_the_agents() -> None:
    accounts = list(yaml.safe_load_all((ROOT / "fleet/kube/install/manifests/30-accounts.yaml").read_text()))
    assert pod()["serviceAccountName"] in {each["metadata"]["name"] for each in accounts}
    deployment = installed("Deployment", "fleet-controller")
    assert deployment["metadata"]["namespace"] == NAMESPACE
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert labels.items() >= deployment["spec"]["selector"]["matchLabels"].items()
    assert not AGENT_LABELS.items() <= labels.items()


def test_agents_are_where_fleet_looks_for_them() -> None:
    agents = installed("DaemonSet", "fleet-agent")
    assert agents["metadata"]["namespace"] in AGENT_NAMESPACES
    assert AGENT_LABELS.items() <= agents["spec"]["template"]["metadata"]["labels"].items()


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
    """Without its argument, `FROM name@` is no reference and docker builds nothing."""
    bases = re.findall(r"^FROM (\S+)", IMAGE, re.MULTILINE)
    assert bases == ["${BASE}@${DIGEST}"] * 2
    assert re.findall(r"^ARG DIGEST(.*)$", IMAGE, re.MULTILINE) == [""], "nobody's digest is the default"
