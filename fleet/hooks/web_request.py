"""Runs a hook that is a request to a web server."""

from __future__ import annotations

import aiohttp
import msgspec

from fleet.core.policy.hooks.hook import HttpHook
from fleet.core.rollout.hooks.hook_state import HookResult
from fleet.core.state.hook_calls import HookAnswer, HookCall
from fleet.core.text.durations import format_duration
from fleet.hooks.output import SPARE, kept_output, message
from fleet.hooks.secret_file import SecretError, read_secret

IDEMPOTENCY_KEY = "Idempotency-Key"
"""Source: draft-ietf-httpapi-idempotency-key-header; its value is a string of structured fields (RFC 8941)."""


async def send_request(call: HookCall, hook: HttpHook) -> HookAnswer:
    """Sends the request, with the facts as a JSON object. Redirects are not followed: a token must not go elsewhere.

    Where the request may have been received, and no answer came, the outcome is unknown.
    """
    headers = {
        IDEMPOTENCY_KEY: f'"{call.token}"',
        "Content-Type": "application/json",
    }
    try:
        token = read_secret(hook.token_file) if hook.token_file else ""
    except SecretError as error:
        return HookAnswer(call.key, HookResult.FAILED, message(f"the token cannot be read: {error}"))
    if token:
        headers["Authorization"] = f"Bearer {token}"
    timeout = aiohttp.ClientTimeout(total=hook.timeout_seconds)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, trust_env=True) as session,
            session.request(
                hook.method,
                hook.url,
                data=msgspec.json.encode(dict(call.facts)),
                headers=headers,
                allow_redirects=False,
            ) as response,
        ):
            body = await _end_of(response.content, hook.output_bytes + SPARE + len(token.encode()))
            status = response.status
    except (aiohttp.ClientConnectorError, aiohttp.InvalidURL, ValueError) as error:
        return HookAnswer(call.key, HookResult.FAILED, message(f"the request was not sent: {error}"))
    except TimeoutError:
        why = f"no answer within {format_duration(hook.timeout_seconds)}"
        return HookAnswer(call.key, HookResult.UNKNOWN, why)
    except (aiohttp.ClientError, OSError) as error:
        why = f"no answer: {error or type(error).__name__}"
        return HookAnswer(call.key, HookResult.UNKNOWN, message(why))
    passed = 200 <= status <= 299
    output = kept_output(body, hook.output_bytes, [token])
    result = HookResult.PASSED if passed else HookResult.FAILED
    return HookAnswer(call.key, result, f"status {status}", output)


async def _end_of(content: aiohttp.StreamReader, most: int) -> bytes:
    """Returns the last bytes of the answer."""
    kept = b""
    async for chunk in content.iter_any():
        kept = (kept + chunk)[-most:]
    return kept
