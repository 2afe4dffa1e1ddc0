"""Tells which lines of a sample are the processes of the sample before, and notices when the host began anew."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

from oakum.units import KIB
from oakum.watch.families import steady
from oakum.watch.pslog.layout import Span, clock, command, started
from oakum.watch.pslog.reader import BadLines, Sample
from oakum.watch.tables import UNKNOWN, Entity

_SLACK_S: Final = 2.0  # `lstart` is reckoned anew each time and wavers by a second
_EXACT_S: Final = 10.0  # a start known better than this names a process even when it becomes another command
_MOST_KEYS: Final = 50_000


class Tick(NamedTuple):
    """One sample, its processes told apart. The columns are as long as `entities`: bytes, milliseconds, letters' codes."""

    time_s: float
    entities: list[Entity]
    rss: list[int]
    cpu_ms: list[int]
    state: list[int]


class _Line(NamedTuple):
    """A line read in full."""

    words: list[bytes]
    pid: int
    ppid: int
    user: str
    comm: str
    args: str
    began: Span | None  # None: the log does not say


@dataclass(slots=True)
class _Known:
    """A process that was seen: when it began, as the log's clock says now, and as whom it is recorded."""

    began: Span | None
    comm: str
    entity: Entity


class Tracker:
    """Follows the processes of one host through its log. `boot_id` and `boot_s` change where it began anew."""

    def __init__(self, bad: BadLines) -> None:
        self.boot_id = ""
        self.boot_s = 0.0
        self.reboots = 0
        self.clock_steps = 0
        self.processes = 0
        self._bad = bad
        self._keys: dict[tuple[bytes, ...], Entity] = {}  # by a line's steady words: nearly every line is found here
        self._known: dict[int, _Known] = {}
        self._newest_s = 0.0

    def take(self, sample: Sample) -> Tick:
        """The sample's processes."""
        keys, key = self._keys, sample.layout.key
        entities: list[Entity] = []
        rows: list[list[bytes]] = []
        strangers: list[list[bytes]] = []
        for words in sample.rows:
            entity = keys.get(key(words))
            if entity is None:
                strangers.append(words)
            else:
                entities.append(entity)
                rows.append(words)
        if strangers:
            lines = list(self._read(strangers, sample))
            if not rows and not any(self._same(line) for line in lines):
                self._begin_anew(lines, sample.time_s)
            for line in lines:
                entities.append(self._recognise(line, sample))
                rows.append(line.words)
        self._newest_s = sample.time_s
        return _tick(sample, entities, rows)

    def _read(self, strangers: list[list[bytes]], sample: Sample) -> Iterator[_Line]:
        """Lines that no steady words lead to: new processes, and old ones whose line changed. Damaged ones are left out."""
        layout = sample.layout
        for words in strangers:
            try:
                began = started(layout, words, sample.time_s)
                ppid = UNKNOWN if layout.ppid is None else int(words[layout.ppid])
                int(words[layout.rss])
            except ValueError:
                self._bad.add(sample.line, "a number is damaged, in the sample that begins here", b" ".join(words))
                continue
            user = "" if layout.user is None else words[layout.user].decode("utf-8", "replace")
            comm, args = command(layout, words[-1])
            yield _Line(words, int(words[layout.pid]), ppid, user, steady(comm), steady(args), began)

    def _same(self, line: _Line) -> bool:
        """Whether the line is the process that was known under its number."""
        known = self._known.get(line.pid)
        if known is None:
            return False
        if known.began is None or line.began is None:
            return known.comm == line.comm
        together = (
            line.began.earliest - _SLACK_S <= known.began.latest
            and known.began.earliest <= line.began.latest + _SLACK_S
        )
        return together and (known.comm == line.comm or line.began.latest - line.began.earliest < _EXACT_S)

    def _begin_anew(self, lines: list[_Line], time_s: float) -> None:
        """Nothing is as it was: the host was started again, or its clock was set. A start tells which."""
        first = min(lines, key=lambda line: line.pid, default=None)
        known = None if first is None else self._known.get(first.pid)
        if first and known and first.began and known.began and first.began.latest < self._newest_s - _SLACK_S:
            self.clock_steps += 1
            shift = first.began.earliest - known.began.earliest
            for each in self._known.values():
                if each.began is not None:
                    each.began = Span(each.began.earliest + shift, each.began.latest + shift)
            return
        self.reboots += bool(self.boot_id)
        self.boot_s = min((line.began.earliest for line in lines if line.began), default=time_s)
        self.boot_id = f"log-{int(self.boot_s)}"
        self._known.clear()
        self._keys.clear()

    def _recognise(self, line: _Line, sample: Sample) -> Entity:
        """As whom the line's process is recorded; its steady words lead there from now on."""
        if len(self._keys) > _MOST_KEYS:
            alive = {int(words[sample.layout.pid]) for words in sample.rows}
            self._known = {pid: known for pid, known in self._known.items() if pid in alive}
            self._keys.clear()
        labels = (line.user, line.comm, line.args, "")
        if not self._same(line):
            self.processes += 1
            began_s = line.began.earliest if line.began else sample.time_s
            entity = Entity((line.pid, round((began_s - self.boot_s) * 100), line.ppid), labels)
            self._known[line.pid] = _Known(line.began, line.comm, entity)
        known = self._known[line.pid]
        if known.comm != line.comm:  # it called exec
            known.comm, known.entity = line.comm, Entity(known.entity.numbers, labels)
        self._keys[sample.layout.key(line.words)] = known.entity
        return known.entity


def _tick(sample: Sample, entities: list[Entity], rows: list[list[bytes]]) -> Tick:
    layout = sample.layout
    if len(set(entities)) < len(entities):  # two listings were written at once
        firsts = dict(zip(reversed(entities), reversed(rows), strict=True))
        entities, rows = list(firsts), list(firsts.values())
    return Tick(
        sample.time_s,
        entities,
        [UNKNOWN if kib == UNKNOWN else kib * KIB for kib in _figures(rows, layout.rss, int)],
        [] if layout.cpu is None else [s if s == UNKNOWN else s * 1000 for s in _figures(rows, layout.cpu, _clock)],
        [] if layout.state is None else [words[layout.state][0] for words in rows],
    )


_clock = lru_cache(maxsize=10_000)(clock)


def _figures(rows: list[list[bytes]], place: int, read: Callable[[bytes], int]) -> list[int]:
    """One column; UNKNOWN where it is damaged."""
    try:
        return [read(words[place]) for words in rows]
    except ValueError:
        return [_figures([words], place, read)[0] for words in rows] if len(rows) > 1 else [UNKNOWN]
