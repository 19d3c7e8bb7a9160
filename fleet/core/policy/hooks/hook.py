"""Hooks: what fleet runs for the user before and after a rollout, a stage or a node."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from msgspec import Meta, Struct

from fleet.core.policy.bounds import AtLeastOne

MOST_OUTPUT = 65536
"""The most bytes of output that a policy may ask the journal to keep of one hook."""


class HookMoment(StrEnum):
    """Names when a hook runs."""

    BEFORE_ROLLOUT = "before_rollout"
    """Before anything is done for the rollout; images are not written either."""
    AFTER_ROLLOUT = "after_rollout"
    """When all nodes have ended, before the rollout ends."""
    BEFORE_STAGE = "before_stage"
    """Before anything is done for the nodes of a stage."""
    AFTER_STAGE = "after_stage"
    """When all nodes of a stage have ended, before the gates behind that stage are asked."""
    BEFORE_NODE = "before_node"
    """When the node is cordoned, before its pods are evicted."""
    AFTER_NODE = "after_node"
    """When the node is proven to run the release, before it is uncordoned."""

    @property
    def before(self) -> bool:
        """Returns whether the hook prepares something that an abort prevents."""
        return self.value.startswith("before_")

    @property
    def of_node(self) -> bool:
        return self.value.endswith("_node")


class Hook(Struct, frozen=True, kw_only=True, tag_field="kind"):
    """The fields of every hook."""

    name: str
    timeout_seconds: AtLeastOne = 300
    """A hook that takes more seconds is stopped, and has failed."""
    attempts: AtLeastOne = 1
    """So many times the hook is run, until it passes."""
    output_bytes: Annotated[int, Meta(ge=0, le=MOST_OUTPUT)] = 4096
    """So much of the end of its output is kept in the journal."""
    on_failure: Literal["hold", "continue"] = "hold"
    """`continue`: what waits for the hook goes on when the hook has failed."""
    idempotent: bool = False
    """True: the hook may run again where nobody knows whether it has run."""


class CommandHook(Hook, frozen=True, kw_only=True, tag="command"):
    """A program on the controller's machine. It passes if it exits with 0."""

    command: tuple[str, ...]
    """The program and its arguments, which no shell reads."""
    environment: tuple[str, ...] = ()
    """The names of the controller's environment variables that the program gets."""
    secrets: dict[str, str] = {}
    """The absolute paths of files whose content the program gets in environment variables, by the variable's name."""


class HttpHook(Hook, frozen=True, kw_only=True, tag="http"):
    """A request to a web server. It passes if the server answers with a status from 200 to 299."""

    url: str
    method: Literal["POST", "PUT"] = "POST"
    token_file: str = ""
    """A file with the bearer token. Empty: no token is sent."""


class PlaybookHook(Hook, frozen=True, kw_only=True, tag="playbook"):
    """An Ansible playbook that is played for one node. It passes if no task fails."""

    playbook: str
    """The absolute path of the file."""


class JobHook(Hook, frozen=True, kw_only=True, tag="job"):
    """A Kubernetes Job. It passes if the Job completes."""

    template: str
    """The JSON of the Job's `spec`."""
    namespace: str
    cluster: str = ""
    """The cluster of the Job of a stage or a rollout. Empty: the cluster of the node."""
    on_node: bool = True
    """Whether the pod of a node's Job must run on that node."""


AnyHook = CommandHook | HttpHook | PlaybookHook | JobHook


class Hooks(Struct, frozen=True):
    """The hooks before and after one thing, which run in this order, one after another."""

    before: tuple[AnyHook, ...] = ()
    after: tuple[AnyHook, ...] = ()

    def at(self, moment: HookMoment) -> tuple[AnyHook, ...]:
        return self.before if moment.before else self.after
