"""The table of all reasons for which something waits: one member, one `ReasonSpec`. A new reason is added here alone.

The codes are a contract: JSON, journals and databases have them.
"""

from __future__ import annotations

from enum import StrEnum

from fleet.core.records.reasons.spec import ReasonSpec

NODES_OUT = (
    "fleet's own come back by themselves; repair the others, uncordon them, or fleet rollout release "
    "a failed one"
)


class Reason(StrEnum):
    """The code of a reason; `spec` has what else there is to say of it."""

    spec: ReasonSpec

    def __new__(cls, spec: ReasonSpec | str) -> Reason:
        """Makes a member of its spec. A call with a code, `Reason("paused")`, finds the member and does not come here."""
        assert isinstance(spec, ReasonSpec), spec
        member = str.__new__(cls, spec.code)
        member._value_ = spec.code
        member.spec = spec
        return member

    PAUSED = ReasonSpec(
        "paused",
        "rollout {subject} is paused by {by}",
        opens="the rollout is resumed",
        docs="architecture.md#a-run",
        remedy="fleet rollout resume {subject}",
    )
    HALTED = ReasonSpec(
        "halted",
        "rollout {subject} is halted: {why}",
        opens="an operator resumes the rollout",
        docs="architecture.md#a-run",
        remedy=(
            "look at the failed nodes, then fleet rollout release NODE and fleet rollout resume {subject}"
        ),
        needs_action=True,
    )
    ABORTED = ReasonSpec(
        "aborted",
        "rollout {subject} is aborted by {by}: nothing new starts",
        opens="what has begun ends by itself, and an aborted rollout cannot go on",
        docs="architecture.md#a-run",
    )
    WINDOW = ReasonSpec(
        "window",
        "outside the windows of pool {subject}{closed}; the next one that fits opens {opens}",
        opens="the window opens by itself",
        docs="windows.md#when-a-run-starts",
    )
    FREEZE = ReasonSpec(
        "freeze",
        "freeze {subject} until {until}",
        opens="the freeze ends by itself",
        docs="windows.md#freezes",
    )
    CANARY = ReasonSpec(
        "canary",
        "waits for the canaries: {done} of {count} proven{open}",
        opens="the canaries go on by themselves, or are held by a reason of their own that has advice",
        docs="workloads.md#canaries-and-gates",
    )
    CANARY_FAILED = ReasonSpec(
        "canary-failed",
        "waits for the canaries: {done} of {count} proven; canary {node} failed in rollout {subject} "
        "and nobody has released it",
        opens="the canary is released, or another one is proven",
        docs="workloads.md#canaries-and-gates",
        remedy="look at the node, then fleet rollout release {node}; the next best node becomes the canary",
        needs_action=True,
    )
    NO_CANARY = ReasonSpec(
        "no-canary",
        "waits for the canaries: {done} of {count} proven, and no node of pool {pool} can be the next one",
        opens="a node of the pool can go",
        docs="workloads.md#canaries-and-gates",
        remedy="mend what holds one of its nodes (fleet explain NODE says what): {nodes}",
        needs_action=True,
    )
    UNREACHABLE = ReasonSpec(
        "unreachable",
        "cluster {subject} is unreachable: {why}",
        opens="the cluster answers again",
        docs="architecture.md#safety",
        remedy="fleet cluster check {subject}",
        scope="cluster",
    )
    LED_BY_ANOTHER = ReasonSpec(
        "led-by-another",
        "nothing is done in cluster {subject}: {why}",
        opens="this fleet holds the Lease of the cluster",
        docs="architecture.md#safety",
        remedy=(
            "see which fleet that controller is of: it goes on here once that one no longer leads {subject}"
        ),
        scope="cluster",
    )
    NODE_GONE = ReasonSpec(
        "node-gone",
        "node {subject} is gone from its cluster",
        opens="nothing: the run is over",
        docs="workloads.md#nodes-that-go-away-and-come-back",
        remedy="nothing is left to do here; if it comes back: fleet sync, then a new plan",
        needs_action=True,
    )
    NODE_ABSENT = ReasonSpec(
        "node-absent",
        "the Node object of {subject} is gone since {since}; fleet waits until {until} for the "
        "machine to register again",
        opens="the wait ends by itself, at the time that is named",
        docs="workloads.md#nodes-that-go-away-and-come-back",
    )
    NODE_REPLACED = ReasonSpec(
        "node-replaced",
        "another machine now stands under the name {subject}",
        opens="nothing: the plan is about another machine",
        docs="workloads.md#nodes-that-go-away-and-come-back",
        remedy="fleet sync, then a new plan",
        needs_action=True,
    )
    NODE_NOT_READY = ReasonSpec(
        "node-not-ready",
        "node {subject} is not Ready{why}",
        opens="the node is Ready",
        docs="architecture.md#a-run",
        remedy="repair the node, or drain and remove it",
        needs_action=True,
    )
    FOREIGN_CORDON = ReasonSpec(
        "foreign-cordon",
        "cordoned, not by fleet",
        opens="the node is uncordoned",
        docs="workloads.md#others-who-work-on-the-same-node",
        remedy="kubectl uncordon it if nobody works on it",
        needs_action=True,
    )
    OTHERS = ReasonSpec(
        "others",
        "{told}",
        opens=(
            "the other party ends by itself, or removes the node, which cancels its run; what helps is "
            "told for each"
        ),
        docs="workloads.md#others-who-work-on-the-same-node",
    )
    """Another party deletes the node or works on it, and will end by itself."""
    OTHERS_STAY = ReasonSpec(
        "others-stay",
        "{told}",
        opens="the mark of the other party is gone from the node",
        docs="workloads.md#others-who-work-on-the-same-node",
        remedy="end the work of {party} on {subject}, or take {mark} off the node if nobody works on it",
        needs_action=True,
    )
    """Another party works on the node until an operator ends it."""
    OTHER_ROLLOUT = ReasonSpec(
        "other-rollout",
        "rollout {by} holds it: its run there failed and nobody has released it",
        opens="the node is released in the other rollout",
        docs="workloads.md#others-who-work-on-the-same-node",
        remedy="look at the node, then fleet rollout release {subject}",
        needs_action=True,
    )
    OTHER_CORDON = ReasonSpec(
        "other-cordon",
        "cordoned by rollout {by}, which is another one, of this fleet or of another fleet",
        opens="the cordon of the other rollout is gone",
        docs="workloads.md#others-who-work-on-the-same-node",
        remedy=(
            "fleet rollout status {by} says how it stands, where it is of this fleet; if nobody works on "
            "the node: kubectl uncordon {subject}"
        ),
        needs_action=True,
    )
    ROLLED_BACK = ReasonSpec(
        "rolled-back",
        "it booted {booted} instead of {release} in rollout {by}: rolled back, and nobody has released it",
        opens="the node is released in the rollout in which it rolled back",
        docs="workloads.md#proof-after-the-reboot",
        remedy="find out why; fleet rollout release {subject} lets it be tried there again",
        needs_action=True,
    )
    NO_AGENT = ReasonSpec(
        "no-agent",
        "no agent has reported from it",
        opens="the agent of the node reports",
        docs="architecture.md#a-run",
        remedy=(
            "fleet cluster install, and see that the agent's pod runs there; a host without a cluster: "
            "fleet cluster check says why it is not reached"
        ),
        needs_action=True,
    )
    STAGING = ReasonSpec(
        "staging",
        "the new image is being written: {percent} %",
        opens="the image is written by itself, within stage.timeout",
        docs="architecture.md#a-run",
    )
    BUDGET = ReasonSpec(
        "budget",
        "budget {subject} allows {allowed} disruptions now, {need} needed: {rule}, {healthy} of "
        "{expected} healthy{unready}",
        opens="the budget opens by itself once enough of its pods are Ready",
        docs="architecture.md#safety",
    )
    BUDGET_NEVER = ReasonSpec(
        "budget-never",
        "budget {subject} allows no disruption: {replicas} of {workload}, {rule}",
        opens="the budget allows a disruption",
        docs="policy.md#drain-rules",
        remedy="scale {workload} up, set maxUnavailable 1 on {subject}, or ask its owners",
        needs_action=True,
    )
    BUDGET_FAILED = ReasonSpec(
        "budget-failed",
        "budget {subject} cannot be computed by its controller: {why}",
        opens="the controller of the budget computes it",
        docs="policy.md#drain-rules",
        remedy="mend the selector of {subject}, or what scales its pods",
        needs_action=True,
    )
    BUDGET_UNCOUNTED = ReasonSpec(
        "budget-uncounted",
        "budget {subject} counts no pods and allows no disruption: {rule} is counted from a "
        "controller with a scale, and {pod} has none",
        opens="the controller of the budget counts its pods",
        docs="policy.md#drain-rules",
        remedy="set minAvailable of {subject} to a number of pods, or give {pod} a controller",
        needs_action=True,
    )
    BUDGET_UNHEALTHY = ReasonSpec(
        "budget-unhealthy",
        "budget {subject} allows no disruption while pods are not Ready: {rule}, {healthy} of "
        "{expected} healthy{unready}",
        opens="enough pods of the budget are Ready",
        docs="policy.md#drain-rules",
        remedy="mend these pods",
        needs_action=True,
    )
    ROLE = ReasonSpec(
        "role",
        "budget {subject} selects by {label}, which tells the pods of {workload} apart: {pod} "
        "carries it now, and the budget allows no disruption ({rule}, {healthy} of {expected} "
        "healthy)",
        opens="the label is on a pod of another node",
        docs="workloads.md#pods-that-know-their-role",
        remedy=(
            "switch {workload} over, so that a pod on another node carries {label}; its operator may do "
            "so when the node is cordoned. Where it has no other pod, add one first"
        ),
        needs_action=True,
    )
    SEVERAL_BUDGETS = ReasonSpec(
        "several-budgets",
        "pod {subject} is matched by several budgets ({budgets}): the Eviction API refuses it",
        opens="one budget selects the pod",
        docs="policy.md#drain-rules",
        remedy="make one budget of {budgets}",
        needs_action=True,
    )
    UNMANAGED = ReasonSpec(
        "unmanaged",
        "pod {subject} has no controller: it would be lost",
        opens="the pod is gone, or the policy lets it go",
        docs="workloads.md#drain-rules",
        remedy="give it a controller, delete it, or set drain.unmanaged: evict",
        needs_action=True,
    )
    LOCAL_DATA = ReasonSpec(
        "local-data",
        "pod {subject} has local data (emptyDir): it would be lost",
        opens="the pod is gone, or the policy lets it go",
        docs="workloads.md#drain-rules",
        remedy="set drain.local_data: evict if the data may go",
        needs_action=True,
    )
    HOST_PATH = ReasonSpec(
        "host-path",
        "pod {subject} uses a hostPath volume of this node",
        opens="the pod is gone, or the policy lets it go",
        docs="workloads.md#drain-rules",
        remedy="set drain.host_path: evict if it may move",
        needs_action=True,
    )
    GRACE = ReasonSpec(
        "grace",
        "pod {subject} may take {grace} s to stop ({source}), longer than drain.timeout, {timeout} s",
        opens="the pod may stop within drain.timeout",
        docs="policy.md#rules",
        remedy="raise drain.timeout above {grace} s, or cut the time short with drain.grace",
        needs_action=True,
    )
    PINNED = ReasonSpec(
        "pinned",
        "pod {subject} can run on no other node, and no budget says that it may be away",
        opens="a budget lets the pod be away, or the policy does",
        docs="workloads.md#pods-bound-to-their-node",
        remedy=(
            "give it a budget that lets it be away, or set drain.no_room: evict; it is down until its "
            "node is back"
        ),
        needs_action=True,
    )
    PINNED_TOGETHER = ReasonSpec(
        "pinned-together",
        "{count} pods here can run on no other node, and budget {subject} lets {room} be away at "
        "once: {pods}",
        opens="the budget lets so many be away at once",
        docs="workloads.md#pods-bound-to-their-node",
        remedy=(
            "raise maxUnavailable of {subject} to {count} if they may be away together, or move all but "
            "{room} to other nodes"
        ),
        needs_action=True,
    )
    POOL_LIMIT = ReasonSpec(
        "pool-limit",
        "pool {subject} has {out} of {limit} nodes out{which}",
        opens="a node of the pool is back",
        docs="policy.md#rules",
        remedy=NODES_OUT,
    )
    ZONE_LIMIT = ReasonSpec(
        "zone-limit",
        "zone {subject} has {out} of {limit} nodes out{which}",
        opens="a node of the zone is back",
        docs="policy.md#rules",
        remedy=NODES_OUT,
    )
    SITE_LIMIT = ReasonSpec(
        "site-limit",
        "site {subject} has {out} of {limit} nodes out{which}",
        opens="a node of the site is back",
        docs="policy.md#rules",
        remedy=NODES_OUT,
    )
    CLUSTER_LIMIT = ReasonSpec(
        "cluster-limit",
        "cluster {subject} has {out} of {limit} nodes out{which}",
        opens="a node of the cluster is back",
        docs="policy.md#rules",
        remedy=NODES_OUT,
    )
    CAPACITY = ReasonSpec(
        "capacity",
        "no room for pod {subject} elsewhere: it needs {cpu}m cpu and {memory} memory; {lacks}",
        opens="another node has room for the pod",
        docs="workloads.md#where-evicted-pods-can-land",
        remedy="add a node, lower what the pod requests, or set drain.no_room: evict if it may wait",
        needs_action=True,
    )
    ROOM = ReasonSpec(
        "room",
        "no room for pod {subject} elsewhere while {back} in work: it needs {cpu}m cpu and {memory} memory; {lacks}",
        opens="the nodes in work come back, or their runs fail after a bounded wait",
        docs="workloads.md#where-evicted-pods-can-land",
    )
    QUORUM = ReasonSpec(
        "quorum",
        "without {member} {remaining} of {voters} voters of {subject} would be healthy, {needed} are "
        "needed{ill}",
        opens="enough other voters are healthy",
        docs="quorum.md#when-a-node-may-go",
        remedy="bring the ailing members back first",
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
        remedy="mend the annotation, or take it away; docs/quorum.md has its keys",
        needs_action=True,
        scope="quorum group",
    )
    QUORUM_AWAY = ReasonSpec(
        "quorum-away",
        "{member} of {subject} is away or not yet itself again ({node}): one at a time",
        opens="the other member comes back, or its run fails after a bounded wait",
        docs="quorum.md#when-a-node-may-go",
        scope="quorum group",
    )
    QUORUM_ILL = ReasonSpec(
        "quorum-ill",
        "{subject} stands still without {member}, and not all others are well: {ill}",
        opens="all other members are healthy",
        docs="quorum.md#who-is-healthy",
        remedy="bring the ailing members back first",
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
        opens="the other member goes first, or is held by a reason of its own that has advice",
        docs="quorum.md#when-a-node-may-go",
        scope="quorum group",
    )
    LAST_VOTER = ReasonSpec(
        "last-voter",
        "{member} is the last voter of {subject} on etcd {old}: once it runs {new} the data are "
        "those of {new}, and no member can go back; the others must have run {new} for {wait} first: "
        "until {until}",
        opens=(
            "the wait ends by itself, at the time that is named; while another voter is not well, that "
            "voter is held or told with advice of its own"
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
            "while all members run {data} and are well: etcdctl downgrade enable {old}, wait until the "
            "status of every member tells storage version {old}, and go back then; a member that went "
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
    SKEW = ReasonSpec(
        "skew",
        "{release} brings kubelet {kubelet}, newer than API server {server} of {subject}",
        opens="the API servers are upgraded",
        docs="quorum.md#version-skew",
        remedy="upgrade the API servers of {subject} to {needed} first",
        needs_action=True,
    )
    SKEW_OLD = ReasonSpec(
        "skew-old",
        "{release} brings kubelet {kubelet}, {count} minor versions older than API server {server} "
        "of {subject}; {most} are supported",
        opens="nothing: take another release",
        docs="quorum.md#version-skew",
        remedy="take a release whose kubelet is {needed} or newer",
        needs_action=True,
    )
    SKEW_UNKNOWN = ReasonSpec(
        "skew-unknown",
        "{release} brings kubelet {kubelet}, and the version of the API server of {subject} is not known",
        opens="the API server says its version",
        docs="quorum.md#version-skew",
        remedy="fleet cluster check {subject}: fleet must be able to read /version there",
        needs_action=True,
    )
    ARCHITECTURE = ReasonSpec(
        "architecture",
        "{release} has digests for {architectures}, and {subject} is {architecture}",
        opens="nothing: a new plan, with a release that has the digest",
        docs="policy.md#one-release-several-architectures",
        remedy=(
            "add {architecture} to the digests of {release} in its stream, or the digest of the index "
            "over all of them as its digest; then a new plan"
        ),
        needs_action=True,
    )
    TERMINATING = ReasonSpec(
        "terminating",
        "pod {subject} is being deleted{why}",
        opens="the pod goes within its grace period, or the drain ends after drain.timeout",
        docs="workloads.md#drain-rules",
    )
    STUCK_TERMINATING = ReasonSpec(
        "stuck-terminating",
        "pod {subject} should have been gone since {since} and is still terminating{why}",
        opens="the pod is gone",
        docs="workloads.md#drain-rules",
        remedy="{remedy}",
        needs_action=True,
    )
    VOLUMES_ATTACHED = ReasonSpec(
        "volumes-attached",
        "volume {subject} is still attached to the drained node by {attacher}{more}{why}",
        opens="the volume is detached from the node",
        docs="workloads.md#volumes",
        remedy=(
            "kubectl describe volumeattachment {attachment} and the log of {attacher} tell why; "
            "drain.volumes: ignore reboots all the same"
        ),
    )
    NOT_VERIFIED = ReasonSpec(
        "not-verified",
        "not proven yet: {why}",
        opens="the proof comes by itself, or the run fails after reboot.timeout",
        docs="workloads.md#proof-after-the-reboot",
    )
    BACKOFF = ReasonSpec(
        "backoff",
        "{what} was refused ({why}); it is tried again",
        opens="fleet asks again; the server's words name what it wants",
        docs="architecture.md#the-engine",
    )
    COMES_BACK = ReasonSpec(
        "comes-back",
        "{subject} has come back to {node} {times} after its eviction: {why}; {then}",
        opens="the pod is on another node, or is left",
        docs="workloads.md#pods-that-come-back-to-their-node",
        remedy=(
            "take that toleration or node name away from {subject}, or leave its pods there with a drain "
            "rule (do: skip)"
        ),
    )
    POD_HELD = ReasonSpec(
        "pod-held",
        "pod {subject} is not to be evicted: {by}",
        opens="the pod is gone, or a rule lets it go",
        docs="workloads.md#drain-rules",
        remedy="let it end or move it, or say otherwise with a drain rule of the policy (docs/policy.md)",
        needs_action=True,
    )
    POD_WAITS = ReasonSpec(
        "pod-waits",
        "pod {subject} is left to end by itself: {by}",
        opens="the pod ends",
        docs="workloads.md#drain-rules",
        remedy=(
            "nothing: the wait is bounded, and then the node is given back; a drain rule may say otherwise"
        ),
    )
    ASKED = ReasonSpec(
        "asked",
        "eviction of {subject} is asked for although no budget allows it ({by}); last answer: {why}",
        opens="the operator of the pod makes its budget allow the eviction",
        docs="workloads.md#budgets-that-open-by-the-cordon-or-by-being-asked",
        remedy="see that its operator works; the wait is bounded, and then the node is given back",
    )
    ASK_TURN = ReasonSpec(
        "ask-turn",
        "{node} is in work: {subject} loses one node at a time",
        opens="the other node is back",
        docs="workloads.md#budgets-that-open-by-the-cordon-or-by-being-asked",
        remedy="nothing: {node} goes first; fleet explain {node} says where it stands",
    )
    LENGTH_UNKNOWN = ReasonSpec(
        "length-unknown",
        "how long its drain takes cannot be planned: {what}",
        opens="the run itself: the rollout tries it",
        docs="workloads.md#what-is-known-when-planning",
        remedy="nothing: the rollout tries it for {limit} at most, and gives the node back otherwise",
        needs_action=True,
    )
    TURN = ReasonSpec(
        "turn",
        "its turn has not come: {ahead} nodes are before it",
        opens="the nodes before it go first, or are held by reasons of their own that have advice",
        docs="architecture.md#the-engine",
    )
