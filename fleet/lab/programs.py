"""The running programs of a lab, which its state file records."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import msgspec

from fleet.lab import process
from fleet.lab.build import ReportLine
from fleet.lab.control_plane import control_plane, state
from fleet.lab.control_plane.files import BALANCER, ControlPlaneFiles
from fleet.lab.control_plane.readiness import wait_until_ready


class LabPrograms:
    """Starts and stops the programs of one lab. Threads may share it."""

    def __init__(self, layout: ControlPlaneFiles, recorded: state.LabState) -> None:
        self._layout = layout
        self._state = recorded
        self.running = {record.name: process.Process(record) for record in recorded.processes}
        """The programs that were started and not stopped, by name."""
        self._writing = threading.Lock()

    def start_all(self, progress: ReportLine) -> None:
        """Starts every program of the control plane, in the order of their dependencies."""
        layout = self._layout
        # The first API server starts alone: it fills the empty etcd.
        first, *others = layout.api_servers
        balancers = [BALANCER] if layout.balanced else []
        for names in (layout.etcds, [first], others, balancers, layout.rest):
            if names:
                progress(f"starting {', '.join(names)}")
            for started in [self.start(name) for name in names]:
                wait_until_ready(started, layout)
        progress(f"the lab is up: {layout.server}")

    def start(self, name: str) -> process.Process:
        """Starts one program and returns at once. Raises LabError."""
        started = control_plane.start(name, self._layout, tied=self._state.tied)
        self.running[name] = started
        self._remember()
        return started

    def stop(self, name: str) -> None:
        """Stops the program, if it runs."""
        stopped = self.running.get(name)
        if stopped is not None:
            stopped.stop()
            del self.running[name]
            self._remember()

    def kill(self, name: str) -> None:
        """Kills the program, if it runs, as a power cut does."""
        if name in self.running:
            self.running.pop(name).kill()
            self._remember()

    def stop_all(self) -> None:
        """Stops the API servers' clients together, then the API servers, then their etcds."""
        layout = self._layout
        for names in (layout.rest, [BALANCER], layout.api_servers, layout.etcds):
            running_names = [name for name in names if name in self.running]
            with ThreadPoolExecutor() as pool:
                list(pool.map(lambda name: self.running[name].stop(), running_names))
            for name in running_names:
                self.stop(name)

    def _remember(self) -> None:
        with self._writing:
            records = tuple(started.record for started in tuple(self.running.values()))
            self._state = msgspec.structs.replace(self._state, processes=records)
            state.write(self._layout.directory, self._state)
