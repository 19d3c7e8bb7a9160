"""Makes the policy of the objects the policy of the home: the one place in which objects take the part of `fleet.yaml`.

The objects are read by the reader of `fleet.yaml`, and are written as the `fleet.yaml` of the operator's home, whole, when
they have no mistakes. So whatever reads the policy, also in another process, reads the last one without mistakes, and takes
a change as it takes a change of the file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct

from fleet.app.wiring.files import write_whole
from fleet.app.wiring.home import Home
from fleet.config.document.findings import Caution
from fleet.config.objects.importing import file_of
from fleet.config.objects.kinds import POOL
from fleet.config.objects.policy_object import from_api
from fleet.config.objects.reading import read_objects
from fleet.core.records.errors import UsageError

HEADER = "# Written by fleet operator from the objects of the cluster. Changes of this file are lost.\n"


IN_FORCE = "policy in force"
"""The setting of the database that has the last policy without mistakes."""


class AssembledPolicy(Struct, frozen=True):
    """The policy that the objects are together."""

    text: str
    """The policy as `fleet.yaml`; the header alone if there is none, or an object has mistakes."""
    problems: Mapping[str, tuple[str, ...]] = {}
    """The mistakes by object, such as `upgradepolicies/workers`."""
    cautions: tuple[Caution, ...] = ()


def assembled(home: Home, found: Iterable[Mapping[str, Any]]) -> AssembledPolicy:
    """Returns the policy of the objects, as the API has them. Without an UpgradePolicy there is no policy: no node belongs
    to fleet."""
    objects = [each for each in map(from_api, found) if each is not None]
    read = read_objects(objects, home.path)
    pools = any(each.kind.kind == POOL for each in objects)
    text = HEADER + (file_of(objects, read.keys) if pools and not read.problems else "")
    return AssembledPolicy(text, read.problems, read.cautions)


def put_in_force(home: Home, policy: AssembledPolicy) -> bool:
    """Makes this policy the one of the home, if it has no mistakes, and returns whether that has changed anything. With
    mistakes the last one without stays in force: a new home takes it from the database.

    Raises UsageError where the home has a policy that no operator has written, or there was none without mistakes yet;
    OSError where the disk refuses, StoreError where the database does.
    """
    before = home.policy_file.read_text(encoding="utf-8") if home.has_policy else ""
    if before and not before.startswith(HEADER):
        raise UsageError(
            f"{home.policy_file} was not written by an operator, and would be lost",
            "fleet policy export makes objects of the file: apply them, and move the file away",
        )
    known = home.store.settings.get(IN_FORCE)
    wanted = policy.text if not policy.problems else known
    if wanted is None:
        raise UsageError("the policy has mistakes, and there was none without them before", "correct it")
    if wanted != known:
        home.store.settings.set(IN_FORCE, wanted)
    if wanted == (before or HEADER):
        return False
    if wanted == HEADER:
        home.policy_file.unlink()
    else:
        write_whole(home.policy_file, wanted.encode("utf-8"))
    return True
