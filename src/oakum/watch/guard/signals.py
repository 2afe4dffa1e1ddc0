"""Signals as bytes on a file descriptor, so that a loop which waits for output and time can wait for them too."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

ENDING: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)


@contextmanager
def signals_as_bytes() -> Iterator[int]:
    """A descriptor on which each SIGCHLD and each signal of `ENDING` is one byte, its number, while the body runs.

    One that was ignored before stays ignored: a run under nohup outlives its terminal.
    """
    reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    caught = [n for n in (*ENDING, signal.SIGCHLD) if n is signal.SIGCHLD or signal.getsignal(n) is not signal.SIG_IGN]
    before = {number: signal.signal(number, _noted_by_the_descriptor) for number in caught}
    wakeup = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    try:
        yield reader
    finally:
        signal.set_wakeup_fd(wakeup)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(reader)
        os.close(writer)


def _noted_by_the_descriptor(number: int, frame: FrameType | None) -> None:
    """The interpreter has written the byte already; without a handler it would not."""
