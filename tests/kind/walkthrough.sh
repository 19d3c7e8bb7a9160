#!/bin/sh
# The walk-through on a kind cluster: needs kind, docker and fleet on PATH. Everything is in the folder named (default:
# ./kind-walkthrough), which must not exist.
#
# A kind node is a container without an operating system of its own that could be upgraded. So no agents are installed,
# and nothing is rolled out here; upgrades on this cluster, by machines that are played, are what tests/cluster does:
#   FLEET_TEST_KUBECONFIG=kind-walkthrough/kubeconfig python -m pytest tests/cluster
#
# Away with it again: kind delete cluster --name fleet
set -eu
here=$(cd "$(dirname "$0")" && pwd)
folder=${1:-kind-walkthrough}
mkdir "$folder"
cd "$folder"

kind create cluster --name fleet --config "$here/cluster.yaml" --kubeconfig kubeconfig --wait 5m
fleet init
fleet cluster add kind --kubeconfig kubeconfig --site here
fleet cluster install kind --no-agent
fleet cluster check kind
fleet sync
fleet status
fleet lint
