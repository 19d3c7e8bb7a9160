"""Reasons of the release: its image is not on the node yet, does not fit the node or its cluster, or is not proven."""

from __future__ import annotations

from fleet.core.records.reasons.spec import ReasonSpec

STAGING = ReasonSpec(
    "staging",
    "the new image is being written: {percent} %",
    opens="the image is written by itself, within stage.timeout",
    docs="architecture.md#a-run",
)
SKEW = ReasonSpec(
    "skew",
    "{release} brings kubelet {kubelet}, newer than API server {server} of {subject}",
    opens="the API servers are upgraded",
    docs="quorum.md#version-skew",
    remedy="upgrade the API servers of {subject} to {needed} first",
    needs_action=True,
    lint="other check",
)
SKEW_OLD = ReasonSpec(
    "skew-old",
    "{release} brings kubelet {kubelet}, {count} minor versions older than API server {server} "
    "of {subject}; {most} are supported",
    opens="nothing: take another release",
    docs="quorum.md#version-skew",
    remedy="take a release whose kubelet is {needed} or newer",
    needs_action=True,
    lint="other check",
)
SKEW_UNKNOWN = ReasonSpec(
    "skew-unknown",
    "{release} brings kubelet {kubelet}, and the version of the API server of {subject} is not known",
    opens="the API server reports its version",
    docs="quorum.md#version-skew",
    remedy="fleet cluster check {subject}: fleet must be able to read /version there",
    needs_action=True,
    lint="other check",
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
BARRIER = ReasonSpec(
    "behind-barrier",
    "a node on {subject} has to boot {next} before {release}{why}",
    opens="the node runs that release",
    docs="feeds.md#barriers-and-dead-ends",
    remedy="fleet plan --to {release} plans the way over {next}",
    needs_action=True,
    lint="in status",
)
DEAD_END = ReasonSpec(
    "dead-end",
    "no upgrade leads away from {subject}, a dead end{why}",
    opens="nothing: the machine is installed anew",
    docs="feeds.md#barriers-and-dead-ends",
    remedy="install the node anew with {release}",
    needs_action=True,
)
NO_WAY = ReasonSpec(
    "no-way",
    "the stream lists no way from {subject} to {release}",
    opens="nothing: a new plan, once the stream lists one",
    docs="feeds.md#barriers-and-dead-ends",
    remedy="fleet releases shows from which releases {release} is reached",
    needs_action=True,
)
NOT_IN_STREAM = ReasonSpec(
    "not-in-stream",
    "the stream does not have {subject}, so it is not known which barriers are between it and {release}",
    opens="nothing: a new plan, once the stream has that release",
    docs="feeds.md#barriers-and-dead-ends",
    remedy="add {subject} to the stream in its order, then a new plan",
    needs_action=True,
)
OFFERED_LATER = ReasonSpec(
    "offered-later",
    "{release} is offered to {percent} % of the machines so far, and to {subject} at {at}",
    opens="the phased rollout of the publisher reaches the node",
    docs="feeds.md#phased-rollouts",
)
NOT_OFFERED = ReasonSpec(
    "not-offered",
    "{release} is offered to {percent} % of the machines, and {subject} is none of them",
    opens="nothing in this rollout; a plan that is made once the publisher offers the release to more",
    docs="feeds.md#phased-rollouts",
    remedy="wait for the publisher, or set rollout_wariness of the pool to 0",
    needs_action=True,
)
NOT_VERIFIED = ReasonSpec(
    "not-verified",
    "not proven yet: {why}",
    opens="the proof comes by itself, or the run fails after reboot.timeout",
    docs="workloads.md#proof-after-the-reboot",
)
