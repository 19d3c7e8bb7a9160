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
NOT_VERIFIED = ReasonSpec(
    "not-verified",
    "not proven yet: {why}",
    opens="the proof comes by itself, or the run fails after reboot.timeout",
    docs="workloads.md#proof-after-the-reboot",
)
