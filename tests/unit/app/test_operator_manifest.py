"""The manifest by which the API server proves users is there, and has what is compared."""

from __future__ import annotations

from importlib import resources

import yaml

from fleet.app.operator.api import BINDS, PROVES, USERS


def test_manifest_of_the_users_of_rollouts_has_what_is_compared() -> None:
    manifest = resources.files("fleet.kube.install").joinpath("manifests", *USERS)
    policy, binding = yaml.safe_load_all(manifest.read_text(encoding="utf-8"))
    assert set(PROVES) <= policy["spec"].keys() and set(BINDS) <= binding["spec"].keys()
