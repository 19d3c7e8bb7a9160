"""Hooks in a policy: read as written, and refused with every mistake."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from fleet.config import loads
from fleet.core.policy.hooks.hook import CommandHook, Hooks, HttpHook, JobHook, PlaybookHook
from fleet.core.records.errors import ConfigError
from tests.unit.config.test_problems import problems

JOB = """\
apiVersion: batch/v1
kind: Job
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      containers: [{name: check, image: registry.example/check, args: ["1"]}]
"""


def problems_of(hook: str) -> list[str]:
    """Returns what is wrong with one hook of a node, without its place in the file."""
    found = problems(f"pools: [{{name: w, reach: ssh, hooks: {{before_node: [{hook}]}}}}]")
    return [each.partition("before_node")[2].removeprefix(".") for each in found]


def test_every_kind_of_hook_is_read(tmp_path: Path) -> None:
    (tmp_path / "job.yaml").write_text(JOB)
    (tmp_path / "smoke.yaml").write_text("[{hosts: all}]")
    policy, cautions = loads(
        """\
hooks:
  before_rollout:
    - name: ticket
      http: {url: "https://t/x", method: PUT, token_file: t.token}
      timeout: 30s
      attempts: 3
      output: 100
      on_failure: continue
      idempotent: true
  after_rollout: [{name: end, job: {cluster: east, namespace: ops, file: job.yaml}}]
pools:
  - name: w
    reach: playbook
    hooks:
      before_node:
        - {name: a, command: [/bin/a, "{{ x }}"], environment: [SMTP], secrets: {TOKEN: a.token}}
        - {name: b, shell: 'echo "$FLEET_NODE"'}
      after_node: [{name: smoke, playbook: smoke.yaml}]
""",
        str(tmp_path / "fleet.yaml"),
    )
    assert not cautions
    assert policy.hooks
    (ticket,), (end,) = policy.hooks.before, policy.hooks.after
    assert ticket == HttpHook(
        name="ticket",
        url="https://t/x",
        method="PUT",
        token_file=str(tmp_path / "t.token"),
        timeout_seconds=30,
        attempts=3,
        output_bytes=100,
        on_failure="continue",
        idempotent=True,
    )
    assert isinstance(end, JobHook) and (end.cluster, end.namespace, end.on_node) == ("east", "ops", False)
    assert msgspec.json.decode(end.template)["template"]["spec"]["containers"][0]["args"] == ["1"]
    assert policy.pools[0].hooks == Hooks(
        (
            CommandHook(
                name="a",
                command=("/bin/a", "{{ x }}"),
                environment=("SMTP",),
                secrets={"TOKEN": str(tmp_path / "a.token")},
            ),
            CommandHook(name="b", command=("/bin/sh", "-c", 'echo "$FLEET_NODE"')),
        ),
        (PlaybookHook(name="smoke", playbook=str(tmp_path / "smoke.yaml")),),
    )


def test_a_pool_replaces_one_list_of_the_defaults_and_keeps_the_other() -> None:
    policy, _ = loads("""\
defaults:
  hooks: {before_node: [{name: a, command: [a]}], after_node: [{name: b, command: [b]}]}
pools:
  - {name: v, clusters: [east]}
  - {name: w, hooks: {before_node: [{name: c, command: [c]}]}}
  - {name: x, clusters: [west], hooks: {before_node: [], after_node: []}}
""")
    names = [
        [[hook.name for hook in hooks] for hooks in (pool.hooks.before, pool.hooks.after)]
        if pool.hooks
        else []
        for pool in policy.pools
    ]
    assert names == [[["a"], ["b"]], [["c"], ["b"]], []]


def test_policy_without_hooks_is_written_as_before() -> None:
    policy, _ = loads("pools: [{name: w}]\nstages: [{name: a, sites: [fra]}]")
    assert b'"hooks"' not in msgspec.json.encode(policy)


@pytest.mark.parametrize(
    ("hook", "keys"),
    [
        ("{name: x}", ["x:"]),
        ("{command: [a]}", ["[0]:"]),
        ("{name: x, command: [a], shell: b}", ["x:"]),
        ("{name: x, command: []}", ["x.command:"]),
        ("{name: x, command: [a], attempts: 0, timeout: 0s}", ["x.attempts:", "x.timeout:"]),
        ("{name: x, command: [a], output: 100000}", ["x.output:"]),
        ("{name: x, command: [a], on_failure: ignore}", ["x.on_failure:"]),
        ("{name: x, command: [curl, 'https://u:secret@a/']}", ["x.command:"]),
        ("{name: x, shell: 'curl https://u:secret@a/'}", ["x.shell:"]),
        ("{name: x, command: [a], secrets: {FLEET_NODE: a}}", ["x.secrets.FLEET_NODE:"]),
        ("{name: x, command: [a], environment: ['A=B']}", ["x.environment:"]),
        ("{name: x, http: {url: 'http://u:secret@a/'}}", ["x.http.url:"]),
        ("{name: x, http: {url: 'http://a/', method: GET}}", ["x.http.method:"]),
        ("{name: x, http: {url: 'http://a/'}, secrets: {A: b}}", ["x.secrets:"]),
        ("{name: x, playbook: missing.yaml}", ["x.playbook:"]),
        ("{name: x, job: {namespace: ops}}", ["x.job:"]),
        ("{name: x, job: {namespace: Ops, file: missing.yaml}}", ["x.job.file:", "x.job.namespace:"]),
        ("{name: x, job: {namespace: ops, template: 'kind: Pod'}}", ["x.job.template:"]),
        ("{name: x, job: {namespace: ops, template: '{kind: Job'}}", ["x.job.template:"]),
        ("{name: x, job: {namespace: ops, template: '[&a x, *a]'}}", ["x.job.template:"]),
        (
            "{name: x, job: {namespace: ops, cluster: east, template: 'kind: Pod'}}",
            ["x.job.cluster:", "x.job.template:"],
        ),
    ],
)
def test_a_hook_that_makes_no_sense_is_refused_with_its_key(hook: str, keys: list[str]) -> None:
    found = problems_of(hook)
    assert sorted(each.partition(" ")[0] for each in found) == sorted(keys)
    assert "secret@" not in "".join(found)


def test_a_name_stands_once_in_a_list() -> None:
    (problem,) = problems_of("{name: x, command: [a]}, {name: x, command: [b]}")
    assert problem.startswith("x.name:")


def test_hooks_of_stages_and_rollouts_are_of_no_node() -> None:
    assert len(problems("pools: [{name: w}]\nhooks: {before_rollout: [{name: x, playbook: p.yaml}]}")) == 2
    assert len(problems("pools: [{name: w}]\nhooks: {before_node: [{name: x, command: [a]}]}")) == 1


def test_a_playbook_needs_a_way_to_the_node(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text("[{hosts: all}]")
    text = "pools: [{name: w, hooks: {before_node: [{name: x, playbook: p.yaml}]}}]"
    with pytest.raises(ConfigError) as caught:
        loads(text, str(tmp_path / "fleet.yaml"))
    (problem,) = caught.value.problems
    assert "pools.w.hooks" in problem
