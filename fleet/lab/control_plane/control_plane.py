"""Writes the configuration of the lab's programs, and starts them."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import yaml

from fleet.lab.control_plane import arguments, kubeconfig
from fleet.lab.control_plane.certificates import KeyPair
from fleet.lab.control_plane.files import BALANCER, CONTROLLER_MANAGER, KWOK, SCHEDULER, ControlPlaneFiles
from fleet.lab.process import Process

NAME = "fleet-lab"
"""The name of the context, cluster and user in the lab's kubeconfig."""


def write_files(layout: ControlPlaneFiles) -> None:
    """Writes the kubeconfigs and the scheduler's configuration."""
    certificates = layout.certificates
    clients: dict[Path, KeyPair] = {
        layout.kubeconfig: certificates.admin,
        layout.program_kubeconfig(CONTROLLER_MANAGER): certificates.controller_manager,
        layout.program_kubeconfig(SCHEDULER): certificates.scheduler,
        layout.program_kubeconfig(KWOK): certificates.kwok,
    }
    for path, client in clients.items():
        kubeconfig.write(
            path, name=NAME, server=layout.server, authority=certificates.authority, client=client
        )
    layout.log("").parent.mkdir(exist_ok=True)
    layout.scheduler_configuration.write_text(
        yaml.safe_dump(_scheduler_configuration(layout), sort_keys=False)
    )


def start(program: str, layout: ControlPlaneFiles, *, tied: bool) -> Process:
    """Starts one program and returns at once. Raises LabError."""
    kind, seen = layout.placed(program)
    commands: Mapping[str, list[str | Path]] = {
        KWOK: [layout.binaries.kwok],
        BALANCER: [sys.executable, "-P", "-m", "fleet.lab.control_plane.balancer"],
    }
    command = commands.get(kind) or [layout.binaries.controlplane, kind]
    command += [f"--{name}={value}" for name, value in arguments.arguments(kind, seen).items()]
    return Process.start(program, command, layout.log(program), tied=tied)


def _scheduler_configuration(layout: ControlPlaneFiles) -> dict[str, object]:
    return {
        "apiVersion": "kubescheduler.config.k8s.io/v1",
        "kind": "KubeSchedulerConfiguration",
        "leaderElection": {"leaderElect": False},
        "clientConnection": {
            "kubeconfig": str(layout.program_kubeconfig(SCHEDULER)),
            "qps": 500,
            "burst": 1000,
        },
        # A pod that found no node is retried soon: in a lab nothing else uses the scheduler's time.
        "podInitialBackoffSeconds": 1,
        "podMaxBackoffSeconds": 2,
    }
