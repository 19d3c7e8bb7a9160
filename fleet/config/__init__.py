"""Reads `fleet.yaml` into a `fleet.core.policy.policy.Policy`: the whole file, with all of its mistakes reported at
once, before anything runs.

The file is read in three stages: fragments as written, each with its line (`fragment`); values checked one by one by a
`Reader` (`forms` defines the form of each); the policy as used (`pool`, `calendar`, `stream`, put together in
`policy`).
"""

from fleet.config.annotation import declared_by
from fleet.config.document.findings import Caution
from fleet.config.policy import default_policy_text, load, loads

__all__ = ["Caution", "declared_by", "default_policy_text", "load", "loads"]
