"""The playbooks compare releases and kernels as fleet's own functions do."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import to_builtins

from fleet.core.releases import kernel, release
from fleet.core.releases.release import Release
from fleet.machines.ansible.facts import observation
from fleet.machines.errors import MachineError
from tests.property.test_kernel import REAL
from tests.property.test_release import ANY
from tests.releases import AMD, INDEX, PAIRS, Pair

PLUGIN = Path(__file__).parents[3] / "playbooks" / "test_plugins" / "fleet_release.py"


def rules() -> dict[str, Callable[..., bool]]:
    spec = spec_from_file_location("fleet_release", PLUGIN)
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    found: dict[str, Callable[..., bool]] = module.TestModule().tests()
    return found


IS_RELEASE, IS_KERNEL = rules()["fleet_release"], rules()["fleet_kernel"]


def as_variables(found: Release) -> dict[str, Any]:
    """As the playbooks' variables have it."""
    return {**to_builtins(found), "digests": [digest for _, digest in found.digests]}


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.why)
def test_pair_of_releases(pair: Pair) -> None:
    assert IS_RELEASE(as_variables(pair.found), as_variables(pair.wanted)) is pair.same
    named = {
        "version": pair.wanted.version,
        "digest": pair.wanted.pin,
        "digests": sorted(pair.wanted.known_by),
    }
    assert IS_RELEASE(as_variables(pair.found), named) is pair.same


@given(ANY, ANY)
def test_any_two_releases(found: Release, wanted: Release) -> None:
    assert IS_RELEASE(as_variables(found), as_variables(wanted)) is release.is_release(found, wanted)


@pytest.mark.parametrize("nothing", [None, {}, {"version": None, "digest": None}])
def test_missing_release_is_no_release(nothing: dict[str, None] | None) -> None:
    assert not IS_RELEASE(nothing, {"version": "1.0", "digest": ""})


def test_numeric_version_is_its_text() -> None:
    assert IS_RELEASE({"version": "1.1"}, {"version": 1.1})


@given(st.sampled_from(REAL), st.data())
def test_any_prefix_of_a_kernel(running: str, data: st.DataObject) -> None:
    wanted = data.draw(
        st.one_of(st.sampled_from(REAL), st.integers(0, len(running)).map(lambda end: running[:end]))
    )
    assert IS_KERNEL(running, wanted) is kernel.is_kernel(running, wanted)


def test_facts_may_have_an_image_reference_and_need_no_version() -> None:
    now = {"os": "bootc", "boot_id": "b", "kernel": "k", "booted": {"digest": AMD, "reference_digest": INDEX}}
    assert observation({"fleet_now": now}).booted == Release("", AMD, reference_digest=INDEX)
    with pytest.raises(MachineError, match="neither version nor digest"):
        observation({"fleet_now": now | {"booted": {}}})
