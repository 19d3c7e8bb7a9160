"""The view of lint findings with their remedies. Pure."""

from __future__ import annotations

from itertools import groupby

from rich.text import Text

from fleet.core.linting.finding import LintResult
from fleet.core.text.counts import counted


def findings(lint: LintResult) -> Text:
    """Returns the findings, each with its place and what to do."""
    where = ", ".join(lint.checked) or "the policy; no cluster was checked"
    where += f" (never read: {', '.join(lint.unread)})" if lint.unread else ""
    if not lint.findings:
        return Text(f"Nothing contradicts itself in {where}.")
    text = Text()
    for cluster, found in groupby(lint.findings, key=lambda finding: finding.cluster):
        text.append(f"{cluster or 'the policy'}\n", "bold")
        for finding in found:
            text.append(f"  {finding.subject}", "yellow").append(f": {finding.message} ")
            text.append(f"({finding.check})\n", "dim").append(f"    -> {finding.remedy}\n")
    count = len(lint.findings)
    return text.append(f"{counted(count, 'finding')} in {where}.")
