"""The view of a user and of the roles. Pure."""

from __future__ import annotations

from rich.text import Text

from fleet.cli.terminal.columns import columns
from fleet.core.policy.access import OwnAccess


def access_text(found: OwnAccess) -> Text:
    """Returns the user with their roles, and a line for each role."""
    lines = [Text(f"You are {found.identity}.", "bold"), Text(f"  roles   {', '.join(found.roles)}")]
    if found.groups:
        lines.append(Text(f"  groups  {', '.join(found.groups)}"))
    if found.holders is None:
        lines.append(Text("The policy has no access: everybody who can open the database may do everything."))
    else:
        lines.append(columns(("ROLE", "WHO"), [(str(role), str(who)) for role, who in found.holders.items()]))
    return Text("\n").join(lines)
