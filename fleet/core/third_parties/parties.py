"""The third parties that delete, drain or reboot nodes: their signs, what each sign means, and what keeps them off a
node.

The table has one row for each party. Keys and values are facts from the projects' sources; docs/workloads.md shows the
same table. If two programs would act on one node, fleet waits: see `guards/others.py`.
"""

from __future__ import annotations

from fleet.core.third_parties.lifecycle_parties import LIFECYCLE
from fleet.core.third_parties.party import Party
from fleet.core.third_parties.update_parties import UPDATERS

PARTIES: tuple[Party, ...] = (*LIFECYCLE, *UPDATERS)
