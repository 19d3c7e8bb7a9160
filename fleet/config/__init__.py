"""Reads `fleet.yaml` into a `fleet.core.policy.policy.Policy`: whole, and every conflict in one go, before anything runs.

In three stages: fragments as written, each with its line (`fragment`); values checked one by one by a `Reader`
(`forms` says what each looks like); the policy as used (`pool`, `calendar`, `stream`, put together in `policy`).
"""

from fleet.config.annotation import declared_by
from fleet.config.document.findings import Caution
from fleet.config.policy import default_policy_text, load, loads

__all__ = ["Caution", "declared_by", "default_policy_text", "load", "loads"]
