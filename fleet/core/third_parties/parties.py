"""Others that delete, drain or reboot nodes: how each says so on a node, what it means, and what keeps each away.

One row a party. Keys and values are facts of the projects' sources; docs/workloads.md shows the same table. Where two
programs would act on one node, fleet waits: see `guards/others.py`.
"""

from __future__ import annotations

from fleet.core.third_parties.lifecycle_parties import LIFECYCLE
from fleet.core.third_parties.party import Party
from fleet.core.third_parties.update_parties import UPDATERS

PARTIES: tuple[Party, ...] = (*LIFECYCLE, *UPDATERS)
