"""Nodes as the status of the fleet has them."""

from __future__ import annotations

from fleet.core.reporting.node_state import NodeState, StatusNode


def a_status_node(name: str, state: NodeState = "outdated") -> StatusNode:
    return StatusNode("east", "fra", "", "workers", name, "", "0", "", "", "", "1", state)
