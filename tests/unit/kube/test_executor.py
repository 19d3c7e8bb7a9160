"""How actions fare with a server that refuses, is overtaken by others, or does not answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from fleet.core.objects.machine import Ask, Request
from fleet.core.objects.node import CORDON_ANNOTATION, PENDING_TAINT, ROLLOUT_ANNOTATION, NodeRef
from fleet.core.objects.pod import PodRef
from fleet.core.releases.release import Release
from fleet.core.rollout.action import (
    Action,
    AnyAction,
    CancelRequest,
    Cordon,
    Evict,
    Mark,
    Outcome,
    Reboot,
    Result,
    Stage,
    Uncordon,
    Unmark,
)
from fleet.core.third_parties.keep_off import additions
from fleet.kube.actions.executor import ActionExecutor
from fleet.kube.actions.machine_client import decoded
from fleet.kube.client.retry import CONFLICT_TRIES
from fleet.kube.cluster import KubeCluster
from tests.kube_fake.server import ApiServer, Fault, Json
from tests.kube_fake.world import faked, node, pod

NODES = "/api/v1/nodes"
PODS = "/api/v1/pods"
MACHINES = "/apis/fleet.internal/v1/machines"
NAME = "n-0001"
CONFLICT = {"code": 409, "reason": "Conflict", "message": "the object has been modified"}
NEW = Release("2.0", "sha256:02", "6.2.0")


def action(kind: type[Action], uid: str, **fields: Any) -> AnyAction:
    head: dict[str, Any] = {"id": "r-1/1", "rollout": "r-1", "node": NodeRef("east", NAME), "uid": uid}
    made: AnyAction = kind(**(head | fields))  # type: ignore[assignment]
    return made


class ActionSender:
    def __init__(self, server: ApiServer, cluster: KubeCluster) -> None:
        self._server = server
        self.cluster = cluster

    @property
    def node(self) -> Json:
        return self._server.objects[NODES]["", NAME]

    @property
    def machine(self) -> Json:
        return self._server.objects[MACHINES]["", NAME]

    async def __call__(self, kind: type[Action], **fields: Any) -> Outcome:
        return await self.cluster.perform(action(kind, self.node["metadata"]["uid"], **fields))

    async def evict(self, **fields: Any) -> Outcome:
        uid = self._server.objects[PODS]["web", "p-1"]["metadata"]["uid"]
        return await self(Evict, **({"pod": PodRef("web", "p-1"), "pod_uid": uid} | fields))

    def changes(self) -> list[Json]:
        """Bodies of the patches of the node that were sent."""
        return [
            body
            for method, path, body in self._server.asked
            if (method, path) == ("PATCH", f"{NODES}/{NAME}")
        ]


def scenario(
    tmp_path: Path, story: Callable[[ApiServer, ActionSender], Awaitable[None]], **spec: object
) -> None:
    """With one node and one pod on it."""

    async def bounded() -> None:
        async with asyncio.timeout(30), faked(tmp_path) as (server, cluster):
            await server.put(NODES, node(NAME, **spec))
            await server.put(PODS, pod("p-1"))
            await story(server, ActionSender(server, cluster))

    asyncio.run(bounded())


def test_patch_has_the_uid_of_its_node(tmp_path: Path) -> None:
    async def story(server: ApiServer, sender: ActionSender) -> None:
        before = sender.node["metadata"]
        assert (await sender(Cordon)).result is Result.DONE
        (patch,) = sender.changes()
        assert patch["metadata"]["uid"] == before["uid"]
        assert patch["metadata"]["resourceVersion"] == before["resourceVersion"]
        assert sender.node["spec"]["unschedulable"] is True
        assert sender.node["metadata"]["annotations"] == {CORDON_ANNOTATION: "r-1"} | additions({}, "r-1")

    scenario(tmp_path, story)


def test_taints_of_others_are_kept(tmp_path: Path) -> None:
    taint = {
        "key": "node.kubernetes.io/unreachable",
        "effect": "NoExecute",
        "timeAdded": "2026-01-01T00:00:00Z",
    }

    async def story(server: ApiServer, sender: ActionSender) -> None:
        await sender(Mark)
        assert [each["key"] for each in sender.node["spec"]["taints"]] == [taint["key"], PENDING_TAINT]
        await sender(Cordon)
        await sender(Uncordon)
        assert sender.node["spec"] == {"taints": [taint]}
        assert sender.node["metadata"]["annotations"] == {}

    scenario(tmp_path, story, taints=[taint])


def test_existing_state_is_not_written_again(tmp_path: Path) -> None:
    async def story(server: ApiServer, sender: ActionSender) -> None:
        there: tuple[type[Action], ...] = (Mark, Cordon, Mark, Cordon)
        for kind in there:
            assert (await sender(kind)).result is Result.DONE
        assert len(sender.changes()) == 2
        away: tuple[type[Action], ...] = (Uncordon, Unmark, Uncordon)
        for kind in away:
            assert (await sender(kind)).result is Result.DONE
        assert len(sender.changes()) == 3

    scenario(tmp_path, story)


def test_requests_are_counted_for_their_rollout(tmp_path: Path) -> None:
    async def requests() -> None:
        async with faked(tmp_path) as (server, cluster):
            await server.put(NODES, node(NAME))
            sender = ActionSender(server, cluster)
            server.faults.append(Fault("PATCH", NAME, 409, CONFLICT, times=1))
            await asyncio.gather(sender(Cordon), sender(Mark, rollout="r-2"))
            await cluster.forbidden()
            sent = cluster.requests
            of_first, of_second = (
                {(sort.verb, sort.resource): count for sort, count in sent.items() if sort.rollout == name}
                for name in ("r-1", "r-2")
            )
            assert of_first.keys() == of_second.keys() == {("get", "nodes"), ("patch", "nodes")}
            assert of_first["patch", "nodes"] + of_second["patch", "nodes"] >= 3
            assert any(not sort.rollout for sort in sent)

    asyncio.run(asyncio.wait_for(requests(), 30))


def test_conflicting_write_is_read_again(tmp_path: Path) -> None:
    async def story(server: ApiServer, sender: ActionSender) -> None:
        server.faults.append(Fault("PATCH", NAME, 409, CONFLICT, times=2))
        assert (await sender(Cordon)).result is Result.DONE
        assert len(sender.changes()) == 3

    scenario(tmp_path, story)


def test_repeated_conflicts_end_in_a_failure(tmp_path: Path) -> None:
    async def story(server: ApiServer, sender: ActionSender) -> None:
        server.faults.append(Fault("PATCH", NAME, 409, CONFLICT, times=99))
        assert (await sender(Cordon)).result is Result.STALE
        assert len(sender.changes()) == CONFLICT_TRIES

    scenario(tmp_path, story)


def test_cordon_of_another_party_just_before_ours_is_kept(tmp_path: Path) -> None:
    async def story(server: ApiServer, sender: ActionSender) -> None:
        async def cordoned() -> None:
            await server.put(NODES, sender.node | {"spec": {"unschedulable": True}})

        server.faults.append(Fault("PATCH", NAME, 409, CONFLICT, then=cordoned))
        outcome = await sender(Cordon)
        assert outcome.result is Result.STALE
        assert "cordoned by somebody else" in outcome.detail
        assert "annotations" not in sender.node["metadata"]

    scenario(tmp_path, story)


def test_node_replaced_just_before_the_write_is_not_touched(tmp_path: Path) -> None:
    async def story(server: ApiServer, sender: ActionSender) -> None:
        async def replaced() -> None:
            server.objects[NODES].clear()
            await server.put(NODES, node(NAME))

        server.faults.append(Fault("PATCH", NAME, 409, CONFLICT, then=replaced))
        assert (await sender(Cordon)).result is Result.GONE
        assert "annotations" not in sender.node["metadata"]

    scenario(tmp_path, story)


def test_uncordon_keeps_the_marks_of_others(tmp_path: Path) -> None:
    async def story(server: ApiServer, sender: ActionSender) -> None:
        await server.put(NODES, sender.node | {"spec": {"unschedulable": True}})
        outcome = await sender(Uncordon)
        assert outcome.result is Result.DONE
        assert "and stays" in outcome.detail
        assert not sender.changes()
        await sender(Mark)
        assert (await sender(Uncordon)).result is Result.DONE
        assert sender.node["spec"] == {"unschedulable": True, "taints": []}
        assert ROLLOUT_ANNOTATION not in sender.node["metadata"]["annotations"]

    scenario(tmp_path, story)


def refusal(code: int, message: str, cause: str = "", retry: int = 0) -> Json:
    causes = [{"reason": "DisruptionBudget", "message": cause}] if cause else []
    details = {"causes": causes, "retryAfterSeconds": retry}
    return {"kind": "Status", "code": code, "message": message, "details": details}


VIOLATES = "Cannot evict pod as it would violate the pod's disruption budget."


@pytest.mark.parametrize(
    ("status", "body", "headers", "result", "expected", "retry"),
    [
        (
            429,
            refusal(429, VIOLATES, "The disruption budget b needs 2"),
            {},
            Result.REFUSED,
            "budget b needs 2",
            None,
        ),
        (429, refusal(429, VIOLATES, "x\n" * 9000), {}, Result.REFUSED, "budget. x x", None),
        (429, refusal(429, VIOLATES, "still being processed", 10), {}, Result.REFUSED, "still being", 10.0),
        (
            429,
            "Too many requests, please try again later.",
            {"Retry-After": "1"},
            Result.REFUSED,
            "later",
            1.0,
        ),
        (404, refusal(404, 'pods "p-1" not found'), {}, Result.GONE, "not found", None),
        (409, refusal(409, "the UID in the precondition (x) does not match"), {}, Result.GONE, "UID", None),
        (409, refusal(409, "Operation cannot be fulfilled"), {}, Result.STALE, "fulfilled", None),
        (
            500,
            refusal(500, "This pod has more than one PodDisruptionBudget"),
            {},
            Result.FAILED,
            "more than",
            None,
        ),
        (500, refusal(500, "etcdserver: request timed out"), {}, Result.UNKNOWN, "timed out", None),
        (503, "upstream away", {}, Result.UNKNOWN, "upstream away", None),
        (401, refusal(401, "Unauthorized"), {}, Result.UNKNOWN, "credentials", None),
        (403, refusal(403, 'User "x" cannot create resource'), {}, Result.FAILED, '"pods/eviction"', None),
        (403, refusal(403, "admission webhook says no"), {}, Result.FAILED, "webhook says no", None),
        (422, refusal(422, "Invalid value"), {}, Result.FAILED, "Invalid value", None),
    ],
)
def test_answers_to_an_eviction(
    tmp_path: Path,
    status: int,
    body: Json | str,
    headers: dict[str, str],
    result: Result,
    expected: str,
    retry: float | None,
) -> None:
    async def story(server: ApiServer, sender: ActionSender) -> None:
        server.evictions.append((status, body, headers))
        outcome = await sender.evict()
        assert outcome.result is result
        assert expected in outcome.detail
        assert len(outcome.detail.splitlines()) == 1 and len(outcome.detail) < 700
        assert outcome.retry_after == retry
        assert server.seen[f"POST {PODS.replace('pods', 'namespaces/web/pods')}/p-1/eviction"] <= 2

    scenario(tmp_path, story)


WEBHOOK = 'Internal error occurred: failed calling webhook "guard.example.com": connection refused'
DENIED = 'admission webhook "guard.example.com" denied the request: not now'


@pytest.mark.parametrize(
    ("status", "expected", "result"),
    [
        (500, WEBHOOK, Result.FAILED),
        (429, DENIED, Result.FAILED),
        (403, DENIED, Result.FAILED),
        (400, DENIED, Result.FAILED),
        (429, "Too many requests, please try again later.", Result.REFUSED),
        (429, VIOLATES, Result.REFUSED),
    ],
)
def test_webhook_refusal_of_an_eviction_is_told_apart_from_budgets_and_overload(
    tmp_path: Path, status: int, expected: str, result: Result
) -> None:
    async def story(server: ApiServer, sender: ActionSender) -> None:
        cause = "The disruption budget b needs 2" if expected == VIOLATES else ""
        server.evictions.append((status, refusal(status, expected, cause), {}))
        outcome = await sender.evict()
        assert outcome.result is result
        assert expected in outcome.detail
        assert outcome.detail.startswith("not by a budget") is (expected.startswith("Too many"))

    scenario(tmp_path, story)


def test_eviction_of_a_replaced_pod_is_not_sent(tmp_path: Path) -> None:
    async def story(server: ApiServer, sender: ActionSender) -> None:
        outcome = await sender.evict(pod_uid="of-the-old-one")
        assert outcome.result is Result.GONE
        assert not [path for method, path, _ in server.asked if method == "POST"]

    scenario(tmp_path, story)


@pytest.mark.parametrize(
    ("expected", "result"),
    [
        # Seen while etcd's leader is moved, elected or restarted: the write may have happened.
        ("raft proposal dropped", Result.UNKNOWN),
        ("etcdserver: leader changed", Result.UNKNOWN),
        ("etcdserver: request timed out, possibly due to previous leader failure", Result.UNKNOWN),
        ("etcdserver: too many requests", Result.UNKNOWN),
        ("rpc error: code = Unavailable desc = transport is closing", Result.UNKNOWN),
        ("context deadline exceeded", Result.UNKNOWN),
        # Nothing was written, and asking again at once would not help.
        ("etcdserver: mvcc: database space exceeded", Result.FAILED),
        ("etcdserver: request is too large", Result.FAILED),
        ('Internal error occurred: failed calling webhook "v.x": context deadline exceeded', Result.FAILED),
        ("Internal error occurred: no endpoints", Result.FAILED),
    ],
)
def test_server_error_with_an_unknown_outcome_is_no_refusal(
    tmp_path: Path, expected: str, result: Result
) -> None:
    async def story(server: ApiServer, sender: ActionSender) -> None:
        body = {"kind": "Status", "status": "Failure", "code": 500, "message": expected}
        server.faults.append(Fault("PATCH", f"/{NAME}", 500, body))
        outcome = await sender(Cordon)
        assert outcome.result is result and expected in outcome.detail

    scenario(tmp_path, story)


def test_eviction_names_one_pod_and_may_shorten_its_grace_period(tmp_path: Path) -> None:
    async def story(server: ApiServer, sender: ActionSender) -> None:
        assert (await sender.evict(grace_seconds=5)).result is Result.DONE
        assert (await sender.evict()).result is Result.DONE
        first, second = [body["deleteOptions"] for method, _, body in server.asked if method == "POST"]
        uid = server.objects[PODS]["web", "p-1"]["metadata"]["uid"]
        assert first == {"preconditions": {"uid": uid}, "gracePeriodSeconds": 5}
        assert second == {"preconditions": {"uid": uid}}

    scenario(tmp_path, story)


def test_missing_answer_is_unknown(tmp_path: Path) -> None:
    async def story(server: ApiServer, sender: ActionSender) -> None:
        verbs = ActionExecutor(sender.cluster.transport, seconds=0.3)
        uid = sender.node["metadata"]["uid"]
        await verbs.perform(action(Mark, uid))
        server.silent = True
        outcome = await verbs.perform(action(Cordon, uid))
        assert outcome.result is Result.UNKNOWN
        await server.stop()
        outcome = await sender(Cordon)
        assert outcome.result is Result.UNKNOWN

    scenario(tmp_path, story)


def test_forbidden_verb_fails_with_the_missing_rule(tmp_path: Path) -> None:
    async def story(server: ApiServer, sender: ActionSender) -> None:
        server.forbidden.add(("patch", "nodes"))
        outcome = await sender(Cordon)
        assert outcome.result is Result.FAILED
        assert 'grant verb "patch" on resource "nodes"' in outcome.detail

    scenario(tmp_path, story)


HOOK = 'failed calling webhook "guard.example": Post "https://guard": connection refused'


@pytest.mark.parametrize(
    ("status", "message", "reported"),
    [
        (403, 'User "x" cannot patch resource', 'grant verb "patch" on resource'),
        (403, 'admission webhook "guard" denied the request: ask ada', "ask ada"),
        (422, "ValidatingAdmissionPolicy 'guard' denied request: ask ada", "ask ada"),
        (500, f"Internal error occurred: {HOOK}", "connection refused"),
        (403, "denied:\n\x1b[2Jask ada" + " and eve" * 500, "denied: ?[2Jask ada"),
    ],
)
@pytest.mark.parametrize("kind", [Mark, Unmark, Cordon, Uncordon, Stage, Reboot, CancelRequest])
def test_refusal_of_any_verb_fails_with_the_servers_message_on_one_short_line(
    tmp_path: Path, kind: type[Action], status: int, message: str, reported: str
) -> None:
    async def story(server: ApiServer, sender: ActionSender) -> None:
        await sender(Stage, token="r-1/a", release=NEW)
        if kind in (Unmark, Uncordon, Reboot):
            await sender(Mark)
            await sender(Cordon)
        boot = sender.node["status"]["nodeInfo"]["bootID"]
        fields = {
            Stage: {"token": "r-1/b", "release": NEW},
            Reboot: {"token": "r-1/c", "release": NEW, "boot_id": boot},
        }.get(kind, {})
        about = "machines" if kind in (Stage, Reboot, CancelRequest) else "nodes"
        if kind is Reboot:
            await server.drop(PODS, "p-1", "web")
        server.faults.append(Fault("PATCH", f"{about}/{NAME}", status, refusal(status, message)))
        outcome = await sender(kind, **fields)
        assert outcome.result is Result.FAILED
        assert reported in outcome.detail and len(outcome.detail) < 700 and outcome.detail.isprintable()

    scenario(tmp_path, story)


def test_first_request_creates_the_machine_owned_by_its_node(tmp_path: Path) -> None:
    async def story(server: ApiServer, sender: ActionSender) -> None:
        assert (await sender(Stage, token="r-1/a", release=NEW)).result is Result.DONE
        (owner,) = sender.machine["metadata"]["ownerReferences"]
        assert owner == {
            "apiVersion": "v1",
            "kind": "Node",
            "name": NAME,
            "uid": sender.node["metadata"]["uid"],
        }
        assert sender.machine["spec"] == {
            "action": "stage",
            "token": "r-1/a",
            "release": {"version": "2.0", "digest": "sha256:02", "kernel": "6.2.0"},
        }

    scenario(tmp_path, story)


def test_later_request_replaces_the_earlier_one_completely(tmp_path: Path) -> None:
    async def story(server: ApiServer, sender: ActionSender) -> None:
        by_index = replace(NEW, reference_digest="sha256:11")
        await sender(Stage, token="r-1/a", release=by_index)
        assert sender.machine["spec"]["release"]["referenceDigest"] == "sha256:11"
        assert decoded(msgspec.json.encode(sender.machine)).request == Request(Ask.STAGE, "r-1/a", by_index)
        await sender(Stage, token="r-1/b", release=Release("3.0"))
        assert sender.machine["spec"]["release"] == {"version": "3.0"}
        await sender(CancelRequest)
        assert sender.machine["spec"] == {}

    scenario(tmp_path, story)


def test_machine_created_concurrently_is_used(tmp_path: Path) -> None:
    async def story(server: ApiServer, sender: ActionSender) -> None:
        async def made() -> None:
            await server.put(MACHINES, {"metadata": {"name": NAME}})

        exists = {"code": 409, "reason": "AlreadyExists", "message": "already exists"}
        server.faults.append(Fault("POST", "/machines", 409, exists, then=made))
        assert (await sender(Stage, token="r-1/a", release=NEW)).result is Result.DONE
        assert sender.machine["spec"]["token"] == "r-1/a"

    scenario(tmp_path, story)


def test_without_a_machine_there_is_nothing_to_reboot_or_to_clear(tmp_path: Path) -> None:
    async def story(server: ApiServer, sender: ActionSender) -> None:
        await sender(Cordon)
        outcome = await sender(Reboot, token="r-1/a", release=NEW, boot_id=f"boot-{NAME}")
        assert outcome.result is Result.GONE
        assert (await sender(CancelRequest)).result is Result.DONE
        server.served.discard(MACHINES)
        outcome = await sender(Stage, token="r-1/a", release=NEW)
        assert outcome.result is Result.FAILED
        assert "fleet cluster install east" in outcome.detail

    scenario(tmp_path, story)


def test_actions_in_flight_are_bounded(tmp_path: Path) -> None:
    async def story(server: ApiServer, sender: ActionSender) -> None:
        at_once = most = 0

        async def slow() -> None:
            nonlocal at_once, most
            at_once += 1
            most = max(most, at_once)
            await asyncio.sleep(0.02)
            at_once -= 1

        server.faults.append(Fault("GET", NAME, 404, {"code": 404, "message": "no"}, times=20, then=slow))
        verbs = ActionExecutor(sender.cluster.transport, at_once=3)
        cordon = action(Cordon, sender.node["metadata"]["uid"])
        outcomes = await asyncio.gather(*(verbs.perform(cordon) for _ in range(20)))
        assert {outcome.result for outcome in outcomes} == {Result.GONE}
        assert most == 3

    scenario(tmp_path, story)
