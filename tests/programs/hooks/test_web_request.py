"""Hooks that are requests, sent to a real web server."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from aiohttp import web
from msgspec.structs import replace

from fleet.core.policy.hooks.hook import HttpHook
from fleet.core.rollout.hooks.hook_state import HookResult
from fleet.core.state.hook_calls import HookAnswer
from fleet.hooks.web_request import send_request
from tests.programs.hooks.calls import FACTS, a_call

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def answered(handler: Handler, hook: HttpHook | None = None, path: str = "/hook") -> HookAnswer:
    """Returns how a hook ends whose server answers by this handler."""

    async def ask() -> HookAnswer:
        app = web.Application()
        app.router.add_route("*", path, handler)
        runner = web.AppRunner(app)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            host, port = runner.addresses[0][:2]
            called = replace(hook or HttpHook(name="h", url=""), url=f"http://{host}:{port}/hook")
            return await send_request(a_call(called), called)
        finally:
            await runner.cleanup()

    return asyncio.run(ask())


def test_request_has_the_facts_the_token_and_an_idempotency_key(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("hunter2\n")
    seen: list[tuple[str, str, str, object]] = []

    async def handler(request: web.Request) -> web.Response:
        headers = request.headers
        seen.append(
            (request.method, headers["Idempotency-Key"], headers["Authorization"], await request.json())
        )
        return web.Response(text="opened CHG-1 for hunter2")

    hook = HttpHook(name="h", url="", method="PUT", token_file=str(tmp_path / "token"))
    answer = answered(handler, hook)
    assert answer.result is HookResult.PASSED and answer.output == "opened CHG-1 for [hidden]"
    assert seen == [("PUT", '"r-1/before_node/east/n-1/h/1"', "Bearer hunter2", FACTS)]


def test_any_status_but_two_hundreds_fails_and_no_redirect_is_followed() -> None:
    async def broken(request: web.Request) -> web.Response:
        return web.Response(status=503, text="later")

    async def moved(request: web.Request) -> web.Response:
        raise web.HTTPFound("/elsewhere")

    failed, redirected = answered(broken), answered(moved)
    assert (failed.result, failed.message, failed.output) == (HookResult.FAILED, "status 503", "later")
    assert (redirected.result, redirected.message) == (HookResult.FAILED, "status 302")


def test_request_without_an_answer_has_an_unknown_outcome() -> None:
    async def hangs(request: web.Request) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    async def closes(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    late = answered(hangs, HttpHook(name="h", url="", timeout_seconds=1))
    assert late.result is HookResult.UNKNOWN and "1s" in late.message
    assert answered(closes).result is HookResult.UNKNOWN


def test_request_that_was_never_sent_fails() -> None:
    hook = HttpHook(name="h", url="http://127.0.0.1:1/")
    answer = asyncio.run(send_request(a_call(hook), hook))
    assert answer.result is HookResult.FAILED and "not sent" in answer.message
