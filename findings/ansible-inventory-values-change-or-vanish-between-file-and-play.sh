#!/usr/bin/env bash
# ansible-core 2.19.14 (PyPI), as seen by a program that reads hosts and variables from an inventory.
#
# What is done: an inventory in YAML has a variable with a template, one with a template that names something that is not
# defined, and a mapping with the key `on`. It is read with `ansible-inventory --list`, and by a play that collects hostvars
# into a dict by `dict.update(...)`, the usual way in Jinja, and writes that as JSON.
#
# One would expect: `ansible-inventory --list` shows what a play sees; a template that cannot be filled in ends the play with
# an error, as everywhere in Ansible, or is at least reported as undefined; keys stay as written.
#
# What is seen: `ansible-inventory --list` leaves every template as it stands ("{{ inventory_hostname }}.example"), so a
# program that connects by its `ansible_host` looks up a name with braces. In the play the call `update({key: value})` with a
# value that is undefined is not made at all and raises nothing: the variable is missing from the result, the play ends with
# 0 and no warning, and `key in hostvars[host]` was true all the same. Only `value is undefined` shows it. The key `on` is the
# boolean true of YAML 1.1, and comes out as "true".
#
# Needs bash, Python 3.11 or newer and PyPI. Exits 0 while it is so, and 1 where the behaviour has changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv && venv/bin/pip -q install ansible-core==2.19.14 > build.log 2>&1 || { cat build.log >&2; exit 2; }
: > ansible.cfg
export ANSIBLE_CONFIG="$folder/ansible.cfg" ANSIBLE_HOME="$folder/home" ANSIBLE_NOCOLOR=1 LC_ALL=C.UTF-8

cat > hosts.yaml <<'YAML'
all:
  hosts:
    box:
      ansible_host: "{{ inventory_hostname }}.example"
      zone: "{{ of_no_file }}"
      hook: {run: drain, on: host}
YAML
cat > collect.yaml <<'YAML'
- hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - ansible.builtin.copy:
        dest: "{{ playbook_dir }}/out.json"
        content: >-
          {%- set seen = {'there': 'zone' in hostvars.box, 'undefined': hostvars.box.zone is undefined} -%}
          {%- for key in ('ansible_host', 'zone', 'hook') -%}
          {%- set _ = seen.update({key: hostvars.box[key]}) -%}
          {%- endfor -%}
          {{ seen | to_json }}
YAML

venv/bin/ansible-inventory -i hosts.yaml --list > listed.json
venv/bin/ansible-playbook -i hosts.yaml collect.yaml > play.log 2> play.err || { cat play.log play.err; echo "the play fails now"; exit 1; }
python3 - <<'PY'
import json
import sys

listed = json.load(open("listed.json"))["_meta"]["hostvars"]["box"]
played = json.load(open("out.json"))
said = open("play.err").read()
print("ansible-inventory --list:", listed)
print("the play, exit 0:        ", played)
print("warnings of the play:    ", said.strip() or "none")
as_seen = (
    listed["ansible_host"] == "{{ inventory_hostname }}.example"
    and played == {"there": True, "undefined": True, "ansible_host": "box.example", "hook": {"run": "drain", "true": "host"}}
    and "of_no_file" not in said
)
sys.exit(0 if as_seen else 1)
PY
