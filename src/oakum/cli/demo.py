"""`oakum demo`: a minute of real work with troublemakers in it, inside 256 MiB."""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING, Final

from oakum.cli.main import EXIT_FINDINGS
from oakum.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from oakum.demo.stage import Result
    from oakum.demo.verdict import Line
    from oakum.store.base import Store

FILES: Final = 900
TELL_EVERY_S: Final = 2.0


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--files", type=int, default=FILES, metavar="N", help=f"source files to study (default: {FILES})"
    )


def run(args: argparse.Namespace) -> int:
    from oakum.cli import show
    from oakum.demo.corpus import files
    from oakum.demo.stage import ROOM, SLOTS, play
    from oakum.demo.verdict import judge
    from oakum.units import format_size

    if args.files < 1:
        raise UsageError(f"--files: {args.files} is not a number of files; give at least 1")
    console = show.console()
    sources = files(args.files)
    console.print("\noakum demo", style="bold")
    console.print(f"{len(sources)} files of this machine's own Python library, one job each,")
    console.print(
        f"in a room of {format_size(ROOM)} with {SLOTS} children. Among them: a job that wants 2 GiB, one that leaks, one that"
    )
    console.print("hangs, one that ends its process, one that fails twice, and a stream of runs that come too late.\n")
    result = _play_live(console, sources) if console.is_terminal else play(sources, _Teller(console))
    lines = judge(result.stories)
    _tell_result(console, result, lines)
    kept = all(line.kept for line in lines) and result.peak <= ROOM and result.done + result.unparsable == result.files
    if kept:
        console.print("\nEvery promise was kept.\n", style="green")
    else:
        console.print("\nA promise was broken: see above.\n", style="red")
    return 0 if kept else EXIT_FINDINGS


def _play_live(console: Console, sources: list[str]) -> Result:
    """The same live view as `oakum status`."""
    from rich.live import Live

    from oakum.cli.status_view import view
    from oakum.clock import SystemClock
    from oakum.demo.stage import play
    from oakum.inspector.inspector import Inspector

    with Live(console=console, transient=True, auto_refresh=False) as live:

        def look(store: Store) -> None:
            overview = Inspector(store, SystemClock()).overview()
            live.update(view("demo", overview, None, console.width, console.height - 1), refresh=True)

        return play(sources, look)


class _Teller:
    """Where there is no terminal: a plain line every other second."""

    def __init__(self, console: Console) -> None:
        self._console, self._next = console, 0.0

    def __call__(self, store: Store) -> None:
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + TELL_EVERY_S
        counts = store.counts()
        ended = sum(count.jobs for count in counts if count.state.terminal)
        waiting = sum(count.jobs for count in counts if not count.state.terminal)
        self._console.print(f"{ended} jobs ended, {waiting} to go")


def _tell_result(console: Console, result: Result, lines: list[Line]) -> None:
    from oakum.cli import show
    from oakum.demo.stage import ROOM
    from oakum.units import format_duration, format_size

    table = show.table("who", "what it tried", "what became of it", left=3)
    for line in lines:
        table.add_row(line.who, line.tried, line.became, style=None if line.kept else "red")
    console.print(table)
    facts, jobs = result.facts, result.files + sum(map(len, result.stories.values()))
    lost = f"{result.unparsable} are not Python of this version" if result.unparsable else "none lost"
    console.print(
        f"\nCorpus: {facts.lines:,} lines, {facts.tokens:,} tokens, {facts.functions:,} functions, {facts.classes:,} classes\n"
        f"Work:   {result.done} of {result.files} files studied in {format_duration(result.seconds)},"
        f" {jobs / result.seconds:.0f} jobs/s; {lost}\n"
        f"Beside: argparse.py took {result.calm_ms:.0f} ms before the trouble and {result.rough_ms:.0f} ms in the midst of it"
        " (medians of 20)\n"
        f"Room:   the worker's whole tree took {format_size(result.peak)} at most of its {format_size(ROOM)}, seen from outside"
    )
