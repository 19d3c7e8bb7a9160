"""Stores a simulated cluster: its state as one file, and beside it the actions since, written before they act.

The model is deterministic, so the state and the actions after it give the cluster exactly as it was, also after a
process was killed.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import msgspec
from msgspec import Raw, Struct

from fleet.core.records.errors import FleetError
from fleet.core.rollout.action import AnyAction
from fleet.model.behaviour import SavedBehaviour
from fleet.model.model import Model
from fleet.simulated.clock import write

FORMAT = 1
TRIES = 10


class SavedCluster(Struct, frozen=True, kw_only=True):
    format: int = FORMAT
    began: datetime
    """The wall-clock time at the model's time 0."""
    unreachable: str = ""
    """Why the cluster does not answer; empty if it does."""
    behaviour: SavedBehaviour
    acted: int = 0
    """The number of actions that the saved model includes."""
    model: Raw


class SavedAction(Struct, frozen=True):
    number: int
    at: float
    action: AnyAction


class StateFile:
    """`path` is the state's; the actions are in a file of the same name that ends in `.actions`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._actions_path = path.with_suffix(".actions")
        self._count = 0

    def restore(self) -> tuple[Model, SavedCluster]:
        """Returns the saved cluster. Raises FleetError if its files are missing or not fleet's."""
        try:
            for _ in range(TRIES):
                state = msgspec.json.decode(self._path.read_bytes(), type=SavedCluster)
                if state.format != FORMAT:
                    raise FleetError(f"{self._path} is of format {state.format}; this program knows {FORMAT}")
                actions = [saved for saved in self._saved_actions() if saved.number > state.acted]
                if not actions or actions[0].number == state.acted + 1:
                    break
                # The cluster's process has saved between the two reads: the state file is a newer one by now.
            else:
                raise FleetError(f"{self._path} and {self._actions_path.name} do not fit together")
            model = Model.load(bytes(state.model), state.behaviour.restore())
        except FileNotFoundError as error:
            raise FleetError(f"simulated cluster {self._path.stem} is not there: {self._path}") from error
        except msgspec.DecodeError as error:
            raise FleetError(
                f"{self._path} is damaged: {error}", "remove the home and make a new one"
            ) from error
        for saved in actions:
            model.perform(saved.action, saved.at)
        self._count = state.acted + len(actions)
        return model, state

    def add(self, action: AnyAction, at: float) -> None:
        """Appends an action to the file, before it acts on the model."""
        self._count += 1
        with self._actions_path.open("ab") as file:
            file.write(msgspec.json.encode(SavedAction(self._count, at, action)) + b"\n")

    def save(self, model: Model, state: SavedCluster) -> None:
        saved = msgspec.structs.replace(state, model=Raw(model.save()), acted=self._count)
        write(self._path, msgspec.json.encode(saved))
        # If the process is killed here, the next one finds actions that the model already includes, and skips them.
        self._actions_path.unlink(missing_ok=True)

    def _saved_actions(self) -> Iterator[SavedAction]:
        try:
            lines = self._actions_path.read_bytes().splitlines(keepends=True)
        except FileNotFoundError:
            return
        for line in lines:
            # A line without its end was being written when the process was killed: the action was not performed.
            if line.endswith(b"\n"):
                yield msgspec.json.decode(line, type=SavedAction)
