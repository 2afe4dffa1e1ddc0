"""`oakum watch top`: the processes of this host, live, sorted by what they gained and not by what they are."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from oakum.errors import CannotRun
from oakum.units import MIB, format_duration, format_size, parse_duration

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from oakum.clock import Clock
    from oakum.watch.growth import Growth, Line
    from oakum.watch.probes.processes import ProcessProbe

_BARS: Final = "▁▂▃▄▅▆▇█"
_TREND_WIDTH: Final = 16
_LINES_AROUND: Final = 3
_TELLING_S: Final = 60.0  # over less, growth says nothing of a day
_MUCH: Final = 10 * MIB  # gained within the window: shown in red
_LINES_ELSEWHERE: Final = 40  # where there is no terminal to fill
_COMMAND: Final = "COMMAND"
_COLUMNS: Final = {  # and how many columns a terminal must have for each: the command must stay readable
    "PID": 0, "USER": 80, "AGE": 0, "RSS": 0, "GREW": 0, "IN": 110, "A DAY": 80, "CPU": 100, "THR": 120, "FDS": 120,
    "TREND": 100, _COMMAND: 0,
}  # fmt: skip


def configure(parser: argparse.ArgumentParser) -> None:
    """How often, over which time."""
    parser.add_argument("--interval", default="2s", metavar="TIME", help="time between looks (default: 2s)")
    parser.add_argument(
        "--window", default="1h", metavar="TIME", help="growth over this time; begins in the archive (default: 1h)"
    )
    parser.add_argument("--families", action="store_true", help="begin with families of command lines (key f)")


def run(args: argparse.Namespace) -> int:
    """Shows the live view until q or Ctrl-C; where there is no terminal, one page."""
    from rich.console import Console
    from rich.live import Live

    from oakum.cli.keys import keys
    from oakum.clock import SystemClock
    from oakum.host.procfs import ProcFs
    from oakum.watch.growth import Growth
    from oakum.watch.places import default_archive
    from oakum.watch.probes.processes import ProcessProbe

    interval_s = parse_duration(args.interval, name="--interval")
    window_s = parse_duration(args.window, name="--window")
    clock, procfs = SystemClock(), ProcFs()
    probe = ProcessProbe(procfs, pss_every_s=float("inf"))
    growth = Growth(window_s)
    _remember(growth, args.archive or default_archive(), procfs.boot_id(), clock.wall() - window_s)
    _look(growth, probe, clock)
    console = Console()
    if not (console.is_terminal and sys.stdin.isatty()):
        console.print(_table(growth, args.families, console.width, _LINES_ELSEWHERE))
        return 0
    families = args.families
    with keys() as pressed, Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            live.update(_table(growth, families, console.width, console.height - _LINES_AROUND), refresh=True)
            key = pressed(interval_s)
            if key == "q":
                return 0
            if key == "f":
                families = not families
            else:
                _look(growth, probe, clock)


def _remember(growth: Growth, directory: str, boot_id: str, since_s: float) -> None:
    """Begins with what the recorder knows. Without a recorder, growth is counted from now on."""
    from oakum.watch.growth import looks_of_history
    from oakum.watch.load import load

    try:
        history = load(directory, since_s)
    except CannotRun:
        return
    for time_s, looks in looks_of_history(history, boot_id):
        growth.add(time_s, looks)


def _look(growth: Growth, probe: ProcessProbe, clock: Clock) -> None:
    from oakum.watch.growth import looks_of_reading

    now_s = clock.wall()
    for reading in probe.read(now_s):
        growth.add(now_s, looks_of_reading(reading, now_s - clock.boot()))


def _table(growth: Growth, families: bool, width: int, lines: int) -> Table:
    from rich.table import Table

    shown = growth.families() if families else growth.processes()
    table = Table(box=None, padding=(0, 1, 0, 0), expand=True, title=_title(shown, families), title_justify="left")
    names = [name for name, least in _COLUMNS.items() if width >= least]
    for name in names:
        table.add_column(
            "NUMBER" if families and name == "PID" else name,
            justify="left" if name in ("USER", "TREND", _COMMAND) else "right",
            width=_TREND_WIDTH if name == "TREND" else None,
            ratio=1 if name == _COMMAND else None,
            no_wrap=True,
        )
    for line in shown[: max(lines, 1)]:
        style = "bold red" if line.gained > _MUCH else "" if line.gained > 0 else "dim"
        cells = dict(zip(_COLUMNS, _cells(line, families), strict=True))
        table.add_row(*(cells[name] for name in names), style=style)
    return table


def _title(shown: list[Line], families: bool) -> str:
    what = "families" if families else "processes"
    return f"{len(shown)} {what}, {format_size(sum(line.rss for line in shown))} resident   q ends, f turns to the other view"


def _cells(line: Line, families: bool) -> Iterator[str | Text]:
    from rich.text import Text

    yield str(line.members if families else line.pid)
    yield line.user
    yield format_duration(line.age_s)
    yield format_size(line.rss)
    yield format_size(line.gained) if line.gained else "-"
    yield format_duration(line.over_s)
    yield format_size(line.per_hour * 24) if line.gained and line.over_s >= _TELLING_S else "-"
    yield "?" if line.cpu is None else f"{line.cpu:.1%}"
    yield "?" if line.threads is None else str(line.threads)
    yield "?" if line.fds is None else str(line.fds)
    yield _bars(line.trend)
    yield Text(line.name)  # not str, in which brackets are colours


def _bars(values: tuple[int, ...]) -> str:
    """Memory over the window, from its lowest to its highest; level memory is drawn low."""
    step = max(1, -(-len(values) // _TREND_WIDTH))
    points = [max(values[start : start + step]) for start in range(0, len(values), step)]
    low, high = min(points), max(points)
    return "".join(_BARS[(value - low) * (len(_BARS) - 1) // (high - low or 1)] for value in points)
