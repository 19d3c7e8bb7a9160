"""The CRDs that fleet installs are those that the reader of `fleet.yaml`, docs/policy.md and the structs make."""

from __future__ import annotations

import pytest

from tools.crds import generate


@pytest.mark.parametrize(("name", "text"), generate.files().items())
def test_crds_are_generated(name: str, text: str) -> None:
    found = (generate.MANIFESTS / name).read_text(encoding="utf-8")
    assert found == text, "python -m tools.crds.generate"
