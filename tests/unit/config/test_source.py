"""The policy is shown in plans, journal and reports: it has no passwords."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet.config import load
from fleet.core.records.errors import ConfigError

POLICY = """
streams: [{{name: stable, releases: [{{version: "1"}}]}}]
pools: [{{name: workers, stream: stable, reach: ssh, source: "{source}"}}]
quorums: [{{name: etcd, cluster: east, kind: etcd, endpoints: ["{endpoint}"]}}]
"""


@pytest.mark.parametrize("place", ["source", "endpoint"])
@pytest.mark.parametrize("user", ["eve:hunter2", "hunter2", "eve:hunter2%40x", ":hunter2"])
def test_user_and_password_are_refused_and_not_quoted(tmp_path: Path, place: str, user: str) -> None:
    message = {"source": "https://bundles.example/os", "endpoint": "https://10.0.0.1:2379"}
    message[place] = message[place].replace("https://", f"HTTPS://{user}@")
    (tmp_path / "fleet.yaml").write_text(POLICY.format(**message))
    with pytest.raises(ConfigError) as refused:
        load(tmp_path / "fleet.yaml")
    reported = [str(each) for each in refused.value.problems]
    assert any("[hidden]@" in each for each in reported)
    assert not any("hunter2" in each for each in reported)


@pytest.mark.parametrize(
    "source",
    [
        "https://bundles.example/os?token=hunter2",
        "https://bucket.example/os?X-Amz-Signature=hunter2&x=1",
        "https://bundles.example/os#hunter2",
        "eve:hunter2@quay.io/os",
        "//eve:hunter2@bundles.example/os",
        "https:/eve:hunter2@bundles.example/os",
        "ostree:eve:hunter2@bundles.example",
        "https://eve:hun?ter hunter2@bundles.example",
    ],
)
def test_possible_secret_is_refused_however_it_is_written(tmp_path: Path, source: str) -> None:
    (tmp_path / "fleet.yaml").write_text(POLICY.format(source=source, endpoint="https://10.0.0.1:2379"))
    with pytest.raises(ConfigError) as refused:
        load(tmp_path / "fleet.yaml")
    (problem,) = refused.value.problems
    assert "workers.source" in problem and "hunter2" not in problem


@pytest.mark.parametrize(
    "source",
    [
        "https://bundles.example:8080/os@2",
        "registry.example:5000/os:2@sha256:ab",
        "https://bundles.example/os@2",
        "ostree-image-signed:docker://quay.io/fedora/fedora-coreos",
        "fedora:fedora/x86_64/coreos/next",
        "registry.example/os@sha256:ab",
    ],
)
def test_other_sources_are_accepted(tmp_path: Path, source: str) -> None:
    (tmp_path / "fleet.yaml").write_text(POLICY.format(source=source, endpoint="https://10.0.0.1:2379"))
    policy, _ = load(tmp_path / "fleet.yaml")
    assert policy.pools[0].source == source
