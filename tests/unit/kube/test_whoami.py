"""The user of a kubeconfig, as the API server reports it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from fleet.core.records.errors import FleetError
from fleet.kube.actions.whoami import UserInfo, who_am_i
from tests.kube_fake.server import Fault, Json
from tests.kube_fake.world import faked

PATH = "/apis/authentication.k8s.io/v1/selfsubjectreviews"


def asked(tmp_path: Path, status: int, body: Json | str) -> UserInfo:
    async def ask() -> UserInfo:
        async with faked(tmp_path) as (server, cluster):
            server.faults.append(Fault("POST", PATH, status, body, times=9))
            return await who_am_i(cluster.transport)

    return asyncio.run(ask())


def test_the_user_and_the_groups_are_read(tmp_path: Path) -> None:
    told = {"username": "ada@example.com", "groups": ["sre"], "extra": {"id": ["7"]}, "uid": "u-1"}
    body = {"kind": "SelfSubjectReview", "status": {"userInfo": told}}
    assert asked(tmp_path, 201, body) == UserInfo("ada@example.com", ("sre",))


def test_a_server_that_does_not_say_gives_no_name(tmp_path: Path) -> None:
    assert asked(tmp_path, 201, {"kind": "SelfSubjectReview"}).username == ""


@pytest.mark.parametrize(
    ("status", "body"), [(201, "no JSON"), (403, {"kind": "Status"}), (404, {"kind": "Status"})]
)
def test_an_answer_of_another_kind_is_an_error(tmp_path: Path, status: int, body: Json | str) -> None:
    with pytest.raises(FleetError):
        asked(tmp_path, status, body)
