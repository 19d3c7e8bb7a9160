"""A rollout while it goes on: drawn again and again on a terminal, a line for each event in a pipe."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Event
from typing import TYPE_CHECKING

from rich.text import Text

from fleet.app.rollouts.follow import Follower
from fleet.cli.terminal.columns import folded
from fleet.cli.terminal.live_display import LiveDisplay
from fleet.cli.terminal.output import can_draw, console, note
from fleet.cli.terminal.time_format import stamp
from fleet.cli.views.rollout_page.rollout import (
    IN_WORK,
    WAITS,
    RolloutScene,
    ending,
    headline,
    name,
    picture,
    shown_nodes,
)
from fleet.cli.views.rollout_page.standstill import standing_still
from fleet.core.objects.node import NodeRef
from fleet.core.records.held import Held
from fleet.core.records.journal import JournalEntry
from fleet.core.records.reasons.reason import Reason
from fleet.core.rollout.action import Action, Result
from fleet.core.rollout.codec import from_record
from fleet.core.rollout.commands import CommandRecord
from fleet.core.rollout.decisions import StepFinished
from fleet.core.rollout.record import ActionEnded, PodsTimed
from fleet.core.rollout.steps import ENDED, RolloutState, Step

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console

    from fleet.core.rollout.rollout import Rollout
    from fleet.core.rollout.run import Run

FOLLOWED = {
    "evict": "eviction",
    "move-leader": "handing over leadership",
    "snapshot": "snapshot",
    "defragment": "defragmentation",
}
LOOK_SECONDS = 0.4
LOOKS = 8
"""In a row, at which nothing moved, before a view ends."""
STANDING = frozenset(
    {
        *(Reason.UNREACHABLE, Reason.LED_BY_ANOTHER, Reason.POOL_LIMIT, Reason.ZONE_LIMIT),
        *(Reason.SITE_LIMIT, Reason.CLUSTER_LIMIT),
    }
)
FRAME = 8
"""Lines of a picture that are not nodes in work."""


def watch(follower: Follower, *, past: bool = False) -> int:
    """Follows a rollout until it ends or only waits for operators, and returns the exit code. 0: all done. 1: some
    failed. 3: the rest is held.

    Ctrl-C leaves the rollout running and raises KeyboardInterrupt. `past`: in a pipe, print what has happened so far
    too.
    """
    try:
        if can_draw():
            _draw(follower)
        else:
            _lines(follower, past)
    except KeyboardInterrupt:
        ident = follower.rollout.id
        goes_on = (
            "continues without this view" if follower.standstill is None else "is not moving (no controller)"
        )
        note(
            f"\n{ident} {goes_on}. fleet rollout status {ident} --watch shows it again; "
            f"fleet rollout pause {ident} stops it between steps."
        )
        raise
    return _code(follower)


def _code(follower: Follower) -> int:
    rollout = follower.rollout
    if rollout.active and rollout.state is not RolloutState.HALTED:
        note(
            f"What is left of {rollout.id} waits for an operator: fleet status --attention shows why. It continues as "
            f"soon as nothing holds it; fleet rollout abort {rollout.id} ends it as it is."
        )
    if rollout.counts[Step.FAILED]:
        return 1
    return 3 if rollout.active else 0


class StallDetector:
    """Ends a view of a rollout in which nothing will move by itself."""

    def __init__(self, follower: Follower) -> None:
        self._follower = follower
        self._looks = 0

    @property
    def ended(self) -> bool:
        """Returns whether the rollout has ended, or nothing has been in work for several readings and all
        that is left needs an operator."""
        rollout = self._follower.rollout
        self._looks = self._looks + 1 if stuck(rollout, self._follower.held) else 0
        return not rollout.active or self._looks >= LOOKS


def stuck(rollout: Rollout, held: Mapping[NodeRef, tuple[Held, ...]]) -> bool:
    """Returns whether nothing is at work, and each node that waits does so for an operator, for a cluster that gives
    no answer, or for a limit that is used up by nodes that are not in work."""
    if (
        rollout.working
        or not rollout.remaining
        or rollout.state not in (RolloutState.RUNNING, RolloutState.HALTED)
    ):
        return False
    if rollout.state is RolloutState.HALTED:
        return True
    return all(_in_the_way(held.get(run.node, ())) for run in rollout.runs.values() if not run.ended)


def _in_the_way(held: tuple[Held, ...]) -> bool:
    return any(reason.needs_action or reason.reason in STANDING for reason in held)


def scene_of(follower: Follower, in_work: int = IN_WORK) -> RolloutScene:
    """Returns what a live view of the rollout shows now, with so many nodes in work."""
    now = follower.now
    return RolloutScene(
        rollout=follower.rollout,
        now=now,
        nodes=follower.nodes(shown_nodes(follower.rollout, now, in_work)),
        held=follower.held,
        held_since=follower.held_since,
        eta=follower.eta,
        pods=follower.pods,
        requests=follower.requests,
        standstill=follower.standstill,
    )


def _draw(follower: Follower) -> None:
    screen = console()
    pause = Event()
    with LiveDisplay(screen) as canvas:
        canvas.draw(_picture(follower, screen))
        patience = StallDetector(follower)
        while not patience.ended:
            pause.wait(LOOK_SECONDS)
            follower.look()
            canvas.draw(_picture(follower, screen))


def _picture(follower: Follower, screen: Console) -> Text:
    in_work = max(3, screen.height - FRAME - WAITS * 2)
    shown = picture(scene_of(follower, in_work), in_work)
    rollout = follower.rollout
    if not rollout.active:
        return folded(shown, screen.width)
    foot = f"\nCtrl-C leaves it running; fleet rollout pause {rollout.id} stops it between steps."
    return folded(shown + Text(foot, "dim"), screen.width)


def _lines(follower: Follower, past: bool) -> None:
    screen = console()
    pause = Event()
    screen.print(headline(scene_of(follower)))
    entries = follower.so_far() if past else []
    patience = StallDetector(follower)
    stood = False
    while True:
        for entry in entries:
            for line in entry_lines(follower, entry):
                screen.print(line)
        if patience.ended:
            break
        stands = follower.standstill
        if stands is not None and not stood:
            screen.print(standing_still(stands, ""))
        stood = stands is not None
        pause.wait(LOOK_SECONDS)
        entries = follower.look()
    screen.print(headline(scene_of(follower)))


def entry_lines(follower: Follower, entry: JournalEntry) -> Iterator[str]:
    """Yields the line for one journal entry; nothing for an entry that is not displayed."""
    record, rollout = entry.record, follower.rollout
    at = stamp(entry.at)
    match from_record(record):
        case CommandRecord():
            yield f"{at} {record.kind} {record.node or rollout.id} by {entry.actor}"
        case StepFinished(node=ref, to=step):
            run = rollout.runs[ref]
            ended = step in ENDED and run.step is step
            yield f"{at} {_ending(follower, run) if ended else f'{name(rollout, ref)} {step}'}"
        case ActionEnded() as ended:
            yield from _outcome(ended, at)
        case Action() | PodsTimed():
            pass
        case said if record.form == "decision":
            why = getattr(said, "why", "")
            yield f"{at} {record.kind} {record.node or rollout.id}{f': {why}' if why else ''}"


def _ending(follower: Follower, run: Run) -> str:
    return ending(follower.rollout, run, follower.nodes([run.node])[run.node])


def _outcome(ended: ActionEnded, at: str) -> Iterator[str]:
    """Yields what was done for a quorum group, and what could not be done."""
    what = FOLLOWED.get(ended.action)
    if what is not None and ended.result is Result.FAILED:
        yield f"{at} {ended.node} {what} failed: {ended.detail}"
    elif what is not None and ended.result is Result.DONE and ended.action != "evict":
        yield f"{at} {ended.node} {what}{f': {ended.detail}' if ended.detail else ''}"
