"""Turns the lines of a log into whole samples: lines that make no sense are counted and shown, torn samples dropped."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple

from oakum.watch.families import printable
from oakum.watch.pslog.layout import USUAL, Layout, layout
from oakum.watch.pslog.lines import Log, chunks_of_lines

_EXAMPLES: Final = 5
_SHOWN: Final = 100  # characters of a bad line
_TORN_SHARE: Final = 0.5  # of the processes of the sample before: with fewer a sample counts as torn
_LONGEST_TIME_LINE: Final = 80
_PADDING: Final = b"\0 \t\r"  # file systems fill what a crash cut off with zeros
_RULE: Final = b"====="  # what a header line begins with; in the middle of a line, the line before it was cut
_ISO: Final = re.compile(r"(\d{4})[-/](\d\d)[-/](\d\d)[ T_](\d\d:\d\d)(:\d\d)?(?:[.,]\d+)? ?(Z|UTC|[+-]\d\d:?\d\d)?")
_DATE: Final = re.compile(r"[A-Z]\w\w ([A-Z]\w\w) +(\d+) (\d\d:\d\d:\d\d) (?:\S+ )?(\d{4})")  # of `date`
_EPOCH: Final = re.compile(r"\d{10}")  # of `date +%s`


class Sample(NamedTuple):
    """One listing of processes. Each row holds the words of a line, the command whole as its last one."""

    time_s: float
    layout: Layout
    rows: list[list[bytes]]
    line: int  # where in the log its time stands


@dataclass(slots=True)
class BadLines:
    """What could not be read: how often for each reason, and the first few as they stand."""

    counts: Counter[str] = field(default_factory=Counter)
    examples: list[tuple[int, str, str]] = field(default_factory=list)  # line number, reason, text

    def add(self, number: int, reason: str, line: bytes) -> None:
        self.counts[reason] += 1
        if len(self.examples) < _EXAMPLES:
            self.examples.append((number, reason, printable(line[:_SHOWN].decode("utf-8", "backslashreplace"))))


class LogReader:
    """Reads one log. Iterate over `samples`; the other attributes count what came by."""

    def __init__(self, file: Log) -> None:
        self.lines = 0
        self.torn = 0
        self.bad = BadLines()
        self._file = file
        self._layout = USUAL
        self._time_s: float | None = None
        self._line = 0
        self._rows: list[list[bytes]] = []
        self._processes_before = 0
        self._cut = False  # whether the newest line made no sense: if a sample ends with it, it is torn

    def samples(self) -> Iterator[Sample]:
        """The whole samples, in the order of the log."""
        pid, splits = self._layout.pid, self._layout.splits
        for lines in chunks_of_lines(self._file):
            for line in lines:
                self.lines += 1
                words = line.split(None, splits)
                if len(words) > splits and words[pid].isdigit() and _RULE not in line:
                    self._rows.append(words)
                    self._cut = False
                    continue
                if line and (sample := self._other(line)) is not None:
                    yield sample
                pid, splits = self._layout.pid, self._layout.splits
        if line:  # a log that ends well ends with a newline
            self._cut = True
        else:
            self.lines -= 1
        if (sample := self._finish()) is not None:
            yield sample

    def _other(self, line: bytes) -> Sample | None:
        """A line that is no process; the sample that it ends, if it does."""
        before, rule, after = line.partition(_RULE)
        time_s = _moment(rule + after if rule else line)
        if time_s is not None:
            if rule and before.strip(_PADDING):
                self.bad.add(self.lines, "cut off by the next sample", before)
                self._cut = True
            sample = self._finish()
            self._time_s, self._line = time_s, self.lines
            return sample
        words = line.split(None, self._layout.splits)
        if columns := layout(line):
            self._layout = columns
        elif rule and len(words) > self._layout.splits and words[self._layout.pid].isdigit():
            self._rows.append(words)  # a command with a rule among its arguments
        elif line.strip(_PADDING):
            self.bad.add(self.lines, "no process and no time", line)
            self._cut = True
        return None

    def _finish(self) -> Sample | None:
        """Ends the sample that is being read. Torn is what ends in the middle of a line, or far too early."""
        rows, self._rows = self._rows, []
        processes = len({words[self._layout.pid] for words in rows})  # not rows: a listing may stand there twice
        torn = self._cut or processes < _TORN_SHARE * self._processes_before
        self._cut = False
        if self._time_s is None:
            if rows:
                self.bad.add(self.lines, "processes before the first time", b" ".join(rows[0]))
            return None
        self._processes_before = processes
        if torn or not rows:
            self.torn += 1
            return None
        return Sample(self._time_s, self._layout, rows, self._line)


def _moment(line: bytes) -> float | None:
    """The time that a line tells: ISO 8601, with rules about it or without, or what `date` prints; local without a zone."""
    text = line.strip(_PADDING).decode("ascii", "replace")
    if len(text) > _LONGEST_TIME_LINE:
        return None
    try:
        if iso := _ISO.search(text):
            zone = (iso[6] or "").replace("Z", "+00:00").replace("UTC", "+00:00")
            return datetime.fromisoformat(f"{iso[1]}-{iso[2]}-{iso[3]}T{iso[4]}{iso[5] or ':00'}{zone}").timestamp()
        if date := _DATE.fullmatch(text):
            return time.mktime(time.strptime(" ".join(date.groups()), "%b %d %H:%M:%S %Y"))
        if _EPOCH.fullmatch(text):
            return float(text)
    except ValueError:
        pass  # the thirtieth of February: a line like any other that makes no sense
    return None
