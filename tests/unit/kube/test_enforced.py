"""Agents are installed once the API server enforces what keeps each of them to its own Machine."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from fleet.core.records.errors import FleetError, ForbiddenError
from fleet.kube.client.transport import Transport
from fleet.kube.install import enforced
from fleet.kube.install.enforced import until_enforced
from fleet.kube.install.install import apply
from fleet.kube.install.installation import manifests
from fleet.kube.objects.errors import ApiRefusedError, ApiRequest, NotFoundError

REFUSALS: tuple[FleetError, ...] = (
    ForbiddenError("ValidatingAdmissionPolicy 'fleet-agent-own-machine' denied request: no pod"),
    ApiRefusedError("ValidatingAdmissionPolicy 'fleet-agent-own-machine' denied request: no such key", 422),
)
NO_RIGHT = ForbiddenError('User "fleet-agent" cannot create resource "machines"')
NOT_SERVED = NotFoundError("the server could not find the requested resource")
NO_IMPERSONATION = ForbiddenError('User "ada" cannot impersonate resource "serviceaccounts"')


class Answers:
    """Answers dry runs one after another; None lets the Machine in."""

    def __init__(self, *answers: FleetError | None) -> None:
        self.left = list(answers)

    async def call(self, request: ApiRequest) -> bytes:
        assert request.query == {"dryRun": "All"} and request.impersonate.endswith(":fleet-agent")
        if (answer := self.left.pop(0)) is not None:
            raise answer
        return b"{}"

    def wait(self) -> None:
        asyncio.run(until_enforced(cast(Transport, self)))


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(enforced, "LOOK_SECONDS", 0.0)


@pytest.mark.parametrize("refused", REFUSALS)
def test_policy_is_waited_for_until_it_refuses(refused: FleetError) -> None:
    answers = Answers(NOT_SERVED, NO_RIGHT, None, refused, None)
    answers.wait()
    assert answers.left == [None]


def test_user_who_may_not_act_as_the_agents_does_not_wait() -> None:
    answers = Answers(NO_IMPERSONATION, None)
    answers.wait()
    assert answers.left == [None]


def test_policy_that_never_refuses_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(enforced, "ENFORCED_SECONDS", 0.01)
    with pytest.raises(FleetError, match="fleet-agent-own-machine is not in force"):
        Answers(*[None] * 100_000).wait()


def test_agents_are_applied_once_the_policy_refuses() -> None:
    asked = list[str]()
    answers = Answers(None, REFUSALS[0])

    class Server:
        async def call(self, request: ApiRequest) -> bytes:
            asked.append(f"{request.verb} {request.resource}")
            if request.verb == "get":
                raise NotFoundError("no such DaemonSet")
            return await answers.call(request) if request.verb == "create" else b"{}"

    agents = [each for each in manifests("agent:1") if each.kind == "DaemonSet"]
    asyncio.run(apply(cast(Transport, Server()), agents))
    assert asked == ["get daemonsets", "create machines", "create machines", "patch daemonsets"]
