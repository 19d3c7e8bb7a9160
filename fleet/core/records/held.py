"""A refusal as a value: why something does not happen now. Its words for people are made here, and only here."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct, field


class Reason(StrEnum):
    PAUSED = "paused"
    HALTED = "halted"
    ABORTED = "aborted"
    WINDOW = "window"
    FREEZE = "freeze"
    CANARY = "canary"
    CANARY_FAILED = "canary-failed"
    NO_CANARY = "no-canary"
    UNREACHABLE = "unreachable"
    LED_BY_ANOTHER = "led-by-another"
    NODE_GONE = "node-gone"
    NODE_ABSENT = "node-absent"
    NODE_REPLACED = "node-replaced"
    NODE_NOT_READY = "node-not-ready"
    FOREIGN_CORDON = "foreign-cordon"
    OTHERS = "others"
    """Another party deletes the node or works on it, and will end by itself."""
    OTHERS_STAY = "others-stay"
    """Another party works on the node until an operator ends it."""
    OTHER_ROLLOUT = "other-rollout"
    OTHER_CORDON = "other-cordon"
    ROLLED_BACK = "rolled-back"
    NO_AGENT = "no-agent"
    STAGING = "staging"
    BUDGET = "budget"
    BUDGET_NEVER = "budget-never"
    BUDGET_FAILED = "budget-failed"
    BUDGET_UNCOUNTED = "budget-uncounted"
    BUDGET_UNHEALTHY = "budget-unhealthy"
    ROLE = "role"
    SEVERAL_BUDGETS = "several-budgets"
    UNMANAGED = "unmanaged"
    LOCAL_DATA = "local-data"
    HOST_PATH = "host-path"
    GRACE = "grace"
    PINNED = "pinned"
    PINNED_TOGETHER = "pinned-together"
    POOL_LIMIT = "pool-limit"
    ZONE_LIMIT = "zone-limit"
    SITE_LIMIT = "site-limit"
    CLUSTER_LIMIT = "cluster-limit"
    CAPACITY = "capacity"
    ROOM = "room"
    QUORUM = "quorum"
    QUORUM_NEVER = "quorum-never"
    QUORUM_UNREAD = "quorum-unread"
    QUORUM_WRONG = "quorum-wrong"
    QUORUM_AWAY = "quorum-away"
    QUORUM_ILL = "quorum-ill"
    QUORUM_DOWNTIME = "quorum-downtime"
    QUORUM_STRETCH = "quorum-stretch"
    QUORUM_ORDER = "quorum-order"
    LAST_VOTER = "last-voter"
    ETCD_DATA = "etcd-data"
    LEADER = "leader"
    SNAPSHOT = "snapshot"
    SKEW = "skew"
    SKEW_OLD = "skew-old"
    SKEW_UNKNOWN = "skew-unknown"
    ARCHITECTURE = "architecture"
    TERMINATING = "terminating"
    STUCK_TERMINATING = "stuck-terminating"
    VOLUMES_ATTACHED = "volumes-attached"
    NOT_VERIFIED = "not-verified"
    BACKOFF = "backoff"
    COMES_BACK = "comes-back"
    POD_HELD = "pod-held"
    POD_WAITS = "pod-waits"
    ASKED = "asked"
    ASK_TURN = "ask-turn"
    LENGTH_UNKNOWN = "length-unknown"
    TURN = "turn"


class Held(Struct, frozen=True, gc=False):
    """`subject` is what stands in the way (a budget, a pod, a zone); `facts` are the numbers and names to say it."""

    reason: Reason
    subject: str = ""
    params: dict[str, str | int] = field(default_factory=dict, name="facts")

    @property
    def message(self) -> str:
        """One line for a person."""
        return WORDS[self.reason].format_map(_Facts(self))

    @property
    def remedy(self) -> str:
        """What to do about it; empty where waiting is all there is to do. A fact of that name beats the usual one."""
        if own := self.params.get("advice"):
            return str(own)
        return ADVICE.get(self.reason, "").format_map(_Facts(self))

    @property
    def needs_action(self) -> bool:
        """It does not pass by itself while the rollout goes on: a person has to act."""
        return self.reason in LASTING

    @property
    def passed_over(self) -> bool:
        """Nobody waits for the node's turn meanwhile, and another one is the canary."""
        return self.needs_action or self.reason is Reason.OTHERS


BLANK: Mapping[str, object] = {"unready": ""}
"""Facts that may be left out, and what a template shows then."""


class _Facts(Mapping[str, object]):
    """The values a template may name; one it lacks shows as `?` rather than failing while a person waits."""

    def __init__(self, held: Held) -> None:
        self._values: dict[str, object] = {**BLANK, "subject": held.subject, **held.params}

    def __getitem__(self, key: str) -> object:
        return self._values.get(key, "?")

    def __iter__(self):  # type: ignore[no-untyped-def]
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


WORDS: Mapping[Reason, str] = {
    Reason.PAUSED: "rollout {subject} is paused by {by}",
    Reason.HALTED: "rollout {subject} is halted: {why}",
    Reason.ABORTED: "rollout {subject} is aborted by {by}: nothing new starts",
    Reason.WINDOW: "outside the windows of pool {subject}; the next one that fits opens {opens}",
    Reason.FREEZE: "freeze {subject} until {until}",
    Reason.CANARY: "waits for the canaries: {done} of {count} proven{open}",
    Reason.CANARY_FAILED: "waits for the canaries: {done} of {count} proven; canary {node} failed in rollout {subject} "
    "and nobody has released it",
    Reason.NO_CANARY: "waits for the canaries: {done} of {count} proven, and no node of pool {pool} can be the next one",
    Reason.UNREACHABLE: "cluster {subject} is unreachable: {why}",
    Reason.LED_BY_ANOTHER: "nothing is done in cluster {subject}: {why}",
    Reason.NODE_GONE: "node {subject} is gone from its cluster",
    Reason.NODE_ABSENT: "the Node object of {subject} is gone since {since}; fleet waits until {until} for the machine "
    "to register again",
    Reason.NODE_REPLACED: "another machine now stands under the name {subject}",
    Reason.NODE_NOT_READY: "node {subject} is not Ready{why}",
    Reason.FOREIGN_CORDON: "cordoned, not by fleet",
    Reason.OTHERS: "{told}",
    Reason.OTHERS_STAY: "{told}",
    Reason.OTHER_ROLLOUT: "rollout {by} holds it: its run there failed and nobody has released it",
    Reason.OTHER_CORDON: "cordoned by rollout {by}, which is another one, of this fleet or of another fleet",
    Reason.ROLLED_BACK: "it booted {booted} instead of {release} in rollout {by}: rolled back, "
    "and nobody has released it",
    Reason.NO_AGENT: "no agent has reported from it",
    Reason.STAGING: "the new image is being written: {percent} %",
    Reason.BUDGET: "budget {subject} allows {allowed} disruptions now, {need} needed: {rule}, "
    "{healthy} of {expected} healthy{unready}",
    Reason.BUDGET_NEVER: "budget {subject} allows no disruption: {replicas} of {workload}, {rule}",
    Reason.BUDGET_FAILED: "budget {subject} cannot be computed by its controller: {why}",
    Reason.BUDGET_UNCOUNTED: "budget {subject} counts no pods and allows no disruption: {rule} is counted from a "
    "controller with a scale, and {pod} has none",
    Reason.BUDGET_UNHEALTHY: "budget {subject} allows no disruption while pods are not Ready: {rule}, "
    "{healthy} of {expected} healthy{unready}",
    Reason.ROLE: "budget {subject} selects by {label}, which tells the pods of {workload} apart: {pod} carries it "
    "now, and the budget allows no disruption ({rule}, {healthy} of {expected} healthy)",
    Reason.SEVERAL_BUDGETS: "pod {subject} is matched by several budgets ({budgets}): "
    "the Eviction API refuses it",
    Reason.UNMANAGED: "pod {subject} has no controller: it would be lost",
    Reason.LOCAL_DATA: "pod {subject} has local data (emptyDir): it would be lost",
    Reason.HOST_PATH: "pod {subject} uses a hostPath volume of this node",
    Reason.GRACE: "pod {subject} may take {grace} s to stop ({source}), longer than drain.timeout, {timeout} s",
    Reason.PINNED: "pod {subject} can run on no other node, and no budget says that it may be away",
    Reason.PINNED_TOGETHER: "{count} pods here can run on no other node, and budget {subject} lets {room} be away at "
    "once: {pods}",
    Reason.POOL_LIMIT: "pool {subject} has {out} of {limit} nodes out{which}",
    Reason.ZONE_LIMIT: "zone {subject} has {out} of {limit} nodes out{which}",
    Reason.SITE_LIMIT: "site {subject} has {out} of {limit} nodes out{which}",
    Reason.CLUSTER_LIMIT: "cluster {subject} has {out} of {limit} nodes out{which}",
    Reason.CAPACITY: "no room for pod {subject} elsewhere: it needs {cpu}m cpu and {memory} memory; {lacks}",
    Reason.ROOM: "no room for pod {subject} elsewhere while {back} in work: it needs {cpu}m cpu and {memory} memory; "
    "{lacks}",
    Reason.QUORUM: "without {member} {remaining} of {voters} voters of {subject} would be healthy, "
    "{needed} are needed{ill}",
    Reason.QUORUM_NEVER: "{needed} voters of {subject} must stay healthy and it has {voters}: "
    "{member} can never go",
    Reason.QUORUM_UNREAD: "quorum group {subject} cannot be read: {why}",
    Reason.QUORUM_WRONG: "quorum group {subject} is declared wrongly: {why}",
    Reason.QUORUM_AWAY: "{member} of {subject} is away or not yet itself again ({node}): one at a time",
    Reason.QUORUM_ILL: "{subject} stands still without {member}, and not all others are well: {ill}",
    Reason.QUORUM_DOWNTIME: "{subject} has {voters} and can spare {spare}: it stands still while {member} reboots",
    Reason.QUORUM_STRETCH: "rebooting {member} now would leave {sites} as the only majority of {subject}, "
    "which the loss of {breaking} breaks; waiting for {other} {better}",
    Reason.QUORUM_ORDER: "{first} of {subject} goes before {member}: {why}",
    Reason.LAST_VOTER: "{member} is the last voter of {subject} on etcd {old}: once it runs {new} the data are those of "
    "{new}, and no member can go back; the others must have run {new} for {wait} first: until {until}",
    Reason.ETCD_DATA: "the data of {subject} are those of etcd {data}, and the release brings {member} back to etcd "
    "{old}, which does not start on them",
    Reason.LEADER: "{member} leads {subject}: leadership moves to {to} first{why}",
    Reason.SNAPSHOT: "a snapshot of {subject} is taken first{why}",
    Reason.SKEW: "{release} brings kubelet {kubelet}, newer than API server {server} of {subject}",
    Reason.SKEW_OLD: "{release} brings kubelet {kubelet}, {count} minor versions older than API server {server} of "
    "{subject}; {most} are supported",
    Reason.SKEW_UNKNOWN: "{release} brings kubelet {kubelet}, and the version of the API server of {subject} is not "
    "known",
    Reason.ARCHITECTURE: "{release} has digests for {architectures}, and {subject} is {architecture}",
    Reason.TERMINATING: "pod {subject} is being deleted{why}",
    Reason.STUCK_TERMINATING: "pod {subject} should have been gone since {since} and is still terminating{why}",
    Reason.VOLUMES_ATTACHED: "volume {subject} is still attached to the drained node by {attacher}{more}{why}",
    Reason.NOT_VERIFIED: "not proven yet: {why}",
    Reason.BACKOFF: "{what} was refused ({why}); it is tried again",
    Reason.COMES_BACK: "{subject} has come back to {node} {times} after its eviction: {why}; {then}",
    Reason.POD_HELD: "pod {subject} is not to be evicted: {by}",
    Reason.POD_WAITS: "pod {subject} is left to end by itself: {by}",
    Reason.ASKED: "eviction of {subject} is asked for although no budget allows it ({by}); last answer: {why}",
    Reason.ASK_TURN: "{node} is in work: {subject} loses one node at a time",
    Reason.LENGTH_UNKNOWN: "how long its drain takes cannot be planned: {what}",
    Reason.TURN: "its turn has not come: {ahead} nodes are before it",
}

OUT = "fleet's own come back by themselves; repair the others, uncordon them, or fleet rollout release a failed one"

ADVICE: Mapping[Reason, str] = {
    Reason.PAUSED: "fleet rollout resume {subject}",
    Reason.HALTED: "look at the failed nodes, then fleet rollout release NODE and fleet rollout resume {subject}",
    Reason.CANARY_FAILED: "look at the node, then fleet rollout release {node}; the next best node becomes the canary",
    Reason.NO_CANARY: "mend what holds one of its nodes (fleet explain NODE says what): {nodes}",
    Reason.UNREACHABLE: "fleet cluster check {subject}",
    Reason.LED_BY_ANOTHER: "see which fleet that controller is of: it goes on here once that one no longer leads {subject}",
    Reason.NODE_GONE: "nothing is left to do here; if it comes back: fleet sync, then a new plan",
    Reason.NODE_REPLACED: "fleet sync, then a new plan",
    Reason.NODE_NOT_READY: "repair the node, or drain and remove it",
    Reason.FOREIGN_CORDON: "kubectl uncordon it if nobody works on it",
    Reason.OTHERS_STAY: "end the work of {party} on {subject}, or take {mark} off the node if nobody works on it",
    Reason.OTHER_ROLLOUT: "look at the node, then fleet rollout release {subject}",
    Reason.OTHER_CORDON: "fleet rollout status {by} says how it stands, where it is of this fleet; if nobody works on the "
    "node: kubectl uncordon {subject}",
    Reason.ROLLED_BACK: "find out why; fleet rollout release {subject} lets it be tried there again",
    Reason.NO_AGENT: "fleet cluster install, and see that the agent's pod runs there; a host without a cluster: "
    "fleet cluster check says why it is not reached",
    Reason.BUDGET_NEVER: "scale {workload} up, set maxUnavailable 1 on {subject}, or ask its owners",
    Reason.BUDGET_FAILED: "mend the selector of {subject}, or what scales its pods",
    Reason.BUDGET_UNCOUNTED: "set minAvailable of {subject} to a number of pods, or give {pod} a controller",
    Reason.BUDGET_UNHEALTHY: "mend these pods",
    Reason.ROLE: "switch {workload} over, so that a pod on another node carries {label}; its operator may do so when "
    "the node is cordoned. Where it has no other pod, add one first",
    Reason.SEVERAL_BUDGETS: "make one budget of {budgets}",
    Reason.VOLUMES_ATTACHED: "kubectl describe volumeattachment {attachment} and the log of {attacher} tell why; "
    "drain.volumes: ignore reboots all the same",
    Reason.UNMANAGED: "give it a controller, delete it, or set drain.unmanaged: evict",
    Reason.LOCAL_DATA: "set drain.local_data: evict if the data may go",
    Reason.HOST_PATH: "set drain.host_path: evict if it may move",
    Reason.GRACE: "raise drain.timeout above {grace} s, or cut the time short with drain.grace",
    Reason.PINNED: "give it a budget that lets it be away, or set drain.no_room: evict; it is down until its node is "
    "back",
    Reason.PINNED_TOGETHER: "raise maxUnavailable of {subject} to {count} if they may be away together, or move all "
    "but {room} to other nodes",
    Reason.POOL_LIMIT: OUT,
    Reason.ZONE_LIMIT: OUT,
    Reason.SITE_LIMIT: OUT,
    Reason.CLUSTER_LIMIT: OUT,
    Reason.COMES_BACK: "take that toleration or node name away from {subject}, or leave its pods there with a drain rule "
    "(do: skip)",
    Reason.POD_HELD: "let it end or move it, or say otherwise with a drain rule of the policy (docs/policy.md)",
    Reason.POD_WAITS: "nothing: the wait is bounded, and then the node is given back; a drain rule may say otherwise",
    Reason.ASKED: "see that its operator works; the wait is bounded, and then the node is given back",
    Reason.ASK_TURN: "nothing: {node} goes first; fleet explain {node} says where it stands",
    Reason.LENGTH_UNKNOWN: "nothing: the rollout tries it for {limit} at most, and gives the node back otherwise",
    Reason.CAPACITY: "add a node, lower what the pod requests, or set drain.no_room: evict if it may wait",
    Reason.QUORUM: "bring the ailing members back first",
    Reason.QUORUM_NEVER: "lower the margin of quorum group {subject}, or add voters",
    Reason.QUORUM_UNREAD: "see that its endpoints and certificates in the policy are right, and that it answers",
    Reason.QUORUM_WRONG: "mend the annotation, or take it away; docs/quorum.md has its keys",
    Reason.QUORUM_ILL: "bring the ailing members back first",
    Reason.QUORUM_DOWNTIME: "set downtime: allow for {subject} if its users can bear it, or add voters",
    Reason.ETCD_DATA: "while all members run {data} and are well: etcdctl downgrade enable {old}, wait until the status of "
    "every member tells storage version {old}, and go back then; a member that went back before stays down",
    Reason.QUORUM_STRETCH: "bring {other} back, or set stretch: allow for {subject}",
    Reason.SKEW: "upgrade the API servers of {subject} to {needed} first",
    Reason.SKEW_OLD: "take a release whose kubelet is {needed} or newer",
    Reason.SKEW_UNKNOWN: "fleet cluster check {subject}: fleet must be able to read /version there",
    Reason.ARCHITECTURE: "add {architecture} to the digests of {release} in its stream, or the digest of the index over all "
    "of them as its digest; then a new plan",
    Reason.STUCK_TERMINATING: "{remedy}",
}

WITHOUT_ADVICE: Mapping[Reason, str] = {
    Reason.ABORTED: "what has begun ends by itself, and an aborted rollout cannot go on",
    Reason.WINDOW: "the window opens by itself",
    Reason.FREEZE: "the freeze ends by itself",
    Reason.CANARY: "the canaries go on by themselves, or are held by a reason of their own that has advice",
    Reason.NODE_ABSENT: "the wait ends by itself, at the time that is named",
    Reason.OTHERS: "the other party ends by itself, or removes the node, which cancels its run; what helps is told for each",
    Reason.STAGING: "the image is written by itself, within stage.timeout",
    Reason.BUDGET: "the budget opens by itself once enough of its pods are Ready",
    Reason.ROOM: "the nodes in work come back, or their runs fail after a bounded wait",
    Reason.QUORUM_AWAY: "the other member comes back, or its run fails after a bounded wait",
    Reason.QUORUM_ORDER: "the other member goes first, or is held by a reason of its own that has advice",
    Reason.LAST_VOTER: "the wait ends by itself, at the time that is named; while another voter is not well, that voter is "
    "held or told with advice of its own",
    Reason.LEADER: "fleet moves the leadership, or the run fails after a bounded wait",
    Reason.SNAPSHOT: "fleet takes the snapshot, or the run fails after a bounded wait",
    Reason.TERMINATING: "the pod goes within its grace period, or the drain ends after drain.timeout",
    Reason.NOT_VERIFIED: "the proof comes by itself, or the run fails after reboot.timeout",
    Reason.BACKOFF: "fleet asks again; the server's words name what it wants",
    Reason.TURN: "the nodes before it go first, or are held by reasons of their own that have advice",
}
"""Why nobody has to act."""

OF_QUORUMS = frozenset(
    {
        Reason.QUORUM,
        Reason.QUORUM_NEVER,
        Reason.QUORUM_UNREAD,
        Reason.QUORUM_WRONG,
        Reason.QUORUM_AWAY,
        Reason.QUORUM_ILL,
        Reason.QUORUM_DOWNTIME,
        Reason.QUORUM_STRETCH,
        Reason.QUORUM_ORDER,
        Reason.LAST_VOTER,
        Reason.ETCD_DATA,
    }
)
"""What the guard of quorum groups says."""

AWAY = frozenset({Reason.UNREACHABLE, Reason.LED_BY_ANOTHER})
"""What keeps a whole cluster from being worked in."""

LASTING = frozenset(
    {
        Reason.HALTED,
        Reason.CANARY_FAILED,
        Reason.NO_CANARY,
        Reason.NODE_GONE,
        Reason.NODE_REPLACED,
        Reason.NODE_NOT_READY,
        Reason.FOREIGN_CORDON,
        Reason.OTHERS_STAY,
        Reason.OTHER_ROLLOUT,
        Reason.OTHER_CORDON,
        Reason.ROLLED_BACK,
        Reason.NO_AGENT,
        Reason.BUDGET_NEVER,
        Reason.BUDGET_FAILED,
        Reason.BUDGET_UNCOUNTED,
        Reason.BUDGET_UNHEALTHY,
        Reason.ROLE,
        Reason.SEVERAL_BUDGETS,
        Reason.UNMANAGED,
        Reason.LOCAL_DATA,
        Reason.HOST_PATH,
        Reason.GRACE,
        Reason.PINNED,
        Reason.PINNED_TOGETHER,
        Reason.CAPACITY,
        Reason.POD_HELD,
        Reason.LENGTH_UNKNOWN,
        Reason.QUORUM,
        Reason.QUORUM_NEVER,
        Reason.QUORUM_UNREAD,
        Reason.QUORUM_WRONG,
        Reason.QUORUM_ILL,
        Reason.QUORUM_DOWNTIME,
        Reason.QUORUM_STRETCH,
        Reason.ETCD_DATA,
        Reason.SKEW,
        Reason.SKEW_OLD,
        Reason.SKEW_UNKNOWN,
        Reason.ARCHITECTURE,
        Reason.STUCK_TERMINATING,
    }
)
