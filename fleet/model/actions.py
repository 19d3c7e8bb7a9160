"""Performs actions on a modelled cluster: answers each as the API server does, and changes what it changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec.structs import replace

from fleet.core.cluster import node_patches
from fleet.core.cluster.refused_patch import RefusedPatch
from fleet.core.objects.machine import Ask, Machine, Request
from fleet.core.objects.node import Node
from fleet.core.rollout.action import (
    Action,
    AnyAction,
    CancelRequest,
    Cordon,
    Defragment,
    Evict,
    Mark,
    MoveLeader,
    Reboot,
    Result,
    SaveSnapshot,
    Silence,
    Stage,
    Uncordon,
    Unmark,
)
from fleet.model.agents import ModelAgents
from fleet.model.control_plane.controllers import Controllers
from fleet.model.control_plane.disruption import DisruptionController
from fleet.model.control_plane.eviction import granted
from fleet.model.objects import Objects
from fleet.model.quorums import ModelQuorums


class ModelActions:
    """Performs the actions on one cluster's objects."""

    def __init__(
        self,
        objects: Objects,
        disruption: DisruptionController,
        controllers: Controllers,
        agents: ModelAgents,
        quorums: ModelQuorums,
    ) -> None:
        self.looks = True
        """True: the driver looks at the node's pods right before a reboot, as the real driver does."""
        self._objects = objects
        self._disruption = disruption
        self._controllers = controllers
        self._agents = agents
        self._quorums = quorums
        self._verbs: Mapping[type, Callable[..., str]] = {
            Mark: lambda action: self._patch(action, node_patches.add_pending_taint),
            Unmark: lambda action: self._patch(action, node_patches.remove_pending_taint),
            Cordon: lambda action: self._patch(action, node_patches.cordon),
            Uncordon: self._uncordon,
            Evict: self._evict,
            Stage: self._stage,
            Reboot: self._reboot,
            CancelRequest: self._clear,
            MoveLeader: self._quorums.move_leader,
            SaveSnapshot: self._quorums.save_snapshot,
            Defragment: self._quorums.defragment,
            Silence: lambda action: "",
        }

    def perform(self, action: AnyAction) -> str:
        """Performs the action. Returns the API server's remark, which is mostly empty. Raises RefusedPatch."""
        return self._verbs[type(action)](action)

    def _node(self, action: Action) -> Node:
        node = self._objects.nodes.get(action.node.name)
        if node is None:
            raise RefusedPatch(Result.GONE, f'nodes "{action.node.name}" not found')
        if node.uid != action.uid:
            raise RefusedPatch(Result.GONE, f"another machine now stands under the name {node.name}")
        return node

    def _patch(self, action: Action, patch: Callable[[Node, str], Node | None]) -> str:
        new = patch(self._node(action), action.rollout)
        if new is not None:
            self._objects.put_node(new)
        return ""

    def _uncordon(self, action: Uncordon) -> str:
        foreign = self._node(action).cordoned_by != action.rollout and self._node(action).unschedulable
        self._patch(action, node_patches.uncordon)
        return "the cordon is not this rollout's: it stays" if foreign else ""

    def _evict(self, action: Evict) -> str:
        pod = granted(self._objects, self._disruption, action, self.looks)
        if action.grace_seconds is not None and not pod.deleting:
            pod = replace(pod, grace_seconds=action.grace_seconds)
        self._controllers.delete(pod)
        return ""

    def _machine(self, action: Action) -> Machine:
        self._node(action)
        machine = self._objects.machines.get(action.node.name)
        if machine is None:
            raise RefusedPatch(Result.GONE, f'machines.fleet.internal "{action.node.name}" not found')
        return machine

    def _stage(self, action: Stage) -> str:
        self._request(self._machine(action), Request(Ask.STAGE, action.token, action.release))
        return ""

    def _reboot(self, action: Reboot) -> str:
        machine, node = self._machine(action), self._node(action)
        if machine.request is not None and machine.request.token == action.token:
            return ""
        if not node.unschedulable or node.cordoned_by != action.rollout:
            raise RefusedPatch(Result.STALE, f"{node.name} is not cordoned by {action.rollout}")
        if node.boot_id != action.boot_id:
            raise RefusedPatch(Result.STALE, f"{node.name} has booted since: {node.boot_id}")
        if self.looks and (left := self._undrained(action)):
            raise RefusedPatch(Result.STALE, f"{node.name} is not drained: {left} came late")
        if self.looks:
            self._quorums.may_reboot(action)
        self._request(machine, Request(Ask.REBOOT, action.token, action.release))
        return ""

    def _undrained(self, action: Reboot) -> str:
        pods = (self._objects.pods[ref] for ref in self._objects.pods_on(action.node.name))
        left = (pod for pod in pods if not pod.stays and not pod.finished and pod.uid not in action.staying)
        return next((str(pod.ref) for pod in left), "")

    def _request(self, machine: Machine, request: Request) -> None:
        if machine.request is not None and machine.request.token == request.token:
            return
        self._objects.put_machine(machine, request=request)
        self._agents.requested(machine.name, request.token)

    def _clear(self, action: CancelRequest) -> str:
        machine = self._machine(action)
        if machine.request is not None and machine.request.token.startswith(f"{action.rollout}/"):
            self._objects.put_machine(machine, request=None)
        return ""
