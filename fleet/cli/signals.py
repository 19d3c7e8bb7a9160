"""Ends a command on SIGTERM and SIGHUP as Ctrl-C does: temporary files are removed, and started programs are killed."""

import signal
from types import FrameType


def end_as_by_interrupt() -> None:
    """Makes SIGTERM and SIGHUP, where they are not ignored (nohup ignores SIGHUP), act as Ctrl-C.

    A shell has Ctrl-C ignored for what it runs in the background. There it stays without effect, but is blocked rather
    than ignored: `asyncio.run` cancels its task at an interrupt, and so lets it go on to its next `await`, only where
    the signal has Python's own handler (asyncio/runners.py, `Runner.run`). Otherwise KeyboardInterrupt is raised
    between any two statements, such as those that start a program and those that see to its end.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _interrupt)


def _interrupt(number: int, frame: FrameType | None) -> None:
    # Sent and not called: an event loop then receives the signal itself.
    signal.raise_signal(signal.SIGINT)
    # After that: a Ctrl-C that was blocked and this one are then the same one.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
