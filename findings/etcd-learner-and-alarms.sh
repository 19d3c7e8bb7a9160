#!/usr/bin/env bash
# etcd 3.6.16 (go.etcd.io/etcd/server/v3), its JSON gateway on the loopback network.
#
# What is done: a member is added as a learner and started; it replicates. It is asked, on its own client port, for its
# status, for the member list (linearizable and not) and for the list of alarms. Then an alarm NOSPACE is raised for the
# voter, and disarmed with memberID 0 and with the member's own id.
#
# One would expect: a member that is in sync returns the member list as it knows it at least where "linearizable": false is
# asked for, since the list is its own data; and an answer of 200 to DEACTIVATE means that something was disarmed.
#
# What is seen: the status is given, with isLearner; all three lists are refused with 400, code 9, "rpc not supported for
# learner". A monitor that takes the member list of each member takes a healthy learner for dead. DEACTIVATE with memberID 0
# is answered with 200 and an empty list, and the alarm stays; with the member's id it goes.
#
# Needs bash, curl, Go 1.25 or newer and the module proxy. Exits 0 while it is so, and 1 where the behaviour has changed.
set -euo pipefail

folder=$(mktemp -d)
pids=()
trap 'kill "${pids[@]}" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$folder"' EXIT

mkdir "$folder/source"
cat > "$folder/source/main.go" <<'GO'
package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() { etcdmain.Main(os.Args) }
GO
(cd "$folder/source" && go mod init finding && go get go.etcd.io/etcd/server/v3@v3.6.16 && go build -o ../etcd .) \
	> "$folder/build.log" 2>&1 || { cat "$folder/build.log" >&2; exit 2; }

port=$((20000 + RANDOM % 10000))
client() { echo "http://127.0.0.1:$((port + $1 * 2))"; }
peer() { echo "http://127.0.0.1:$((port + $1 * 2 + 1))"; }
ask() { curl -sS -m 10 -X POST -w '\n%{http_code}' -d "$3" "$(client "$1")$2"; }
start() { # number, members, state
	"$folder/etcd" --name "m$1" --data-dir "$folder/m$1" --log-level error \
		--listen-client-urls "$(client "$1")" --advertise-client-urls "$(client "$1")" \
		--listen-peer-urls "$(peer "$1")" --initial-advertise-peer-urls "$(peer "$1")" \
		--initial-cluster "$2" --initial-cluster-state "$3" > "$folder/m$1.log" 2>&1 &
	pids+=($!)
}
until_true() { # seconds, command...
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		((SECONDS < end)) || { echo "not within its time: $*" >&2; return 1; }
		sleep 0.2
	done
}
leads() { ask "$1" /v3/maintenance/status '{}' 2>/dev/null | grep -q '"leader":"[1-9]'; }
alarmed() { ask 0 /v3/maintenance/status '{}' | grep -q 'alarm:NOSPACE'; }
quiet() { # the status is returned, without the alarm
	local status
	status=$(ask 0 /v3/maintenance/status '{}') && ! grep -q 'alarm:NOSPACE' <<< "$status"
}

start 0 "m0=$(peer 0)" new
until_true 30 leads 0 || exit 2
ask 0 /v3/cluster/member/add "{\"peerURLs\": [\"$(peer 1)\"], \"isLearner\": true}" | grep -q '^200$'
start 1 "m0=$(peer 0),m1=$(peer 1)" existing
until_true 30 leads 1 || exit 2

changed=0
say() { echo "$1"; }
differs() { echo "CHANGED: $1" >&2; changed=1; }

status=$(ask 1 /v3/maintenance/status '{}')
if grep -q '"isLearner":true' <<< "$status" && grep -q '^200$' <<< "$status"; then
	say "the learner returns its status"
else
	differs "the learner's status is $status"
fi
for each in '/v3/cluster/member/list {"linearizable":false}' '/v3/cluster/member/list {"linearizable":true}' \
	'/v3/maintenance/alarm {"action":"GET"}'; do
	answer=$(ask 1 "${each%% *}" "${each#* }")
	if grep -q 'rpc not supported for learner' <<< "$answer" && grep -q '^400$' <<< "$answer"; then
		say "the learner refuses $each"
	else
		differs "the learner answers $each with $answer"
	fi
done

ident=$(ask 0 /v3/maintenance/status '{}' | sed -n 's/.*"member_id":"\([0-9]*\)".*/\1/p')
ask 0 /v3/maintenance/alarm "{\"action\": \"ACTIVATE\", \"memberID\": \"$ident\", \"alarm\": \"NOSPACE\"}" > /dev/null
until_true 10 alarmed || exit 2
answer=$(ask 0 /v3/maintenance/alarm '{"action": "DEACTIVATE", "memberID": "0", "alarm": "NOSPACE"}')
if grep -q '^200$' <<< "$answer" && alarmed; then
	say "DEACTIVATE with memberID 0 is answered with 200, and the alarm stays"
else
	differs "DEACTIVATE with memberID 0: $answer"
fi
ask 0 /v3/maintenance/alarm "{\"action\": \"DEACTIVATE\", \"memberID\": \"$ident\", \"alarm\": \"NOSPACE\"}" > /dev/null
if until_true 10 quiet; then
	say "with the member's id it goes"
else
	differs "the alarm stays though it was disarmed with the member's id"
fi
exit "$changed"
