"""Reasons of quorum groups: what a group's voters, leader, data and order ask for before a member's node reboots."""

from __future__ import annotations

from fleet.core.records.reasons.spec import ReasonSpec

QUORUM = ReasonSpec(
    "quorum",
    "without {member} {remaining} of {voters} voters of {subject} would be healthy, {needed} are needed{ill}",
    opens="enough other voters are healthy",
    docs="quorum.md#when-a-node-may-go",
    remedy="bring the unhealthy members back first",
    needs_action=True,
    scope="quorum group",
)
QUORUM_NEVER = ReasonSpec(
    "quorum-never",
    "{needed} voters of {subject} must stay healthy and it has {voters}: {member} can never go",
    opens="the group has more voters, or a smaller margin",
    docs="quorum.md#when-a-node-may-go",
    remedy="lower the margin of quorum group {subject}, or add voters",
    needs_action=True,
    scope="quorum group",
)
QUORUM_UNREAD = ReasonSpec(
    "quorum-unread",
    "quorum group {subject} cannot be read: {why}",
    opens="the group answers",
    docs="quorum.md#who-is-healthy",
    remedy="see that its endpoints and certificates in the policy are right, and that it answers",
    needs_action=True,
    scope="quorum group",
)
QUORUM_WRONG = ReasonSpec(
    "quorum-wrong",
    "quorum group {subject} is declared wrongly: {why}",
    opens="the declaration can be followed",
    docs="quorum.md#groups-by-annotation",
    remedy="correct the annotation, or remove it; docs/quorum.md has its keys",
    needs_action=True,
    scope="quorum group",
)
QUORUM_AWAY = ReasonSpec(
    "quorum-away",
    "{member} of {subject} is away or not healthy again yet ({node}): one at a time",
    opens="the other member comes back, or its run fails after a bounded wait",
    docs="quorum.md#when-a-node-may-go",
    scope="quorum group",
)
QUORUM_ILL = ReasonSpec(
    "quorum-ill",
    "{subject} stands still without {member}, and not all others are healthy: {ill}",
    opens="all other members are healthy",
    docs="quorum.md#who-is-healthy",
    remedy="bring the unhealthy members back first",
    needs_action=True,
    scope="quorum group",
)
QUORUM_DOWNTIME = ReasonSpec(
    "quorum-downtime",
    "{subject} has {voters} and can spare {spare}: it stands still while {member} reboots",
    opens="the policy allows the downtime, or the group has more voters",
    docs="quorum.md#when-a-node-may-go",
    remedy="set downtime: allow for {subject} if its users can bear it, or add voters",
    needs_action=True,
    scope="quorum group",
)
QUORUM_STRETCH = ReasonSpec(
    "quorum-stretch",
    "rebooting {member} now would leave {sites} as the only majority of {subject}, which the "
    "loss of {breaking} breaks; waiting for {other} {better}",
    opens="the member that is named is back",
    docs="quorum.md#a-stretch-cluster-step-by-step",
    remedy="bring {other} back, or set stretch: allow for {subject}",
    needs_action=True,
    scope="quorum group",
)
QUORUM_ORDER = ReasonSpec(
    "quorum-order",
    "{first} of {subject} goes before {member}: {why}",
    opens="the other member goes first, or is held by a reason of its own that has a remedy",
    docs="quorum.md#when-a-node-may-go",
    scope="quorum group",
)
LAST_VOTER = ReasonSpec(
    "last-voter",
    "{member} is the last voter of {subject} on etcd {old}: once it runs {new} the data are "
    "those of {new}, and no member can go back; the others must have run {new} for {wait} first: "
    "until {until}",
    opens=(
        "the wait ends by itself, at the time that is named; while another voter is not healthy, "
        "that voter is held or reported with a remedy of its own"
    ),
    docs="quorum.md#minor-versions-of-etcd",
    scope="quorum group",
)
ETCD_DATA = ReasonSpec(
    "etcd-data",
    "the data of {subject} are those of etcd {data}, and the release brings {member} back to "
    "etcd {old}, which does not start on them",
    opens="the data of the group can be read by that version",
    docs="quorum.md#minor-versions-of-etcd",
    remedy=(
        "while all members run {data} and are healthy: etcdctl downgrade enable {old}, wait until the "
        "status of every member reports storage version {old}, and go back then; a member that went "
        "back before stays down"
    ),
    needs_action=True,
    scope="quorum group",
)
LEADER = ReasonSpec(
    "leader",
    "{member} leads {subject}: leadership moves to {to} first{why}",
    opens="fleet moves the leadership, or the run fails after a bounded wait",
    docs="quorum.md#when-a-node-may-go",
)
SNAPSHOT = ReasonSpec(
    "snapshot",
    "a snapshot of {subject} is taken first{why}",
    opens="fleet takes the snapshot, or the run fails after a bounded wait",
    docs="quorum.md#when-a-node-may-go",
)
