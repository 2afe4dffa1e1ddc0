"""Takes a log of `ps` listings over into an archive."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from oakum.errors import UsageError
from oakum.watch.archive import Archive
from oakum.watch.pslog.lines import Log
from oakum.watch.pslog.reader import BadLines, LogReader, Sample
from oakum.watch.pslog.tracker import Tick, Tracker
from oakum.watch.tables import PROCESSES, UNKNOWN

_LONGEST_STEP_S: Final = 3600
_USUAL_STEP_S: Final = 60
_STEADY: Final = 3  # so many other distances in a row make a new step; fewer are a gap


@dataclass(slots=True)
class Imported:
    """What came of an import. `repeated` samples were not later than what the archive already held."""

    bad: BadLines
    lines: int = 0
    samples: int = 0
    figures: int = 0
    processes: int = 0
    torn: int = 0
    repeated: int = 0
    reboots: int = 0
    clock_steps: int = 0
    first_s: float = 0.0
    last_s: float = 0.0
    step_s: int = 0


def import_log(file: Log, archive: Archive, progress: Callable[[int], None] = lambda _lines: None) -> Imported:
    """Reads `file` to its end. `progress` is told the lines read so far after each sample.

    Raises UsageError where nothing in the file tells a time or lists a process. Memory does not depend on its length.
    """
    reader = LogReader(file)
    tracker = Tracker(reader.bad)
    done = Imported(bad=reader.bad)
    for sample, step_s in _with_steps(reader.samples()):
        tick = tracker.take(sample)
        progress(reader.lines)
        if tick.time_s <= archive.newest_s:
            done.repeated += 1
            continue
        _write(tick, tracker, step_s, archive)
        done.first_s = done.first_s or tick.time_s
        done.last_s, done.step_s = tick.time_s, step_s
        done.samples += 1
        done.figures += len(tick.entities)
    done.lines, done.torn = reader.lines, reader.torn
    done.processes, done.reboots, done.clock_steps = tracker.processes, tracker.reboots, tracker.clock_steps
    if not done.samples and not done.repeated:
        raise UsageError(
            "nothing in it reads as a sample: a time line (===== 2025-12-21 11:15:00 =====), "
            "then what `ps -eo pid,ppid,user,lstart,etimes,rss,comm,args` or `ps aux` prints"
        )
    archive.seal()
    return done


def _write(tick: Tick, tracker: Tracker, step_s: int, archive: Archive) -> None:
    block = archive.begin(tracker.boot_id, tracker.boot_s, step_s, tick.time_s)
    nothing = [UNKNOWN] * len(tick.entities)
    given = {"rss": tick.rss, "cpu_ms": tick.cpu_ms or nothing, "state": tick.state or nothing}
    columns = [given.get(column.name, nothing) for column in PROCESSES.columns]
    block.table(PROCESSES).extend([block.newest] * len(tick.entities), tick.entities, columns)
    archive.commit()


def _with_steps(samples: Iterable[Sample]) -> Iterator[tuple[Sample, int]]:
    """Each sample with the seconds that it stands for: the log's usual distance, gaps left aside."""
    step_s, others = 0.0, 0
    held: Sample | None = None
    for sample in samples:
        if held is not None:
            distance = sample.time_s - held.time_s
            others = others + 1 if abs(distance - step_s) > step_s / 10 else 0
            if 0 < distance <= _LONGEST_STEP_S and (not step_s or others >= _STEADY):
                step_s, others = distance, 0
            yield held, round(step_s) or _USUAL_STEP_S
        held = sample
    if held is not None:
        yield held, round(step_s) or _USUAL_STEP_S
