#!/usr/bin/env bash
# etcd 3.6.16 and 3.7.3 (go.etcd.io/etcd/server/v3), three members on the loopback network.
#
# What is done: the members are replaced one by one by 3.7.3, as an image-based upgrade of their hosts does. After the
# second, one goes back to 3.6.16 and forward again. After the last, one is stopped and 3.6.16 is started on its data;
# while it is down a downgrade to 3.6.0 is enabled, and 3.6.16 is started there again. Then it runs 3.7.3 again, and is
# replaced by 3.6.16 after the downgrade.
#
# One would expect: a member that was just replaced can be replaced back, as after the first two; or that an enabled
# downgrade lets the older version start.
#
# What is seen: until the last member runs 3.7 each can go back. Within some seconds after that all members report
# storageVersion 3.7.0, and 3.6.16 ends at once ('version "3.7.0" is not supported'). Enabling a downgrade while that
# member is down does not help it: the data on its own disk stay those of 3.7. Enabled while all run 3.7, it moves the data
# of every running member to 3.6.0 within seconds, and then 3.6.16 starts. So the order is: all on 3.7, downgrade, wait for
# storageVersion 3.6.0 of every member, replace.
#
# Needs bash, curl, Go 1.26 or newer and the module proxy. Exits 0 while it is so, and 1 where the behaviour has changed.
set -euo pipefail

OLD=3.6.16
NEW=3.7.3
folder=$(mktemp -d)
declare -A pid
trap 'for each in "${pid[@]}"; do kill -9 "$each" 2>/dev/null || true; done; wait 2>/dev/null || true; rm -rf "$folder"' EXIT

for version in $OLD $NEW; do
	mkdir "$folder/$version"
	cat > "$folder/$version/main.go" <<'GO'
package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() { etcdmain.Main(os.Args) }
GO
	(cd "$folder/$version" && go mod init finding && go get "go.etcd.io/etcd/server/v3@v$version" && go build -o etcd .) \
		> "$folder/build.log" 2>&1 || { cat "$folder/build.log" >&2; exit 2; }
done

port=$((20000 + RANDOM % 10000))
client() { echo "http://127.0.0.1:$((port + $1 * 2))"; }
peer() { echo "http://127.0.0.1:$((port + $1 * 2 + 1))"; }
all="m0=$(peer 0),m1=$(peer 1),m2=$(peer 2)"
ask() { curl -sS -m 10 -X POST -d "$3" "$(client "$1")$2"; }
start() { # number, version
	"$folder/$2/etcd" --name "m$1" --data-dir "$folder/m$1" --log-level error \
		--listen-client-urls "$(client "$1")" --advertise-client-urls "$(client "$1")" \
		--listen-peer-urls "$(peer "$1")" --initial-advertise-peer-urls "$(peer "$1")" \
		--initial-cluster "$all" --initial-cluster-state new > "$folder/m$1.log" 2>&1 &
	pid[$1]=$!
}
stop() {
	kill "${pid[$1]}" 2>/dev/null || true
	wait "${pid[$1]}" 2>/dev/null || true
}
until_true() { # seconds, command...
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		((SECONDS < end)) || return 1
		sleep 0.2
	done
}
within() { until_true "$@" || { echo "CHANGED: not within $1 s: ${*:2}" >&2; exit 1; }; }
runs() { # number, version
	local status
	status=$(ask "$1" /v3/maintenance/status '{}' 2>/dev/null) &&
		grep -q "\"version\":\"$2\"" <<< "$status" && grep -q '"leader":"[1-9]' <<< "$status"
}
stored() { # version, members...
	local version=$1 each
	shift
	for each in "$@"; do
		ask "$each" /v3/maintenance/status '{}' 2>/dev/null | grep -q "\"storageVersion\":\"$version\"" || return 1
	done
}
ended() { ! kill -0 "${pid[$1]}" 2>/dev/null; }
refused() { # number: the older version ends by itself, with the reason
	start "$1" $OLD
	within 30 ended "$1"
	grep -q 'version \\"3.7.0\\" is not supported' "$folder/m$1.log" || {
		echo "CHANGED: m$1 ended for another reason: $(tail -1 "$folder/m$1.log")" >&2
		exit 1
	}
}

for each in 0 1 2; do start "$each" $OLD; done
for each in 0 1 2; do within 60 runs "$each" $OLD; done
within 60 stored 3.6.0 0 1 2
for each in 0 1; do
	stop "$each"
	start "$each" $NEW
	within 60 runs "$each" $NEW
done
stop 1
start 1 $OLD
within 60 runs 1 $OLD
echo "before the last voter, a member goes back from $NEW to $OLD"
stop 1
start 1 $NEW
within 60 runs 1 $NEW
stored 3.6.0 0 1 2 || { echo "CHANGED: the data moved before the last voter" >&2; exit 1; }

stop 2
start 2 $NEW
within 60 runs 2 $NEW
within 60 stored 3.7.0 0 1 2
echo "after the last voter the data are those of 3.7.0"
stop 2
refused 2
echo "and $OLD does not start on them"

ask 0 /v3/maintenance/downgrade '{"action": "ENABLE", "version": "3.6.0"}' > "$folder/enabled" || true
if grep -q '"error"' "$folder/enabled"; then
	echo "with that member down a downgrade is refused: $(cat "$folder/enabled")"
else
	until_true 20 stored 3.6.0 0 1 || true
	refused 2
	echo "a downgrade that is enabled while it is down does not help it"
fi
start 2 $NEW
within 60 runs 2 $NEW
echo "$NEW starts there"
ask 0 /v3/maintenance/downgrade '{"action": "ENABLE", "version": "3.6.0"}' > /dev/null || true
within 60 stored 3.6.0 0 1 2
stop 2
start 2 $OLD
within 60 runs 2 $OLD
echo "with all on $NEW, a downgrade moves the data to 3.6.0 in every member, and $OLD starts"
