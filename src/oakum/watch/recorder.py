"""Takes a sample of everything, again and again, and puts it into the archive."""

from __future__ import annotations

import selectors
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, cast

from oakum.clock import Clock
from oakum.errors import CannotRun, UsageError
from oakum.units import format_duration
from oakum.watch.archive import Archive
from oakum.watch.block import OpenBlock
from oakum.watch.probe import Probe, Reading
from oakum.watch.tables import UNKNOWN

SHORTEST_S: Final = 1.0
LONGEST_S: Final = 3600.0
_MOST_NOTES: Final = 100  # said once each
_LATE_S: Final = 1.0  # a clock that was set by less is left to catch up


class Recorder:
    """Samples `probes` into `archive`. `boot_id` is "" where the kernel does not tell it.

    Raises UsageError for an interval outside 1 s to 1 h.
    """

    def __init__(
        self,
        archive: Archive,
        probes: Sequence[Probe],
        clock: Clock,
        boot_id: str,
        every_s: float,
        say: Callable[[str], None],
    ) -> None:
        if not SHORTEST_S <= every_s <= LONGEST_S:
            raise UsageError(f"--every {format_duration(every_s)}: choose from 1s to 1h")
        self._archive = archive
        self._probes = probes
        self._clock = clock
        self._boot_id = boot_id
        self._every_s = every_s
        self._say = say
        self._trouble = ""
        self._noted: set[str] = set()
        booted_s = clock.wall() - clock.boot()
        self._boot_started_s = booted_s
        after_newest_s = archive.newest_s + _LATE_S - clock.boot()  # where the clock was set back, times still ascend
        self._offset_s = max(booted_s, after_newest_s)

    def sample(self) -> None:
        """Takes one sample. A disk that is full costs samples, not the recorder: it says so once and goes on."""
        now_s = self._now_s()
        readings, notes = self._ask(now_s)
        self._say_notes(notes)
        try:
            block = self._archive.begin(self._boot_id, self._boot_started_s, round(self._every_s), now_s)
            for reading in readings:
                _put(reading, block)
            block.notes += [note for note in notes if note not in block.notes][: _MOST_NOTES - len(block.notes)]
            self._archive.commit()
        except CannotRun as error:
            self._say_trouble(f"{error}; until it can be written, samples are in memory only")
        else:
            self._say_trouble("")

    def run(self, after_sample: Callable[[float], None]) -> None:
        """Samples until SIGTERM or SIGINT. `after_sample` is told the time of each sample."""
        with _stop_signals() as wait:
            due_s = self._clock.monotonic()
            stopped = False
            while not stopped:
                self.sample()
                after_sample(self._archive.newest_s)
                late_s = self._clock.monotonic() - due_s
                due_s += self._every_s * (1 + late_s // self._every_s)  # ticks that were slept through are left out
                stopped = wait(due_s - self._clock.monotonic())

    def _ask(self, now_s: float) -> tuple[list[Reading], list[str]]:
        """All readings are taken before any is written: a sample is whole or it is not there."""
        readings: list[Reading] = []
        notes: list[str] = []
        for probe in self._probes:
            try:
                readings += probe.read(now_s)
                notes += probe.notes()
            except Exception as error:  # noqa: BLE001 - a probe that breaks must not end the recording of all others
                notes.append(f"{type(probe).__name__} failed: {type(error).__name__}: {error}")
        return readings, notes

    def _now_s(self) -> float:
        """Wall time that never goes back: it follows the clock when that is set on, and waits for it when set back."""
        ahead_s = self._clock.wall() - (self._clock.boot() + self._offset_s)
        if ahead_s > _LATE_S:
            self._offset_s += ahead_s
        return self._clock.boot() + self._offset_s

    def _say_notes(self, notes: list[str]) -> None:
        """Says what is not seen, each thing once."""
        for note in notes:
            if note not in self._noted and len(self._noted) < _MOST_NOTES:
                self._noted.add(note)
                self._say(note)

    def _say_trouble(self, message: str) -> None:
        """Says it when it begins, not at every sample."""
        if message and message != self._trouble:
            self._say(message)
        self._trouble = message


def _put(reading: Reading, block: OpenBlock) -> None:
    columns = [
        [block.text(str(name)) if name else UNKNOWN for name in values]
        if column.kind == "text"
        else cast(Sequence[int], values)
        for column, values in zip(reading.table.columns, reading.columns, strict=True)
    ]
    block.table(reading.table).extend([block.newest] * len(reading.entities), reading.entities, columns)


@contextmanager
def _stop_signals() -> Iterator[Callable[[float], bool]]:
    """Gives a wait that answers whether a signal to stop came within so many seconds."""
    inner, outer = socket.socketpair()
    inner.setblocking(False)
    before_fd = signal.set_wakeup_fd(inner.fileno())
    before = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGTERM, signal.SIGINT)}
    selector = selectors.DefaultSelector()
    selector.register(outer, selectors.EVENT_READ)
    try:
        yield lambda seconds: bool(selector.select(max(seconds, 0.0)))
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(before_fd)
        selector.close()
        inner.close()
        outer.close()
