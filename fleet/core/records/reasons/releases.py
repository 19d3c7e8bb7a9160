"""Reasons of a release that does not fit the cluster or the machine."""

from __future__ import annotations

from fleet.core.records.reasons.reason import Reason
from fleet.core.records.reasons.spec import ReasonSpec

SPECS = (
    ReasonSpec(
        Reason.SKEW,
        "{release} brings kubelet {kubelet}, newer than API server {server} of {subject}",
        opens="the API servers are upgraded",
        docs="quorum.md#version-skew",
        remedy="upgrade the API servers of {subject} to {needed} first",
        needs_action=True,
    ),
    ReasonSpec(
        Reason.SKEW_OLD,
        (
            "{release} brings kubelet {kubelet}, {count} minor versions older than API server {server} of "
            "{subject}; {most} are supported"
        ),
        opens="nothing: take another release",
        docs="quorum.md#version-skew",
        remedy="take a release whose kubelet is {needed} or newer",
        needs_action=True,
    ),
    ReasonSpec(
        Reason.SKEW_UNKNOWN,
        ("{release} brings kubelet {kubelet}, and the version of the API server of {subject} is not known"),
        opens="the API server says its version",
        docs="quorum.md#version-skew",
        remedy="fleet cluster check {subject}: fleet must be able to read /version there",
        needs_action=True,
    ),
    ReasonSpec(
        Reason.ARCHITECTURE,
        "{release} has digests for {architectures}, and {subject} is {architecture}",
        opens="nothing: a new plan, with a release that has the digest",
        docs="policy.md#one-release-several-architectures",
        remedy=(
            "add {architecture} to the digests of {release} in its stream, or the digest of the "
            "index over all of them as its digest; then a new plan"
        ),
        needs_action=True,
    ),
)
