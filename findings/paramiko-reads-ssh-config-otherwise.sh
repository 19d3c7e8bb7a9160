#!/usr/bin/env bash
# paramiko 5.1.0 (SSHConfig), beside the OpenSSH client that is installed (seen with 9.2).
#
# What is done: one ssh_config(5) is read by both, for the same host: an Include of a file with HostName, User and Port, a
# comment behind a value, and a `Match tagged` for a tag that is not set.
#
# One would expect: a library whose class reads "the format used by OpenSSH" goes to the same machine as ssh does, or reports
# what it cannot read.
#
# What is seen: `Include` is taken for a setting with a value; the comment becomes part of the user's name; the block of
# `Match tagged` applies to every host. No error is raised: the connection goes to another host, port and user than ssh's.
#
# Needs bash, Python 3.9 or newer with venv, ssh, and the package index. Exits 0 while it is so, and 1 where the behaviour has
# changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

python3 -m venv "$folder/venv" > "$folder/log" 2>&1 || { cat "$folder/log" >&2; exit 2; }
"$folder/venv/bin/pip" install --quiet paramiko==5.1.0 > "$folder/log" 2>&1 || { cat "$folder/log" >&2; exit 2; }

cat > "$folder/included" <<CONFIG
Host n-1
  HostName 10.0.7.1
  Port 2222
CONFIG
cat > "$folder/config" <<CONFIG
Include $folder/included
Host n-1
  User core # admin
Match tagged canary
  ServerAliveInterval 9
CONFIG
# OpenSSH knows tags from 9.4 on: what it makes of that block is left out where it does not.
by_ssh() {
	ssh -G -F "$1" n-1 2> /dev/null || { sed '/^Match/,$d' "$1" > "$1.older"; ssh -G -F "$1.older" n-1; }
}
ssh_said=$(by_ssh "$folder/config" | grep -E '^(user|hostname|port|serveraliveinterval) ' | sort)
library_said=$("$folder/venv/bin/python" - "$folder/config" <<'PYTHON'
import sys

import paramiko

found = paramiko.SSHConfig.from_path(sys.argv[1]).lookup("n-1")
for key in ("hostname", "port", "serveraliveinterval", "user"):
    if key in found:
        print(key, found[key])
PYTHON
)

echo "ssh:"; echo "$ssh_said" | sed 's/^/  /'
echo "paramiko:"; echo "$library_said" | sed 's/^/  /'
[ "$ssh_said" = $'hostname 10.0.7.1\nport 2222\nserveraliveinterval 0\nuser core' ] || { echo "ssh reads it otherwise" >&2; exit 1; }
[ "$library_said" = $'hostname n-1\nserveraliveinterval 9\nuser core # admin' ] ||
	{ echo "paramiko reads it otherwise than before" >&2; exit 1; }
echo "as before: the same file leads the library to another machine, as another user"
