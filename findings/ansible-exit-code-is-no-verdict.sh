#!/usr/bin/env bash
# ansible-core 2.19.14 (PyPI), ansible-playbook on this machine by the connection "local", and one host that is not there.
#
# What is done: small playbooks are run, each against an inventory of one or two hosts, and the exit code is noted.
#
# One would expect: 0 means that the hosts of the inventory were worked on; 4 means that a host was unreachable; and since
# the values in executor/task_queue_manager.py (1, 2, 4, 8) read as a bit field, that a run in which one host failed and
# another was unreachable ends with 6.
#
# What is seen: 0 where no host matches the play, also where only a play for localhost had any; 0 where ANSIBLE_RUN_TAGS of
# the environment, or an ansible.cfg, leaves out every task, with no message on the terminal. 4 where a host is
# unreachable, but also where the playbook is empty, is not YAML, or names a module that does not exist, and no host was ever
# contacted; 1 where a role or an imported file is missing. One host failed and one unreachable: 4, and not 6. So a program
# that runs playbooks must read the events, or the final statistics, of the host in question.
#
# Needs bash, ssh, Python 3.11 or newer and PyPI. Exits 0 while it is so, and 1 where the behaviour has changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv && venv/bin/pip -q install ansible-core==2.19.14 > build.log 2>&1 || { cat build.log >&2; exit 2; }
: > ansible.cfg
export ANSIBLE_CONFIG="$folder/ansible.cfg" ANSIBLE_HOME="$folder/home" ANSIBLE_NOCOLOR=1 LC_ALL=C.UTF-8
unset ANSIBLE_RUN_TAGS ANSIBLE_SKIP_TAGS

cat > one <<'INI'
box ansible_connection=local
INI
cat > two <<'INI'
box ansible_connection=local
gone ansible_host=127.0.0.1 ansible_port=1
INI
play() { printf -- '- hosts: %s\n  gather_facts: false\n  tasks: [{%s}]\n' "$1" "$2"; }
play all 'raw: echo ran' > good.yml
play tills 'raw: echo ran' > nobody.yml
{ play localhost 'raw: echo ran'; play tills 'raw: echo ran'; } > here.yml
: > empty.yml
printf -- '- hosts: all\n  tasks: [\n' > broken.yml
play all 'nosuchmodule: {}' > module.yml
printf -- '- {hosts: all, gather_facts: false, roles: [gone]}\n' > role.yml
play all "fail: {msg: boom}, when: inventory_hostname == 'box'}, {raw: echo ran" > failed.yml

wrong=0
# see CODE INVENTORY PLAYBOOK: what it exits with.
see() {
	code=0
	venv/bin/ansible-playbook -i "$2" "$3" > "$3.log" 2>&1 < /dev/null || code=$?
	echo "$3 on $2: exit $code (while this was written: $1)"
	[ "$code" = "$1" ] || { wrong=1; cat "$3.log"; }
}
see 0 one good.yml
see 0 one nobody.yml
see 0 one here.yml
ANSIBLE_RUN_TAGS=somebody-elses see 0 one failed.yml
see 4 two good.yml
see 4 one empty.yml
see 4 one broken.yml
see 4 one module.yml
see 1 one role.yml
see 2 one failed.yml
see 4 two failed.yml
exit "$wrong"
