#!/bin/sh
# What CI runs for a proposed change of the policy. It needs no cluster and no credentials: a dump stands for each cluster.
# The first command that fails ends it: 2 a mistake in a file, 3 every outdated node would be held, 4 findings.
set -eu
cd "$(dirname "$0")"
fleet lint
for dump in clusters/*.json; do
    fleet lint --from-dump "$dump"
    fleet plan --from-dump "$dump"
done
