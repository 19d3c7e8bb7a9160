"""Waits until the API server enforces the admission policy of the agents: it does so some moments after the policy was made.

What the policy must refuse is asked for as a dry run, in the name of the agents' account: a Machine, by a token that
is bound to no pod.
"""

from __future__ import annotations

import asyncio

from fleet.core.objects.machine import GROUP
from fleet.core.records.errors import ForbiddenError, UnreachableError
from fleet.kube.client.transport import Transport
from fleet.kube.install.installation import NAMESPACE
from fleet.kube.objects.errors import ApiRefusedError, ApiRequest, NotFoundError

AGENTS = f"system:serviceaccount:{NAMESPACE}:fleet-agent"
POLICY = "fleet-agent-own-machine"
ENFORCED_SECONDS = 30.0
LOOK_SECONDS = 0.5
"""Seconds between two dry runs."""


async def until_enforced(transport: Transport) -> None:
    """Returns as soon as the policy refuses what it must refuse. Raises UnreachableError after ENFORCED_SECONDS; returns at
    once for a user who may not act as the agents' account, and so cannot find out."""
    try:
        async with asyncio.timeout(ENFORCED_SECONDS):
            while True:
                if await _refused(transport):
                    return
                await asyncio.sleep(LOOK_SECONDS)
    except TimeoutError:
        raise UnreachableError(
            f"ValidatingAdmissionPolicy {POLICY} is not in force after {ENFORCED_SECONDS:.0f} s, and no agent was "
            "installed"
        ) from None


async def _refused(transport: Transport) -> bool:
    name = "fleet-policy-check"
    request = ApiRequest(
        verb="create",
        path=f"/apis/{GROUP}/v1/machines",
        group=GROUP,
        resource="machines",
        query={"dryRun": "All"},
        body={"apiVersion": f"{GROUP}/v1", "kind": "Machine", "metadata": {"name": name}},
        impersonate=AGENTS,
    )
    try:
        await transport.call(request)
    except (ForbiddenError, ApiRefusedError) as error:
        # The policy refuses by 422 where the user has no extra fields, which the tokens of pods have.
        if POLICY in error.message or "cannot impersonate" in error.message:
            return True
        if isinstance(error, ApiRefusedError):
            raise
    except NotFoundError:
        # The kind was made a moment ago, and is not served yet.
        return False
    return False
